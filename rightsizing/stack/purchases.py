"""What stack history says about purchases: how long a release has run, and what was ever confirmed.

A commitment is only confirmed for sizes that have proved themselves. A confirmation that no update
has seen yet is withdrawn before a rollback and refused by a rollout, so that neither buys anything.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from rightsizing.errors import ConfigError, PlanRejected
from rightsizing.model.base import NoData
from rightsizing.model.declaration import NAMESPACE
from rightsizing.model.phased import CommitmentsDeclaration
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.update import HistoryEntry, Json, UpdateKind, UpdateStatus
from rightsizing.stack.applied import applied_update, sizing_id
from rightsizing.stack.configfile import StackFile

COMMITMENTS_KEY = f"{NAMESPACE}:commitments"


def running_since(history: Sequence[HistoryEntry], sizing: StackSizing) -> datetime | NoData:
    """Since when this release has run at this phase, in the same live sizes, without a break.

    ``history`` is newest first. A failed update or another sizing in between is a break.
    """
    wanted = sizing_id(sizing)
    since: datetime | None = None
    for entry in history:
        if entry.kind is not UpdateKind.UPDATE:
            continue
        applied = applied_update(entry).sizing
        same = not isinstance(applied, NoData) and sizing_id(applied) == wanted
        if entry.status is not UpdateStatus.SUCCEEDED or not same:
            break
        since = entry.end
    if since is None:
        return NoData(f"the last update of the stack did not apply {wanted}")
    return since


def require_soak(
    history: Sequence[HistoryEntry], sizing: StackSizing, days: float, now: datetime
) -> datetime:
    """Since when it has run. Raises ConfigError when that is less than ``days`` ago, or unknown."""
    if sizing.release is None:
        raise ConfigError("the stack has no release to buy for; run `rightsize plan` first")
    since = running_since(history, sizing)
    if isinstance(since, NoData):
        raise ConfigError(f"{since.reason}; apply it, and confirm after it has run {days:g} days")
    run_days = (now - since).total_seconds() / 86_400
    if run_days < days:
        raise ConfigError(
            f"release {sizing.release.short_id} has run at phase {sizing.phase} for "
            f"{run_days:.1f} days, {days:g} are asked for; confirm when it has"
        )
    return since


def seen_by_an_update(declared: CommitmentsDeclaration, history: Sequence[HistoryEntry]) -> bool:
    """Whether any update, failed ones too, ran with this confirmation: it may have bought."""
    if declared.confirmed is None:
        return False
    return any(_confirmed_digest(entry) == declared.confirmed.digest for entry in history)


def without_purchase(file: StackFile, history: Sequence[HistoryEntry]) -> StackFile:
    """The stack file after taking back a confirmation that no update has seen; else as it is.

    Raises ConfigError or StackError as ``StackFile.write_declared`` does.
    """
    declared = file.declaration().commitments
    if declared.confirmed is None or seen_by_an_update(declared, history):
        return file
    return file.write_declared("commitments", {"confirmed": None})


def require_no_purchase(file: StackFile, history: Sequence[HistoryEntry]) -> None:
    """Raise PlanRejected when the next update would be the first to buy what is confirmed."""
    declared = file.declaration().commitments
    if declared.confirmed is None or seen_by_an_update(declared, history):
        return
    raise PlanRejected(
        f"{file.path.name} confirms commitments that no update has bought yet, and a rollout buys "
        "nothing; run `rightsize apply` with the sizes that run first, or remove `confirmed` from "
        f"{COMMITMENTS_KEY}"
    )


def _confirmed_digest(entry: HistoryEntry) -> Json:
    try:
        found = json.loads(entry.config.get(COMMITMENTS_KEY) or "{}")
    except ValueError:
        return None
    confirmed = found.get("confirmed") if isinstance(found, dict) else None
    return confirmed.get("digest") if isinstance(confirmed, dict) else None
