"""A rollout's verdicts computed again from its journal: equal, or what differs and where."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rightsizing.errors import ConfigError
from rightsizing.model.release import Release
from rightsizing.model.rollout import FleetRollout, RolloutState, Slot, SlotState
from rightsizing.model.size import FleetSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.verdict import (
    ArmLook,
    Decision,
    Evidence,
    JudgePolicy,
    Look,
    Metric,
    Quality,
)
from rightsizing.report import jsonview
from rightsizing.report.canaryjson import canary_run
from rightsizing.report.canarypage import canary_page, odds
from rightsizing.report.htmlpage import html_page
from rightsizing.report.markdown import markdown
from rightsizing.rollout.events import Judged, Looked, Started, StepApplied, StepIntended
from rightsizing.rollout.journal import JournalWriter, claim_journal, journal_path
from rightsizing.rollout.judge.judgement import judge
from rightsizing.rollout.recomputation import newest_rollout, recompute_run
from rightsizing.stack.intent import IntendedSizing

OLD = FleetSize(instance_type="m5.large", min_instances=2, max_instances=6)
NEW = FleetSize(instance_type="m7g.medium", min_instances=2, max_instances=6)
RELEASE = Release(baseline={"web": OLD}, phases={"1": {"web": NEW}})
ROLLOUT = RolloutState(
    fleets={
        "web": FleetRollout(
            live=Slot.B, a=SlotState(size=OLD, weight=950), b=SlotState(size=NEW, weight=50)
        )
    }
)
NAME = f"0001-{RELEASE.id[:12]}-p1"
POLICY = JudgePolicy(required=(Metric.ERRORS,), min_load_coverage=0, warm_up_looks=0)


class Minutes:
    """A clock a minute on at each look."""

    def __init__(self) -> None:
        self.count = 0

    def now(self) -> datetime:
        self.count += 1
        return datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=self.count)

    def monotonic(self) -> float:
        return self.count * 60.0

    def sleep(self, seconds: float) -> None:
        del seconds


def begun(folder: Path) -> JournalWriter:
    """A journal with both slots serving."""
    writer = claim_journal(folder, NAME, Minutes())
    writer.append(
        Started(
            current=IntendedSizing.of(StackSizing(RELEASE, 0, RolloutState())),
            target=IntendedSizing.of(StackSizing(RELEASE, 1, ROLLOUT)),
            stages=("fill", "weight-50"),
            policy=POLICY,
        )
    )
    writer.append(StepIntended(stage="weight-50", rollout=ROLLOUT))
    writer.append(StepApplied(stage="weight-50"))
    return writer


def watched(writer: JournalWriter, minutes: int, canary_errors: int) -> None:
    """Looks and verdicts, a pair a minute, as the controller notes them."""
    for minute in range(minutes):
        look = Look(
            start_ms=minute * 60_000,
            baseline=ArmLook(requests=6000, errors=30, latency_p99_ms=80.0, cpu_share=0.3),
            canary=ArmLook(requests=6000, errors=canary_errors, cpu_share=0.7),
        )
        writer.append(Looked(stage="weight-50", workload="web", look=look))
        progress = writer.progress
        assert progress is not None
        looks = progress.looks_of("web")
        verdict = judge(Evidence(looks=looks, policy=POLICY, now_ms=(minute + 1) * 60_000))
        writer.append(
            Judged(
                stage="weight-50",
                workload="web",
                looks=len(looks),
                now_ms=(minute + 1) * 60_000,
                decision=verdict.decision,
                quality=verdict.quality,
                tripwires=verdict.tripwires,
                reason=verdict.reason,
            )
        )


def test_every_verdict_is_the_same_again(tmp_path: Path) -> None:
    """Twice the errors for four minutes: four verdicts, all equal, and the harm decides."""
    watched(begun(tmp_path), 4, canary_errors=90)
    run = recompute_run(tmp_path, newest_rollout(tmp_path))
    assert (run.rollout_id, run.verdicts, run.differing) == (NAME, 4, ())
    (stage,) = run.stages
    assert (stage.stage, stage.workload, len(stage.looks)) == ("weight-50", "web", 4)
    last = stage.verdicts[-1]
    assert last.computed.decision is Decision.ROLL_BACK
    assert last.decisive is not None
    assert (last.decisive.metric, last.decisive.harmed) == (Metric.ERRORS, True)
    # 4 looks of 90 among 6,000 in the canary, of 30 in the baseline
    assert (last.decisive.canary_events, last.decisive.canary_exposure) == (360, 24_000)
    assert (last.decisive.baseline_events, last.decisive.baseline_exposure) == (120, 24_000)


def test_what_is_not_as_recorded_is_named(tmp_path: Path) -> None:
    """A verdict the judge does not give of these looks: its line, and both words."""
    writer = begun(tmp_path)
    watched(writer, 1, canary_errors=30)
    writer.append(
        Judged(
            stage="weight-50",
            workload="web",
            looks=1,
            now_ms=60_000,
            decision=Decision.PROMOTE,
            quality=Quality.GOOD,
            reason="because",
        )
    )
    run = recompute_run(tmp_path, NAME)
    (wrong,) = run.differing
    assert wrong.line == 6
    assert wrong.differences[0] == "decision was 'promote', is 'continue'"
    assert "1 not as recorded" in markdown(canary_page(run))
    assert not canary_run(run)["equal"]


def test_a_stage_done_again_begins_its_looks_anew(tmp_path: Path) -> None:
    """After a crash the same stage is applied again: two sections, each with its own looks."""
    writer = begun(tmp_path)
    watched(writer, 2, canary_errors=30)
    writer.append(StepIntended(stage="weight-50", rollout=ROLLOUT))
    writer.append(StepApplied(stage="weight-50"))
    watched(writer, 3, canary_errors=30)
    run = recompute_run(tmp_path, NAME)
    assert [len(stage.looks) for stage in run.stages] == [2, 3]
    assert run.differing == ()


def test_pages_hold_every_look(tmp_path: Path) -> None:
    """The terminal's newest two of five; files and JSON hold all."""
    watched(begun(tmp_path), 5, canary_errors=30)
    run = recompute_run(tmp_path, NAME)
    assert "the newest 2 of 5" in markdown(canary_page(run, newest_looks=2))
    page = html_page(canary_page(run))
    assert page.count("6,000 / 6,000") == 5
    assert "70% / 30%" in page
    data = canary_run(run)
    assert json.loads(jsonview.json_text(data))["equal"]
    assert len(data["stages"][0]["looks"]) == 5


def test_a_half_written_line_is_said(tmp_path: Path) -> None:
    """What is before it is computed again all the same."""
    watched(begun(tmp_path), 2, canary_errors=30)
    path = journal_path(tmp_path, NAME)
    path.write_bytes(path.read_bytes()[:-20])
    run = recompute_run(tmp_path, NAME)
    assert run.verdicts == 1
    assert run.torn is not None
    assert "half written" in markdown(canary_page(run))


def test_without_a_rollout_there_is_nothing_to_explain(tmp_path: Path) -> None:
    """One sentence with the command that makes one."""
    with pytest.raises(ConfigError, match="rightsize rollout"):
        newest_rollout(tmp_path)
    journal_path(tmp_path, NAME).parent.mkdir()
    journal_path(tmp_path, NAME).touch()
    with pytest.raises(ConfigError, match="never began"):
        recompute_run(tmp_path, NAME)


def test_no_verdict_yet(tmp_path: Path) -> None:
    """A rollout that has only begun has nothing to compare, and says so."""
    begun(tmp_path)
    run = recompute_run(tmp_path, NAME)
    assert "none to compute again" in markdown(canary_page(run))


def test_odds_are_what_people_read() -> None:
    """ln 40 is 40 to 1; beyond e to the 20 more digits say nothing."""
    assert odds(3.688879) == "40"
    assert odds(None) == "-"
    assert odds(300.0) == "over 5e+08"
