"""Apply a stack's configuration: preview with its inverse, update, live facts, record.

The configuration file says what to apply; this use case adds what a plain ``pulumi up`` lacks: the
phases are taken in order, a release that was rolled back is refused, the way back is shown before
anybody says yes, and success is what the live facts say. Each outcome is one ledger record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rightsizing.errors import ConfigError, FactsMismatch, PlanRejected, StackError, UpdateFailed
from rightsizing.model.base import NoData
from rightsizing.model.facts import FactsReport
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.update import HistoryEntry, OperationResult, UpdateStatus
from rightsizing.stack.applied import (
    AppliedUpdate,
    applied_updates,
    newest_sequence,
    newest_update,
    sizing_id,
)
from rightsizing.stack.clock import Clock, SystemClock
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.driver import StackDriver, StackRef, StepListener
from rightsizing.stack.facts import FactsReader
from rightsizing.stack.intent import IntendedSizing, Intent, IntentFile, Operation
from rightsizing.stack.inverse import InverseDiff, inverse_diff
from rightsizing.stack.lease import break_dead_lock, hold_lease
from rightsizing.stack.ledger import Ledger
from rightsizing.stack.outcome import compared_outcome, update_outcome
from rightsizing.stack.quarantine import Quarantine
from rightsizing.stack.record import (
    Origin,
    ReleaseRecord,
    Verdict,
    difference_sentences,
)
from rightsizing.stack.settling import SETTLE_SECONDS, Say, settled_facts
from rightsizing.stack.takeover import takeover_notes

_SHOWN_DIFFERENCES = 3  # in an error's sentence; the result holds them all


@dataclass(frozen=True, slots=True)
class ApplyPlan:
    """What is asked before anything changes."""

    sizing: StackSizing
    preview: OperationResult
    inverse: InverseDiff
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What happened. Without a yes, ``operation``, ``facts`` and ``record`` are None."""

    plan: ApplyPlan
    operation: OperationResult | None = None
    facts: FactsReport | None = None
    record: ReleaseRecord | None = None

    @property
    def applied(self) -> bool:
        """False when the answer was no."""
        return self.operation is not None

    def require_match(self) -> None:
        """Raise FactsMismatch (exit code 5) when the update ran but the live facts differ."""
        if self.facts is None or self.facts.matches:
            return
        found = difference_sentences(self.facts)
        more = len(found) - _SHOWN_DIFFERENCES
        raise FactsMismatch(
            f"the update completed, but {len(found)} live facts are not as it says: "
            + "; ".join(found[:_SHOWN_DIFFERENCES])
            + (f"; and {more} more" if more > 0 else "")
            + "; `rightsize status` reads them again, `rightsize rollback` goes back"
        )


def apply_stack(
    driver: StackDriver,
    stack: StackRef,
    *,
    read: FactsReader,
    confirm: Callable[[ApplyPlan], bool],
    clock: Clock | None = None,
    listener: StepListener | None = None,
    say: Say | None = None,
    settle_seconds: float = SETTLE_SECONDS,
    refresh: bool = True,
    preview: bool = True,
) -> ApplyResult:
    """Apply what the stack's configuration file says.

    Args:
        read: reads live facts of the declared workloads.
        confirm: is shown the preview and the way back; False changes nothing.
        settle_seconds: how long live facts may take to become what the sizing says.
        refresh: read the live cloud before deciding what to change; without it the engine believes
            its state, and does not see what a killed update or a hand edit left behind.
        preview: without it ``confirm`` is shown an empty one; for steps agreed to before.

    Raises:
        ConfigError: the configuration file is wrong.
        PlanRejected: phases out of order, or the release is quarantined at this phase.
        StackLocked: another update or another rightsize command is under way.
        UpdateFailed: the update did not complete; a record says so.
        StackError: a rollback was interrupted and has to be finished first.
    """
    clock = clock or SystemClock()
    with hold_lease(stack.record_dir, "apply"):
        use_case = _Apply(
            driver, stack, read, clock, listener, say, settle_seconds, refresh, preview
        )
        return use_case.run(confirm)


def check_phase_order(sizing: StackSizing, applied: Sequence[AppliedUpdate]) -> None:
    """Raise PlanRejected when a phase that changes sizes would be skipped.

    The phase reached is that of the newest update that succeeded. An empty stack may start at any
    phase, since nothing runs that could be taken by surprise.
    """
    done = next((update for update in applied if update.succeeded), None)
    if sizing.release is None or done is None or isinstance(done.sizing, NoData):
        return
    reached = done.sizing.phase
    skipped = [
        phase for phase in range(reached + 1, sizing.phase) if sizing.release.phases.get(str(phase))
    ]
    if skipped:
        raise PlanRejected(
            f"phase {sizing.phase} is out of order: the stack is at phase {reached} and phase "
            f"{skipped[0]} changes sizes too; run `rightsize plan --phase {skipped[0]}` and apply "
            "that first"
        )


@dataclass(frozen=True, slots=True)
class _Apply:
    driver: StackDriver
    stack: StackRef
    read: FactsReader
    clock: Clock
    listener: StepListener | None
    say: Say | None
    settle_seconds: float
    refresh: bool
    preview: bool

    @property
    def intents(self) -> IntentFile:
        return IntentFile(self.stack.record_dir)

    def run(self, confirm: Callable[[ApplyPlan], bool]) -> ApplyResult:
        file = StackFile.load(self.stack.config_path)
        sizing = file.sizing()
        workloads = file.declaration().workloads()
        history = self.driver.history(self.stack)
        ledger = Ledger(self.stack.record_dir)
        ledger.adopt(history, at=self.clock.now())
        Quarantine(self.stack.record_dir).refuse(sizing)
        applied = applied_updates(history)
        check_phase_order(sizing, applied)
        notes = (*self._interruption(), *ledger.read().damaged)
        refresh = self.refresh or bool(notes)
        preview = OperationResult(UpdateStatus.SUCCEEDED, ())
        if self.preview:
            preview = self.driver.preview(self.stack, refresh=refresh)
        if self.preview and sizing.rollout.fleets and history:
            notes = (*notes, *takeover_notes(self.read(workloads), sizing))
        plan = ApplyPlan(sizing, preview, inverse_diff(preview), notes)
        if not confirm(plan):
            return ApplyResult(plan)
        if StackFile.load(self.stack.config_path).sizing() != sizing:
            raise ConfigError(
                f"{self.stack.config_path.name} was changed since its preview was shown; nothing "
                "was applied, run `rightsize apply` again"
            )
        self._intend(sizing, applied, history)
        operation = self._update(ledger, sizing, history, refresh=refresh)
        facts = settled_facts(
            self.read,
            sizing,
            workloads,
            clock=self.clock,
            limit_seconds=self.settle_seconds,
            say=self.say,
        )
        record = self._record(ledger, sizing, history, facts)
        self.intents.clear()
        return ApplyResult(plan, operation, facts, record)

    def _interruption(self) -> tuple[str, ...]:
        """What an earlier operation left behind. Raises StackError for half a rollback."""
        found = self.intents.read()
        notes = []
        if isinstance(found, NoData):
            notes.append(found.reason)
        elif found is not None and not found.completed:
            if found.operation is Operation.ROLLBACK:
                raise StackError(
                    f"a rollback to {sizing_id(found.target.sizing())} was interrupted at "
                    f"{found.started:%Y-%m-%d %H:%M} UTC; run `rightsize rollback` to finish it"
                )
            notes.append(
                f"an apply of {sizing_id(found.target.sizing())} was interrupted at "
                f"{found.started:%Y-%m-%d %H:%M} UTC; the live cloud is read first"
            )
        if break_dead_lock(self.driver, self.stack):
            notes.append("the lock of a killed update was broken; the live cloud is read first")
        pending = self.driver.pending_operations(self.stack)
        if pending:
            notes.append(
                f"{len(pending)} operations of a killed update are pending, the first on "
                f"{pending[0]}; the live cloud is read first"
            )
        return tuple(notes)

    def _intend(
        self,
        sizing: StackSizing,
        applied: Sequence[AppliedUpdate],
        history: Sequence[HistoryEntry],
    ) -> None:
        before = applied[0].sizing if applied else sizing
        self.intents.write(
            Intent(
                operation=Operation.APPLY,
                started=self.clock.now(),
                last_sequence=newest_sequence(history),
                current=IntendedSizing.of(sizing if isinstance(before, NoData) else before),
                target=IntendedSizing.of(sizing),
            )
        )

    def _update(
        self,
        ledger: Ledger,
        sizing: StackSizing,
        history: Sequence[HistoryEntry],
        *,
        refresh: bool,
    ) -> OperationResult:
        message = f"rightsize apply {sizing_id(sizing)}"
        try:
            return self.driver.up(
                self.stack, message=message, refresh=refresh, listener=self.listener
            )
        except UpdateFailed as error:
            entry = newest_update(self.driver.history(self.stack), after=newest_sequence(history))
            outcome = update_outcome(
                self.driver,
                self.stack,
                entry,
                origin=Origin.APPLY,
                verdict=Verdict.FAILED,
                reason=str(error),
            )
            ledger.append(entry, sizing, outcome, at=self.clock.now())
            if entry is not None:  # else only the intent tells what was being applied
                self.intents.clear()
            raise UpdateFailed(
                f"{error}; `rightsize apply` goes on from there, `rightsize rollback` goes back"
            ) from error
        except StackError:
            self.intents.clear()  # locked, missing or another driver's: nothing was started
            raise

    def _record(
        self,
        ledger: Ledger,
        sizing: StackSizing,
        history: Sequence[HistoryEntry],
        facts: FactsReport,
    ) -> ReleaseRecord:
        entry = newest_update(self.driver.history(self.stack), after=newest_sequence(history))
        outcome = compared_outcome(self.driver, self.stack, entry, facts, origin=Origin.APPLY)
        return ledger.append(entry, sizing, outcome, at=self.clock.now())
