"""Clients and readers of the live world for one invocation: AWS, Docker, live facts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime

from rightsizing.cli.session import Session
from rightsizing.measure.awsclients import AwsClients
from rightsizing.measure.docker import connect
from rightsizing.model.workload import Workload
from rightsizing.stack.facts import FactsReader, LiveClients, LiveFact, read_facts

ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"


def aws_clients(session: Session, region: str | None = None) -> AwsClients:
    """Clients of the stack's region; of the local AWS when the stack is embedded."""
    declaration = session.declaration
    session.use_local_cloud()
    endpoint = os.environ.get(ENDPOINT_VARIABLE) if declaration.embedded else None
    return AwsClients(region or declaration.region, endpoint_url=endpoint)


def facts_reader(session: Session) -> FactsReader:
    """Reads live facts of the stack's workloads by boto3 and the Docker API, never from state."""
    clients = LiveClients(aws=aws_clients(session), docker=connect)
    stack = session.stack

    def read(workloads: Sequence[Workload]) -> tuple[LiveFact, ...]:
        return read_facts(workloads, clients, stack=stack)

    return read


def now() -> datetime:
    """Aware UTC."""
    return datetime.now(UTC)


def now_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return int(now().timestamp() * 1000)
