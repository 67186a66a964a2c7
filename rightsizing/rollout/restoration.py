"""What a rollback is about to do, and how it came out.

restored (exit code 0): the update completed and every live fact is as the target says.
partly restored (6): some of what was wrong is back and the rest is not, or is not known.
failed (7): nothing that was wrong is back. declined (1): nobody said yes, nothing was changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique

from rightsizing.model.facts import FactsReport
from rightsizing.model.quarantine import QuarantineEntry
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.update import OperationResult
from rightsizing.stack.applied import SizingId, sizing_id
from rightsizing.stack.inverse import InverseDiff
from rightsizing.stack.record import ReleaseRecord, difference_sentences


@unique
class RollbackOutcome(StrEnum):
    """How a rollback came out."""

    RESTORED = "restored"
    PARTLY_RESTORED = "partly_restored"
    FAILED = "failed"
    DECLINED = "declined"


EXIT_CODES: Mapping[RollbackOutcome, int] = {
    RollbackOutcome.RESTORED: 0,
    RollbackOutcome.DECLINED: 1,
    RollbackOutcome.PARTLY_RESTORED: 6,
    RollbackOutcome.FAILED: 7,
}


@dataclass(frozen=True, slots=True)
class RollbackPlan:
    """What is asked before anything changes. ``diff`` says how and how fast each resource returns.

    ``leaving`` is None when it is not known what was applied last.
    """

    leaving: SizingId | None
    target: StackSizing
    preview: OperationResult
    diff: InverseDiff
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RollbackResult:
    """How it came out. ``error``: why the update did not complete, if it did not."""

    outcome: RollbackOutcome
    plan: RollbackPlan
    operation: OperationResult | None = None
    facts: FactsReport | None = None
    record: ReleaseRecord | None = None
    quarantined: QuarantineEntry | None = None
    error: str | None = None

    @property
    def exit_code(self) -> int:
        """Process exit code."""
        return EXIT_CODES[self.outcome]

    @property
    def sentence(self) -> str:
        """One sentence for a person, with what to do next."""
        target = sizing_id(self.plan.target)
        if self.outcome is RollbackOutcome.RESTORED:
            return f"{target} runs again: the live facts are as it says"
        if self.outcome is RollbackOutcome.DECLINED:
            return "nothing was changed"
        differences = () if self.facts is None else difference_sentences(self.facts)
        why = "; ".join([*([self.error] if self.error else []), *differences[:3]])
        word = "partly restored" if self.outcome is RollbackOutcome.PARTLY_RESTORED else "not"
        did = f"{word} {target}" if word != "not" else f"{target} was not restored"
        return f"{did}: {why}; run `rightsize rollback` again to finish it"


def judge(facts: FactsReport, wrong_before: tuple[str, ...], *, completed: bool) -> RollbackOutcome:
    """The outcome, by what the live facts contradicted before the rollback and still do.

    Args:
        facts: live facts compared with the target, after the update.
        wrong_before: ``contradictions`` of the same comparison before the first attempt.
        completed: whether the update ran to its end.
    """
    if completed and facts.matches:
        return RollbackOutcome.RESTORED
    wrong_now = set(contradictions(facts))
    came_back = set(wrong_before) - wrong_now
    if came_back and (completed or not facts.unreadable):
        return RollbackOutcome.PARTLY_RESTORED
    return RollbackOutcome.FAILED if wrong_now or not completed else RollbackOutcome.PARTLY_RESTORED


def contradictions(facts: FactsReport) -> tuple[str, ...]:
    """Names of the facts that are not as they should be."""
    return tuple(f"{mismatch.workload}: {mismatch.fact}" for mismatch in facts.mismatches)
