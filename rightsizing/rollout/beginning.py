"""Where a rollout starts, and so where it goes back to: the newest update, verified."""

from __future__ import annotations

from dataclasses import dataclass

from rightsizing.errors import PlanRejected
from rightsizing.model.base import NoData
from rightsizing.model.stackconfig import StackSizing
from rightsizing.rollout.journal import read_journal, rollout_ids
from rightsizing.rollout.run import RolloutRun
from rightsizing.stack.applied import applied_updates
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.facts import compare_facts
from rightsizing.stack.ledger import Ledger
from rightsizing.stack.record import ReleaseRecord, Verdict, difference_sentences


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the newest update applied. ``record``: the ledger's number of it; None: none yet."""

    current: StackSizing
    record: int | None


def find_beginning(run: RolloutRun, *, verify: bool = False) -> Beginning:
    """What to start from, and to go back to.

    An update that somebody typed by hand has no verdict: its live facts are compared now, and with
    ``verify`` the ledger says so, since a rollback chooses what is good.

    Raises PlanRejected when nothing was applied yet, or what runs is nothing to go back to.
    """
    history = run.driver.history(run.stack)
    newest = next(iter(applied_updates(history)), None)
    if newest is None:
        raise PlanRejected(
            "nothing was applied yet, so there is nothing to roll out from; run `rightsize apply`"
        )
    if isinstance(newest.sizing, NoData):
        raise PlanRejected(
            f"what runs is not known ({newest.sizing.reason}); run `rightsize apply`"
        )
    ledger = Ledger(run.stack.record_dir)
    record = ledger.read().of(newest.entry)
    if record is not None and record.verdict is Verdict.GOOD:
        return Beginning(newest.sizing, record.number)
    if not newest.succeeded or (record is not None and record.verdict is not Verdict.UNVERIFIED):
        found = "failed" if record is None else f"is {record.verdict.value.replace('_', ' ')}"
        raise PlanRejected(
            f"the newest update {found}, so it is nothing to go back to; run `rightsize status`, "
            "then `rightsize rollback`"
        )
    _require_facts(run, newest.sizing)
    if verify:
        record = record or _adopted(run, ledger)
        reason = "live facts agreed before a rollout"
        record = ledger.supersede(record, Verdict.GOOD, reason, at=run.clock.now())
    return Beginning(newest.sizing, None if record is None else record.number)


def require_no_other(run: RolloutRun) -> None:
    """Raise PlanRejected when a rollout of the stack is unfinished."""
    record_dir = run.stack.record_dir
    for name in rollout_ids(record_dir)[-1:]:
        progress = read_journal(record_dir, name).progress
        if progress is not None and progress.finished is None:
            raise PlanRejected(
                f"rollout {name} is unfinished ({progress}); run `rightsize rollout --resume` or "
                "`--abort` first"
            )


def _adopted(run: RolloutRun, ledger: Ledger) -> ReleaseRecord:
    return ledger.adopt(run.driver.history(run.stack), at=run.clock.now())[-1]


def _require_facts(run: RolloutRun, sizing: StackSizing) -> None:
    workloads = StackFile.load(run.stack.config_path).declaration().workloads()
    report = compare_facts(run.read(workloads), sizing, workloads)
    if not report.matches:
        found = difference_sentences(report)
        raise PlanRejected(
            f"the newest update was never verified, and what runs is not as it says: {found[0]}; "
            "run `rightsize status`, then `rightsize rollback`"
        )
