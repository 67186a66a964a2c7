"""``rightsize canary``: a rollout's verdicts explained, the judge tried on a service's past."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rightsizing.cli.main import run
from rightsizing.model.release import Release
from rightsizing.model.rollout import RolloutState
from rightsizing.model.size import FleetSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.verdict import ArmLook, Decision, Evidence, JudgePolicy, Look, Metric
from rightsizing.rollout.calibrationfile import automatic_refusals, calibration_for
from rightsizing.rollout.events import Judged, Looked, Started, StepApplied, StepIntended
from rightsizing.rollout.journal import JournalWriter, claim_journal
from rightsizing.rollout.judge import calibration, outlook
from rightsizing.rollout.judge.judgement import judge
from rightsizing.stack.clock import SystemClock
from rightsizing.stack.intent import IntendedSizing

MINUTES = 630  # 42 windows of 15 looks
START_S = 1_700_000_040
HORIZON = ("--horizon", "15", "--metric", "errors")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one stack; nothing of it runs. Fewer simulations than usual, to be quick."""
    for module in (calibration, outlook):
        monkeypatch.setattr(module, "SIMULATIONS", 200)
    (tmp_path / "Pulumi.yaml").write_text("name: sample\nruntime: python\nmain: infra/\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  rightsizing:embedded: true\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def minutes(project: Path) -> Callable[..., Path]:
    """Writes a file of replicas: 6,000 requests a minute each, 0.5 % of them fail."""

    def write(replicas: str = "ab", bad_block: float = 1.0) -> Path:
        rng = np.random.default_rng(5)
        lines = ["timestamp,resource,requests,errors,cpu_pct,capacity_cores"]
        for name in replicas:
            errors = rng.poisson(30.0, MINUTES).astype(float)
            if name == "b":  # late on, one of them fails more for a quarter of an hour at a time
                at = np.arange(MINUTES)
                blocks = (at // 15 % 3 == 0) & (at >= MINUTES // 2)
                errors[blocks] = rng.poisson(30.0 * bad_block, int(blocks.sum()))
            lines += [
                f"{START_S + 60 * at},{name},6000,{errors[at]:.0f},40,4" for at in range(MINUTES)
            ]
        path = project / "minutes.csv"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def tried(capsys: pytest.CaptureFixture[str], *arguments: str, expect: int) -> dict[str, Any]:
    """The JSON of a back-test."""
    capsys.readouterr()
    assert run(["canary", "backtest", *arguments, *HORIZON, "--json"]) == expect
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_equal_replicas_allow_automatic_mode(
    project: Path, minutes: Callable[..., Path], capsys
) -> None:
    """Nothing but counting noise: few false alarms, twice the failures found in minutes."""
    found = tried(capsys, str(minutes()), "--workload", "web", expect=0)
    (errors,) = found["metrics"]
    assert errors["false_alarms"]["trials"] == 2 * MINUTES // 15  # either replica as the canary
    assert errors["false_alarms"]["hits"] <= 0.05 * errors["false_alarms"]["trials"]
    twice = next(item for item in errors["by_ratio"] if item["ratio"] == 2.0)
    assert twice["rolled_back"]["hits"] == twice["rolled_back"]["trials"]
    assert twice["median_minutes"] <= 3
    # 6,000 a minute on 4 cores of each: 25 a core and second
    assert found["calibration"]["busy_requests_per_core_s"] == pytest.approx(25)
    assert found["calibration"]["automatic"]
    assert [item["canary_share"] for item in found["outlooks"]] == [0.05, 0.25, 0.5]
    kept = calibration_for(project / ".rightsizing/sample/dev", "web")
    assert automatic_refusals(kept, JudgePolicy(required=(Metric.ERRORS,))) == ()


def test_a_past_of_false_alarms_refuses_it(
    project: Path, minutes: Callable[..., Path], capsys
) -> None:
    """The first half of the past says nothing of what one replica does in the second."""
    found = tried(capsys, str(minutes(bad_block=3.0)), "--workload", "web", expect=3)
    assert not found["calibration"]["automatic"]
    (reason, *_) = found["calibration"]["refusals"]
    assert "of 84 replays of equal arms were rolled back" in reason
    assert not calibration_for(project / ".rightsizing/sample/dev", "web").automatic


def test_one_series_is_tried_and_never_automatic(
    project: Path, minutes: Callable[..., Path], capsys
) -> None:
    """Even against odd minutes give figures; two arms were never seen, so its noise is not kept."""
    found = tried(capsys, str(minutes("a")), "--workload", "web", expect=3)
    assert "one resource" in found["calibration"]["refusals"][0]
    assert found["metrics"][0]["false_alarms"]["trials"] == MINUTES // 15
    kept = calibration_for(project / ".rightsizing/sample/dev", "web")
    assert (kept.metrics, kept.busy_requests_per_core_s) == ((), pytest.approx(25))


def test_pages_and_a_file_alone(project: Path, minutes: Callable[..., Path], capsys) -> None:
    """Without a workload nothing is kept; the pages say the same as the screen."""
    path = minutes()
    arguments = [
        "canary",
        "backtest",
        str(path),
        *HORIZON,
        "--html",
        "b.html",
        "--markdown",
        "b.md",
    ]
    assert run(arguments) == 0
    shown = capsys.readouterr().out
    for text in (shown, Path("b.html").read_text(), Path("b.md").read_text()):
        assert "Automatic mode is allowed" in text
        assert "median minutes to roll back" in " ".join(text.split())
    assert "name the workload to keep it" in shown
    assert not (project / ".rightsizing").exists()


def test_what_is_asked_for_must_be_there(
    project: Path, minutes: Callable[..., Path], capsys
) -> None:
    """Each mistake is one sentence with what to do."""
    path = str(minutes())
    cases = (
        ([], "say whose past", 2),
        ([path, "--cloudwatch", "3"], "both say where the past is", 2),
        ([path, "--metric", "slow"], "the past holds errors, not slow", 2),
        (["--workload", "web"], "the store", 1),
        ([path, "--workload", "web", "-s", "prd"], "prd", 4),
    )
    for arguments, words, code in cases:
        capsys.readouterr()
        assert run(["canary", "backtest", "--horizon", "15", *arguments]) == code, arguments
        assert words in capsys.readouterr().err


RELEASE = Release(
    baseline={"web": FleetSize(instance_type="m5.large", min_instances=2, max_instances=6)},
    phases={"1": {"web": FleetSize(instance_type="m7g.large", min_instances=2, max_instances=6)}},
)
NAME = f"0001-{RELEASE.id[:12]}-p1"


@pytest.fixture
def judged(project: Path) -> JournalWriter:
    """A rollout with one look and its verdict, as a controller notes them."""
    policy = JudgePolicy(required=(Metric.ERRORS,), min_load_coverage=0, warm_up_looks=0)
    writer = claim_journal(project / ".rightsizing/sample/dev", NAME, SystemClock())
    sizing = IntendedSizing.of(StackSizing(RELEASE, 1, RolloutState()))
    arm = ArmLook(requests=6000, errors=30, cpu_share=0.5)
    look = Look(start_ms=0, baseline=arm, canary=arm)
    made = judge(Evidence(looks=(look,), policy=policy, now_ms=60_000))
    verdict = Judged(
        stage="weight-50",
        workload="web",
        looks=1,
        now_ms=60_000,
        decision=made.decision,
        quality=made.quality,
        reason=made.reason,
    )
    for event in (
        Started(current=sizing, target=sizing, stages=("weight-50",), policy=policy),
        StepIntended(stage="weight-50", rollout=RolloutState()),
        StepApplied(stage="weight-50"),
        Looked(stage="weight-50", workload="web", look=look),
        verdict,
    ):
        writer.append(event)
    return writer


def test_a_rollout_is_explained(judged: JournalWriter, capsys) -> None:
    """The newest without a name: equal to the record, the decisive test, the look, both files."""
    capsys.readouterr()
    assert run(["canary", "explain", "--html", "c.html", "--markdown", "c.md"]) == 0
    shown = capsys.readouterr().out
    for text in (shown, Path("c.html").read_text(), Path("c.md").read_text()):
        flat = " ".join(text.split())
        assert "equal to what was recorded" in flat
        assert "canary 30 of 6,000; baseline 30 of 6,000" in flat
        assert "50% / 50%" in flat
    assert run(["canary", "explain", NAME, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["equal"], found["verdicts"]) == (True, 1)


def test_a_verdict_that_does_not_follow(judged: JournalWriter, capsys) -> None:
    """Exit code 1, with what was recorded and what follows from the looks."""
    entry = judged.read().entries[-1].event
    judged.append(entry.model_copy(update={"decision": Decision.PROMOTE, "reason": "because"}))
    capsys.readouterr()
    assert run(["canary", "explain"]) == 1
    assert "decision was 'promote', is 'continue'" in " ".join(capsys.readouterr().out.split())


def test_no_rollout_to_explain(project: Path, capsys) -> None:
    """None yet, an id that is none, and one that is not there."""
    for arguments, words in (
        ([], "no rollout to explain; `rightsize rollout` makes one"),
        (["x"], "is no id of a rollout"),
        ([NAME], "the newest are: none"),
    ):
        capsys.readouterr()
        assert run(["canary", "explain", *arguments]) == 2
        assert words in capsys.readouterr().err
