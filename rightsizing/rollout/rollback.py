"""Roll back: bring a stack to the last good update's sizes, and prove it by live facts.

Every step can be repeated, and the intent file says what was under way, so a rollback that was
killed anywhere is finished by running it again:

    choose the target -> write its keys -> preview -> yes -> intent -> update with refresh
    -> live facts -> record -> quarantine what was left -> intent removed

While the old slot of a fleet is kept, its way back is a weight move. Nothing here imports a
checkpoint: that would change what the engine believes, not what runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from rightsizing.errors import StackError, UpdateFailed
from rightsizing.model.base import NoData
from rightsizing.model.facts import FactsReport
from rightsizing.model.quarantine import QuarantineEntry
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.update import HistoryEntry, OperationResult, UpdateStatus
from rightsizing.model.workload import Workload
from rightsizing.rollout.restoration import (
    RollbackOutcome,
    RollbackPlan,
    RollbackResult,
    contradictions,
    judge,
)
from rightsizing.rollout.route import Route, find_route
from rightsizing.rollout.worktree import Program, program_of
from rightsizing.stack.applied import (
    applied_updates,
    newest_sequence,
    newest_update,
    sizing_id,
)
from rightsizing.stack.clock import Clock, SystemClock
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.driver import StackDriver, StackRef, StepListener
from rightsizing.stack.facts import FactsReader, compare_facts
from rightsizing.stack.intent import IntendedSizing, Intent, IntentFile, Operation
from rightsizing.stack.inverse import restoring_diff
from rightsizing.stack.lease import break_dead_lock, hold_lease
from rightsizing.stack.ledger import Ledger
from rightsizing.stack.outcome import compared_outcome, update_outcome
from rightsizing.stack.purchases import without_purchase
from rightsizing.stack.quarantine import Quarantine
from rightsizing.stack.record import Origin, ReleaseRecord, Verdict
from rightsizing.stack.selection import select_driver
from rightsizing.stack.settling import SETTLE_SECONDS, Say, settled_facts


def rollback(
    driver: StackDriver,
    stack: StackRef,
    *,
    read: FactsReader,
    confirm: Callable[[RollbackPlan], bool],
    to: str | None = None,
    reason: str = "",
    clock: Clock | None = None,
    listener: StepListener | None = None,
    say: Say | None = None,
    settle_seconds: float = SETTLE_SECONDS,
    driver_in: Callable[[Mapping[str, str]], StackDriver] | None = None,
    preview: bool = True,
) -> RollbackResult:
    """Restore the last good update, or the one ``to`` names.

    Args:
        read: reads live facts of the declared workloads.
        confirm: is shown the target and the way back; False puts the file back as it was.
        to: a record number, a release id prefix with an optional ``@phase``, or ``declared``.
        reason: why, for the quarantine entry and the record.
        settle_seconds: how long live facts may take to become what the target says.
        driver_in: makes a driver whose child processes have this environment, to run a former
            program; by default ``select_driver`` with the same engine.
        preview: without it ``confirm`` is shown an empty one, which saves the time it takes.

    Returns:
        The outcome; an update that did not complete is an outcome too, not an error.

    Raises:
        NothingToRestore: no update qualifies.
        ConfigError: ``to`` names nothing, or the configuration file is not valid YAML.
        PlanRejected: ``to`` names a quarantined release.
        StackLocked: another update or another rightsize command is under way.
        UpdateFailed: the preview failed; the file is as it was.
    """
    clock = clock or SystemClock()
    with hold_lease(stack.record_dir, "rollback"):
        driver_in = driver_in or partial(_same_engine, driver, stack)
        use_case = _Rollback(
            driver, stack, read, clock, listener, say, settle_seconds, driver_in, preview
        )
        return use_case.run(confirm, to, reason)


@dataclass(frozen=True, slots=True)
class _Rollback:
    driver: StackDriver
    stack: StackRef
    read: FactsReader
    clock: Clock
    listener: StepListener | None
    say: Say | None
    settle_seconds: float
    driver_in: Callable[[Mapping[str, str]], StackDriver]
    preview: bool

    @property
    def intents(self) -> IntentFile:
        return IntentFile(self.stack.record_dir)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.stack.record_dir)

    def run(
        self, confirm: Callable[[RollbackPlan], bool], to: str | None, reason: str
    ) -> RollbackResult:
        broken_lock = break_dead_lock(self.driver, self.stack)
        file = StackFile.load(self.stack.config_path)
        history = self.driver.history(self.stack)
        self.ledger.adopt(history, at=self.clock.now())
        route = find_route(
            history,
            file,
            self.ledger.read(),
            Quarantine(self.stack.record_dir).entries(),
            self.intents.read(),
            pending=self.driver.pending_operations(self.stack),
            broken_lock=broken_lock,
            to=to,
        )
        workloads = file.declaration().workloads()
        file = self._withheld(file, history)
        file.write_sizing(route.target)
        with program_of(self.stack, route.record) as program:
            try:
                preview = OperationResult(UpdateStatus.SUCCEEDED, ())
                if self.preview:
                    preview = self._driver_of(program).preview(program.stack, refresh=True)
                plan = RollbackPlan(
                    route.leaving_id,
                    route.target,
                    preview,
                    restoring_diff(preview),
                    (*route.notes, *program.notes),
                )
                agreed = confirm(plan)
            except BaseException:
                file.restored()
                raise
            if not agreed:
                file.restored()
                return RollbackResult(RollbackOutcome.DECLINED, plan)
            intent = self._intend(route, workloads, history, reason)
            try:
                return self._perform(program, plan, route, intent, workloads)
            except StackError as error:
                if not isinstance(error, UpdateFailed) and route.continues is None:
                    file.restored()  # locked or another driver's: nothing was started
                    self.intents.clear()
                raise

    def _withheld(self, file: StackFile, history: Sequence[HistoryEntry]) -> StackFile:
        """The file without commitments that this update would be the first to buy."""
        found = without_purchase(file, history)
        if found is not file and self.say is not None:
            with suppress(OSError):  # a closed terminal must not stop a rollback
                self.say(
                    "the confirmed commitments were not bought yet, and a rollback buys nothing: "
                    "the confirmation is withdrawn"
                )
        return found

    def _driver_of(self, program: Program) -> StackDriver:
        return self.driver if program.environment is None else self.driver_in(program.environment)

    def _intend(
        self,
        route: Route,
        workloads: Sequence[Workload],
        history: Sequence[HistoryEntry],
        reason: str,
    ) -> Intent:
        earlier = route.continues
        if earlier is None:
            wrong = contradictions(compare_facts(self.read(workloads), route.target, workloads))
        else:
            wrong, reason = earlier.wrong_before, reason or earlier.reason
        intent = Intent(
            operation=Operation.ROLLBACK,
            started=self.clock.now(),
            last_sequence=newest_sequence(history),
            current=IntendedSizing.of(route.leaving),
            target=IntendedSizing.of(route.target),
            restoring=route.restoring,
            reason=reason,
            wrong_before=wrong,
        )
        self.intents.write(intent)
        return intent

    def _perform(
        self,
        program: Program,
        plan: RollbackPlan,
        route: Route,
        intent: Intent,
        workloads: Sequence[Workload],
    ) -> RollbackResult:
        operation, error = self._update(program, route)
        facts = settled_facts(
            self.read,
            route.target,
            workloads,
            clock=self.clock,
            limit_seconds=self.settle_seconds if error is None else 0.0,
            say=self.say,
        )
        outcome = judge(facts, intent.wrong_before, completed=error is None)
        record = self._record(program, route, intent, facts, error)
        quarantined = self._leave(route, intent, outcome)
        if outcome is RollbackOutcome.RESTORED:
            self.intents.clear()
        elif error is None:
            self.intents.write(intent.model_copy(update={"completed": True}))
        return RollbackResult(outcome, plan, operation, facts, record, quarantined, error)

    def _update(self, program: Program, route: Route) -> tuple[OperationResult | None, str | None]:
        message = f"rightsize rollback to {sizing_id(route.target)}"
        try:
            done = self._driver_of(program).up(
                program.stack, message=message, refresh=True, listener=self.listener
            )
        except UpdateFailed as error:
            return None, str(error)
        return done, None

    def _record(
        self,
        program: Program,
        route: Route,
        intent: Intent,
        facts: FactsReport,
        error: str | None,
    ) -> ReleaseRecord:
        history = self.driver.history(self.stack)
        entry = newest_update(history, after=intent.last_sequence)
        if error is None:
            outcome = compared_outcome(
                self.driver, program.stack, entry, facts, origin=Origin.ROLLBACK
            )
        else:
            outcome = update_outcome(
                self.driver,
                program.stack,
                entry,
                origin=Origin.ROLLBACK,
                verdict=Verdict.FAILED,
                reason=error,
            )
        if intent.reason:
            outcome = replace(outcome, reason=f"{outcome.reason}; rolled back: {intent.reason}")
        return self.ledger.append(entry, route.target, outcome, at=self.clock.now())

    def _leave(
        self, route: Route, intent: Intent, outcome: RollbackOutcome
    ) -> QuarantineEntry | None:
        """Quarantine what the rollback went away from, and say so in its record."""
        now = self.clock.now()
        reason = intent.reason or f"rolled back to {sizing_id(route.target)}"
        if outcome is not RollbackOutcome.FAILED:
            self._mark_rolled_back(route.leaving, intent, reason)
        left = route.leaving
        if left.release is None or same_release(left, route.target):
            return None
        quarantine = Quarantine(self.stack.record_dir)
        return quarantine.add(left.release.id, left.phase, reason=reason, at=now)

    def _mark_rolled_back(self, left: StackSizing, intent: Intent, reason: str) -> None:
        reading = self.ledger.read()
        for update in applied_updates(self.driver.history(self.stack)):
            if update.entry.sequence > intent.last_sequence or isinstance(update.sizing, NoData):
                continue
            if sizing_id(update.sizing) != sizing_id(left):
                continue
            record = reading.of(update.entry)
            if record is not None and record.verdict is not Verdict.ROLLED_BACK:
                self.ledger.supersede(record, Verdict.ROLLED_BACK, reason, at=self.clock.now())
            return


def _same_engine(
    driver: StackDriver, stack: StackRef, environment: Mapping[str, str]
) -> StackDriver:
    return select_driver(stack, driver.name, environment=environment)


def same_release(one: StackSizing, other: StackSizing) -> bool:
    """True when both are the same release at the same phase: never quarantine what is restored."""
    if one.release is None or other.release is None:
        return one.release is other.release
    return (one.release.id, one.phase) == (other.release.id, other.phase)
