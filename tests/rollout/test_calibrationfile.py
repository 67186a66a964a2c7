"""The calibration beside the records: read back, missing, damaged; what automatic mode needs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rightsizing.errors import PlanRejected
from rightsizing.model.verdict import Calibration, JudgePolicy, Metric, MetricCalibration
from rightsizing.rollout.calibrationfile import (
    StoredCalibration,
    automatic_refusals,
    calibration_for,
    calibration_path,
    require_automatic,
    write_calibration,
)

ERRORS = MetricCalibration(metric=Metric.ERRORS, spread=0.1, persistence=0.5)
GOOD = Calibration(metrics=(ERRORS,), busy_requests_per_core_s=9.0, automatic=True)
POLICY = JudgePolicy(required=(Metric.ERRORS,))


def stored(workload: str = "team/web", calibration: Calibration = GOOD) -> StoredCalibration:
    return StoredCalibration(
        workload=workload,
        made_at=datetime(2026, 11, 1, tzinfo=UTC),
        source="file minutes.csv",
        start_ms=0,
        end_ms=60_000,
        policy=POLICY,
        calibration=calibration,
    )


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    """Also of a workload whose key has a slash; only its owner reads the file."""
    path = write_calibration(tmp_path, stored())
    assert path.parent == tmp_path / "calibrations"
    assert path.stat().st_mode & 0o777 == 0o600
    assert calibration_for(tmp_path, "team/web") == GOOD


@pytest.mark.parametrize("content", [None, "", "{", '{"version": 9}'])
def test_without_a_usable_file_nothing_is_automatic(tmp_path: Path, content: str | None) -> None:
    """Missing or damaged: assumed noise, and the reason with the command that makes one."""
    path = calibration_path(tmp_path, "web")
    path.parent.mkdir()
    if content is not None:
        path.write_text(content)
    found = calibration_for(tmp_path, "web")
    assert (found.metrics, found.automatic) == ((), False)
    assert "rightsize canary backtest" in found.refusals[0]


def test_a_file_of_another_workload_is_not_used(tmp_path: Path) -> None:
    """Copied by hand under the wrong name."""
    write_calibration(tmp_path, stored("api"))
    calibration_path(tmp_path, "api").rename(calibration_path(tmp_path, "web"))
    assert "is of api" in calibration_for(tmp_path, "web").refusals[0]


def test_automatic_mode_is_for_what_was_replayed() -> None:
    """The back-test knew errors; a policy that requires latency too was never tried."""
    assert automatic_refusals(GOOD, POLICY) == ()
    require_automatic(GOOD, POLICY, "web")
    wider = JudgePolicy(required=(Metric.ERRORS, Metric.LATENCY_P99, Metric.CPU))
    assert automatic_refusals(GOOD, wider) == (
        "latency_p99 is required and was not in the back-test",
    )


def test_a_refusal_names_reasons_and_the_way_out() -> None:
    """One sentence."""
    refused = Calibration(refusals=("errors: 30 of 336 replays of equal arms were rolled back",))
    with pytest.raises(PlanRejected, match=r"refused for web: errors: 30 of 336 .* --workload web"):
        require_automatic(refused, POLICY, "web")
    with pytest.raises(PlanRejected, match="never tried"):
        require_automatic(Calibration(), POLICY, "web")
