"""Decisions into the stack file: what is written, what stays, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rightsizing.cli import writing
from rightsizing.cli.commands import approving
from rightsizing.cli.main import run
from rightsizing.cli.session import Session
from rightsizing.errors import ConfigError
from rightsizing.model.base import NoData
from rightsizing.model.phased import CommitmentsDeclaration
from rightsizing.model.release import Release
from rightsizing.model.size import ContainerSize
from rightsizing.model.stackconfig import StackSizing, parse_stack_sizing
from rightsizing.model.update import HistoryEntry, UpdateKind, UpdateStatus
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.purchases import (
    require_soak,
    running_since,
    seen_by_an_update,
    without_purchase,
)

RELEASE = Release(
    baseline={"app": ContainerSize(cpu_millicores=8000, memory_mib=8192)},
    phases={"1": {"app": ContainerSize(cpu_millicores=2000, memory_mib=8192)}},
)
# Braces are doubled, because the text below is formatted.
WRITTEN = json.dumps(RELEASE.model_dump(mode="json")).replace("{", "{{").replace("}", "}}")
STACK = f"""\
# ours
config:
  rightsizing:embedded: {{embedded}}
  rightsizing:containers: # two of them
    app:
      size: {{{{cpu_millicores: 8000, memory_mib: 8192}}}} # as measured
      image: trader:1
  rightsizing:jobs:
    scraping: # every half hour
      image: repo/scraping:7
      environment: {{{{SOURCES: all}}}}
      config:
        memory_mib: 128
        timeout_seconds: 10
        trigger: {{{{kind: schedule, expression: rate(30 minutes)}}}}
  rightsizing:release: {WRITTEN}
  rightsizing:phase: {{phase}}
"""
LOG = "timestamp,key\n" + "".join(f"{second * 1000},k{second % 2}\n" for second in range(100))
COMPONENTS = (
    "component,invocations,duration_ms,memory_mib,trigger\n"
    "scraping,720,45000,512,schedule\nalerts,100,500,256,queue\n"
)
TENANTS = "tenant,cpu_cores,memory_mib\nalpha,0.5,1000\nbeta,1.5,3000\n"
NOW = datetime(2026, 12, 1, tzinfo=UTC)
PLAN = {
    "decisions": [
        {
            "offering_id": "offer",
            "kind": "compute-sp",
            "term_years": 1,
            "payment": "no-upfront",
            "hourly_commitment": "0.05",
            "start": "2026-12-01T00:00:00Z",
            "reason": "base load",
        }
    ]
}
COMMITMENTS = {"phase": 1, "plan": PLAN}


@pytest.fixture
def stack_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one embedded stack at phase 1, as the current folder."""
    (tmp_path / "Pulumi.yaml").write_text("name: sample\nruntime: python\nmain: infra/\n")
    (tmp_path / "calls.csv").write_text(LOG)
    (tmp_path / "components.csv").write_text(COMPONENTS)
    (tmp_path / "tenants.csv").write_text(TENANTS)
    (tmp_path / "Pulumi.prod.yaml").write_text(STACK.format(embedded="false", phase=1))
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(STACK.format(embedded="true", phase=1))
    monkeypatch.chdir(tmp_path)
    return path


def declared(path: Path):
    """The declaration of a stack file."""
    return StackFile.load(path).declaration()


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    """The one sentence of a command that must be refused."""
    assert run(arguments) != 0
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_a_cache_is_written_for_its_stack(stack_path: Path) -> None:
    """A container where the stack is embedded, ElastiCache elsewhere; phase 3 by default."""
    arguments = ["cache", "calls.csv", "--usd-per-call", "0.01", "--write", "--name", "sentiment"]
    assert run(arguments) == 0
    found = declared(stack_path).cache["sentiment"]
    assert (found.phase, found.config.deployment.kind) == (3, "container")
    assert run(["--stack", "prod", *arguments]) == 0
    prod = declared(stack_path.with_name("Pulumi.prod.yaml")).cache["sentiment"]
    assert prod.config.deployment.kind == "elasticache"


def test_everything_else_in_the_file_stays(stack_path: Path) -> None:
    """Lines of before are there after, comments too; a second time writes nothing."""
    before = stack_path.read_text()
    assert run(["cache", "calls.csv", "--usd-per-call", "0.01", "--write"]) == 0
    after = stack_path.read_text()
    assert [line for line in before.splitlines() if line not in after.splitlines()] == []
    assert run(["cache", "calls.csv", "--usd-per-call", "0.01", "--write"]) == 0
    assert stack_path.read_text() == after


def test_a_function_keeps_what_is_its_owners(stack_path: Path) -> None:
    """Image, environment and the real schedule stay; size and timeout are the decision's."""
    arguments = ["serverless", "components.csv", "--write", "--image", "alerts=repo/alerts:1"]
    assert run(arguments) == 0
    jobs = declared(stack_path).jobs
    assert jobs["scraping"].image == "repo/scraping:7"
    assert jobs["scraping"].environment == {"SOURCES": "all"}
    assert jobs["scraping"].config.memory_mib == 512
    assert jobs["scraping"].config.timeout_seconds == 90  # twice the longest run of 45 s
    trigger = jobs["scraping"].config.trigger
    assert trigger.model_dump() == {"kind": "schedule", "expression": "rate(30 minutes)"}
    assert (jobs["alerts"].image, jobs["alerts"].config.trigger.kind) == ("repo/alerts:1", "queue")
    assert "# every half hour" in stack_path.read_text()


def test_a_packing_is_written(stack_path: Path) -> None:
    """Each tenant with its limits, once; a second packing keeps the image."""
    assert run(["pack", "tenants.csv", "--types", "m6i.*", "--write", "--image", "folio:1"]) == 0
    assert run(["pack", "tenants.csv", "--types", "m7i.*", "--write"]) == 0
    found = declared(stack_path).tenancy["tenants"]
    assert found.image == "folio:1"
    assert sorted(tenant for _, tenant in found.tenants()) == ["alpha", "beta"]
    assert {item.instance_type[:3] for item in found.config.instances.values()} == {"m7i"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serverless", "components.csv", "--write"], "--image alerts=URI"),
        (["serverless", "components.csv", "--write", "--image", "alerts"], "must be NAME=URI"),
        (["serverless", "components.csv", "--image", "a=b"], "--image is for --write"),
        (["pack", "tenants.csv", "--types", "m6i.*", "--write"], "--image REFERENCE"),
        (["cache", "--info", "calls.csv", "--write"], "INFO decides no setting"),
        (["cache", "calls.csv", "--usd-per-call", "1", "--write", "--name", "app"], "twice"),
        (["commit", "approve"], "proposes no commitments"),
        (["commit", "approve", "--soak-days", "1"], "at least 7"),
    ],
)
def test_mistakes_write_nothing(
    stack_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """One sentence, and the file is as it was."""
    before = stack_path.read_text()
    assert said in refused(capsys, arguments)
    assert stack_path.read_text() == before


def test_a_phase_without_sizes_can_be_planned(
    stack_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The release ends at phase 1 and the file's job is of phase 4; what is declared stays."""
    monkeypatch.setattr(Session, "driver", _Driver(entry(1, 1, days_ago=1)))
    monkeypatch.setattr(Session, "use_local_cloud", lambda _: None)
    assert run(["cache", "calls.csv", "--usd-per-call", "0.01", "--write"]) == 0
    before = declared(stack_path)
    assert run(["plan", "--phase", "2"]) == 0
    assert StackFile.load(stack_path).sizing().phase == 2
    assert declared(stack_path) == before


def test_a_phase_after_the_last_part_is_refused(
    stack_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is declared for phase 5."""
    monkeypatch.setattr(Session, "driver", _Driver(entry(1, 4, days_ago=1)))
    monkeypatch.setattr(Session, "use_local_cloud", lambda _: None)
    stack_path.write_text(stack_path.read_text().replace("phase: 1", "phase: 4"))
    assert "changes nothing after phase 4" in refused(capsys, ["plan", "--phase", "5"])


def entry(number: int, phase: int, *, days_ago: float, more: str = "{}") -> HistoryEntry:
    """A successful update that applied the release at a phase."""
    end = NOW - timedelta(days=days_ago)
    return HistoryEntry(
        sequence=number,
        kind=UpdateKind.UPDATE,
        status=UpdateStatus.SUCCEEDED,
        start=end - timedelta(minutes=1),
        end=end,
        message="",
        config={
            "rightsizing:release": RELEASE.model_dump_json(),
            "rightsizing:phase": str(phase),
            "rightsizing:commitments": more,
        },
        secret_keys=frozenset(),
        environment={},
        resource_changes={},
    )


def sizing(phase: int) -> StackSizing:
    """The release at a phase."""
    return parse_stack_sizing(
        {"rightsizing:release": RELEASE.model_dump(mode="json"), "rightsizing:phase": phase}
    )


def test_a_soak_counts_from_the_first_update_without_a_break() -> None:
    """Applied 20 and 3 days ago at phase 1 after phase 0: it has run 20 days."""
    history = [entry(3, 1, days_ago=3), entry(2, 1, days_ago=20), entry(1, 0, days_ago=40)]
    assert running_since(history, sizing(1)) == NOW - timedelta(days=20)
    assert require_soak(history, sizing(1), 14, NOW) == NOW - timedelta(days=20)


def test_a_soak_is_broken_by_another_phase() -> None:
    """Phase 0 in between: only the newest 3 days count, 14 are asked for."""
    history = [entry(3, 1, days_ago=3), entry(2, 0, days_ago=5), entry(1, 1, days_ago=40)]
    with pytest.raises(ConfigError, match=r"for 3\.0 days, 14 are asked for"):
        require_soak(history, sizing(1), 14, NOW)


def test_what_was_never_applied_has_not_soaked() -> None:
    """The newest update decides."""
    assert isinstance(running_since([entry(1, 0, days_ago=30)], sizing(1)), NoData)
    assert isinstance(running_since([], sizing(1)), NoData)


class _Driver:
    """A driver that knows history and nothing else."""

    def __init__(self, *history: HistoryEntry) -> None:
        self._history = history

    def exists(self, _stack: object) -> bool:
        return True

    def history(self, _stack: object) -> tuple[HistoryEntry, ...]:
        return self._history


@pytest.fixture
def proposed(stack_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The production file with a proposal, on a release that has run 20 days."""
    path = stack_path.with_name("Pulumi.prod.yaml")
    StackFile.load(path).write_declared("commitments", COMMITMENTS)
    monkeypatch.setattr(Session, "driver", _Driver(entry(1, 1, days_ago=20)))
    monkeypatch.setattr(approving, "now", lambda: NOW)
    return path


def test_approval_writes_a_yes_to_exactly_this(proposed: Path) -> None:
    """Digest, release and phase; savings plans are queued for 24 hours."""
    assert run(["--stack", "prod", "commit", "approve"]) == 0
    assert declared(proposed).commitments.confirmed is None
    assert run(["--stack", "prod", "commit", "approve", "--confirm", "--yes"]) == 0
    found = declared(proposed).commitments
    assert found.confirmed is not None
    assert found.confirmed.digest == found.digest
    assert (found.confirmed.release, found.confirmed.phase) == (RELEASE.id, 1)
    assert found.confirmed.purchase_at == NOW + timedelta(hours=24)


def test_a_confirmed_plan_is_not_overwritten(proposed: Path) -> None:
    """It may be bought, so another proposal must not make the program forget it."""
    assert run(["--stack", "prod", "commit", "approve", "--confirm", "--yes"]) == 0
    session = Session(None, "prod", None, as_json=False, debug=False)
    other = CommitmentsDeclaration.model_validate(COMMITMENTS).plan.model_copy(
        update={"decisions": ()}
    )
    with pytest.raises(ConfigError, match="confirmed commitments"):
        writing.write_commitments(session, other)


def test_a_rollback_buys_nothing(proposed: Path) -> None:
    """A yes that no update has seen is taken back; one that an update saw stays."""
    assert run(["--stack", "prod", "commit", "approve", "--confirm", "--yes"]) == 0
    found = declared(proposed).commitments
    seen = entry(2, 1, days_ago=0, more=found.model_dump_json(exclude_none=True))
    assert seen_by_an_update(found, [seen])
    without_purchase(StackFile.load(proposed), [seen])
    assert declared(proposed).commitments.confirmed is not None
    without_purchase(StackFile.load(proposed), [entry(1, 1, days_ago=20)])
    assert declared(proposed).commitments.confirmed is None
    assert not declared(proposed).commitments.empty
