"""The comparing use case: AWS's own recommendations beside ours.

Nothing here may keep our own recommendation from being shown, so every failure becomes a sentence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rightsizing.cli.live import aws_clients
from rightsizing.cli.session import Session
from rightsizing.errors import RightsizingError
from rightsizing.measure.awsclients import AwsClients
from rightsizing.measure.computeoptimizer import PEER, read_compute_optimizer
from rightsizing.measure.discovery import discover_aws
from rightsizing.model.peeradvice import PeerReport
from rightsizing.model.recommendation import Recommendation
from rightsizing.report.peercomparison import PeerComparison, compare_with_peer

COMPUTE_OPTIMIZER = "compute-optimizer"
PEERS = (COMPUTE_OPTIMIZER,)


def compare(
    session: Session, recommendations: Sequence[Recommendation], rows: Any
) -> PeerComparison:
    """Read AWS's recommendations and put them beside ours.

    Args:
        session: whose stack names the region; outside a project nothing can be asked.
        recommendations: ours.
        rows: the measurements they come from (an Ibis table), whose resource ids are known.
    """
    ids = _stored_ids(rows)
    try:
        clients = aws_clients(session)
        report = read_compute_optimizer(clients)
    except RightsizingError as error:
        report = PeerReport(PEER, (), (str(error),))
    else:
        report = _discover(clients, report, ids)
    known = {key: frozenset(found) for key, found in ids.items()}
    return compare_with_peer(recommendations, report, known, session.catalog)


def _stored_ids(rows: Any) -> defaultdict[str, set[str]]:
    ids: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows.select("workload", "resource_id").distinct().to_pyarrow().to_pylist():
        ids[row["workload"]].add(row["resource_id"])
    return ids


def _discover(
    clients: AwsClients, report: PeerReport, ids: defaultdict[str, set[str]]
) -> PeerReport:
    """Add the resources that carry a workload's tag today: groups' advice has no tags."""
    if all(item.workload is not None for item in report.advice):
        return report
    try:
        for item in discover_aws(clients).workloads:
            ids[item.key] |= {resource.resource_id for resource in item.resources}
    except RightsizingError as error:
        sentence = f"matched by the store's resource ids alone: {error}"
        return replace(report, failures=(*report.failures, sentence))
    return report
