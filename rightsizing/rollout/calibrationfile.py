"""What a service's own past taught the judge, kept beside the stack's records.

``<record_dir>/calibrations/<workload>.json``, written by ``rightsize canary backtest`` and read
when a rollout begins. A service without one, or with a damaged one, is judged with assumed noise
and never automatically; the calibration then says why.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from pydantic import Field, ValidationError

from rightsizing.errors import PlanRejected
from rightsizing.model.base import FrozenModel
from rightsizing.model.verdict import Calibration, JudgePolicy
from rightsizing.stack.durable import PRIVATE_MODE, replace_file

CALIBRATIONS_FOLDER = "calibrations"
BACKTEST = "rightsize canary backtest"


class StoredCalibration(FrozenModel):
    """A calibration with what it was made from."""

    version: int = Field(default=1, ge=1, le=1)
    workload: str
    made_at: datetime
    source: str
    start_ms: int
    end_ms: int
    policy: JudgePolicy
    calibration: Calibration


def calibration_path(record_dir: Path, workload: str) -> Path:
    """Where a workload's calibration is."""
    return record_dir / CALIBRATIONS_FOLDER / f"{quote(workload, safe='')}.json"


def write_calibration(record_dir: Path, stored: StoredCalibration) -> Path:
    """Replace a workload's calibration. Raises StackError when it cannot be written."""
    path = calibration_path(record_dir, stored.workload)
    replace_file(path, stored.model_dump_json(indent=1).encode() + b"\n", mode=PRIVATE_MODE)
    return path


def calibration_for(record_dir: Path, workload: str) -> Calibration:
    """A workload's calibration. ``automatic`` False means that a person confirms each verdict.

    Never raises: without a usable file it is empty, and ``refusals`` says why.
    """
    path = calibration_path(record_dir, workload)
    try:
        stored = StoredCalibration.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return _none(f"the judge was never tried on {workload}'s own past")
    except (OSError, ValidationError):
        return _none(f"the calibration {path} is damaged")
    if stored.workload != workload:
        return _none(f"the calibration {path} is of {stored.workload}")
    return stored.calibration


def automatic_refusals(calibration: Calibration, policy: JudgePolicy) -> tuple[str, ...]:
    """Why a rollout with this policy may not decide by itself; none: it may.

    The replay speaks for the metrics it was made of, and for the strictness it was made at.
    """
    found = list(calibration.refusals)
    if not calibration.automatic and not found:
        found.append("the judge was never tried on the service's own past")
    known = {item.metric for item in calibration.metrics}
    if calibration.automatic:
        found += [
            f"{metric.value} is required and was not in the back-test"
            for metric in policy.compared
            if metric not in known
        ]
    return tuple(found)


def require_automatic(calibration: Calibration, policy: JudgePolicy, workload: str) -> None:
    """Raise PlanRejected when automatic mode is refused, with the reasons and what to do."""
    reasons = automatic_refusals(calibration, policy)
    if reasons:
        raise PlanRejected(
            f"automatic mode is refused for {workload}: {'; '.join(reasons)}; run `{BACKTEST} "
            f"--workload {workload}` on its own past, or roll out with a person to confirm"
        )


def _none(reason: str) -> Calibration:
    return Calibration(refusals=(f"{reason}; `{BACKTEST}` tries it",))
