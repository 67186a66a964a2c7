"""History entries from the JSON that ``pulumi stack history --json`` and the embedded engine share.

Values of secret keys are not carried over: whoever needs one reads ``Pulumi.<stack>.yaml``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rightsizing.errors import StackError
from rightsizing.model.update import HistoryEntry, Json, UpdateKind, UpdateStatus

MASKED_SECRET = "[secret]"  # noqa: S105  what people see instead


def parse_history(oldest_first: Sequence[Json]) -> tuple[HistoryEntry, ...]:
    """Entries newest first, numbered from 1 at the oldest. Raises StackError on a foreign shape.

    Kinds that are no update of ours (``import``, ``rename``) are counted and left out.
    """
    kinds = {kind.value for kind in UpdateKind}
    try:
        entries = [
            _entry(sequence, raw)
            for sequence, raw in enumerate(oldest_first, start=1)
            if raw["kind"] in kinds
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StackError(f"a history entry has an unknown shape: {error!r}") from error
    return tuple(reversed(entries))


def _entry(sequence: int, raw: Json) -> HistoryEntry:
    config = raw.get("config") or {}
    return HistoryEntry(
        sequence=sequence,
        kind=UpdateKind(raw["kind"]),
        status=UpdateStatus(raw["result"]),
        start=datetime.fromisoformat(raw["startTime"]),
        end=datetime.fromisoformat(raw["endTime"]),
        message=raw.get("message") or "",
        config={
            key: MASKED_SECRET if value.get("secret") else value.get("value") or ""
            for key, value in config.items()
        },
        secret_keys=frozenset(key for key, value in config.items() if value.get("secret")),
        environment=dict(raw.get("environment") or {}),
        resource_changes=dict(raw.get("resourceChanges") or {}),
    )
