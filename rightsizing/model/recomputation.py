"""A canary's verdicts computed again from what they were made of, beside what was recorded.

One ``Recomputed`` a verdict, grouped by stage and workload as they were judged. What was recorded
is words of the journal; what was computed is the judge's whole answer with its evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rightsizing.model.verdict import (
    Calibration,
    Decision,
    JudgePolicy,
    Look,
    MetricTest,
    Quality,
    Tripwire,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class RecordedVerdict:
    """What the journal says of a verdict."""

    decision: Decision
    quality: Quality
    tripwires: tuple[Tripwire, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Recomputed:
    """One verdict. ``line`` is its line of the journal, ``looks`` how many it was made of."""

    line: int
    at: datetime
    looks: int
    recorded: RecordedVerdict
    computed: Verdict

    @property
    def differences(self) -> tuple[str, ...]:
        """What is not as it was recorded, a sentence each; none: the same verdict."""
        found = RecordedVerdict(
            self.computed.decision,
            self.computed.quality,
            self.computed.tripwires,
            self.computed.reason,
        )
        pairs = (
            ("decision", self.recorded.decision.value, found.decision.value),
            ("data quality", self.recorded.quality.value, found.quality.value),
            ("tripwires", _wires(self.recorded.tripwires), _wires(found.tripwires)),
            ("reason", self.recorded.reason, found.reason),
        )
        return tuple(
            f"{name} was {recorded!r}, is {computed!r}"
            for name, recorded, computed in pairs
            if recorded != computed
        )

    @property
    def decisive(self) -> MetricTest | None:
        """The test the decision hangs on; None: a tripwire or the data's quality decided.

        To roll back, the harm shown most clearly; to promote, the safety shown least clearly; for
        neither, the safety that lacks most.
        """
        verdict = self.computed
        if verdict.tripwires or verdict.quality.blocks_rollback:
            return None
        if verdict.decision is Decision.ROLL_BACK:
            return max((test for test in verdict.tests if test.harmed), key=_harm, default=None)
        required = [test for test in verdict.tests if test.test != "absolute"]
        if verdict.decision is not Decision.PROMOTE:
            required = [test for test in required if not test.safe]
        return min(required, key=_safety, default=None)


@dataclass(frozen=True, slots=True)
class JudgedStage:
    """All looks at one workload in one stage, and the verdicts made of them, oldest first.

    ``alone`` is the verdict on what served with nothing to compare it with; those are not recorded.
    """

    stage: str
    workload: str
    looks: tuple[Look, ...]
    verdicts: tuple[Recomputed, ...]
    alone: str | None = None


@dataclass(frozen=True, slots=True)
class CanaryRun:
    """A rollout's judging. ``standing`` is where it stands, ``torn`` a half-written last line."""

    rollout_id: str
    began: datetime
    standing: str
    policy: JudgePolicy
    calibration: Calibration
    stages: tuple[JudgedStage, ...]
    torn: str | None = None

    @property
    def verdicts(self) -> int:
        """How many verdicts were computed again."""
        return sum(len(stage.verdicts) for stage in self.stages)

    @property
    def differing(self) -> tuple[Recomputed, ...]:
        """Verdicts that are not as they were recorded."""
        return tuple(item for stage in self.stages for item in stage.verdicts if item.differences)


def _wires(wires: tuple[Tripwire, ...]) -> str:
    return ", ".join(wire.value for wire in wires) or "none"


def _harm(test: MetricTest) -> float:
    return (test.log_harm or 0.0) - (test.log_harm_needed or 0.0)


def _safety(test: MetricTest) -> float:
    if test.log_safe is None:  # not measured, or memory, which is under its ceiling or is not
        return 0.0 if test.safe else float("-inf")
    return test.log_safe - (test.log_safe_needed or 0.0)
