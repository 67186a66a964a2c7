"""What the engine tells its parent: one JSON object a line on standard output.

Properties in events are masked: no secret and no unknown marker ever leaves the engine.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from rightsizing.errors import EmbeddedError
from rightsizing.model.update import Json


@dataclass(frozen=True, slots=True)
class StepEvent:
    """A resource's operation is done (or would be, in a preview). ``None``: no such side."""

    op: str
    urn: str
    type: str
    before: dict[str, Json] | None = None  # inputs
    after: dict[str, Json] | None = None
    diffs: tuple[str, ...] = ()  # changed property paths, as the provider says
    replaces: tuple[str, ...] = ()  # those that force replacement


@dataclass(frozen=True, slots=True)
class DiagnosticEvent:
    """A warning or an error."""

    severity: str
    message: str
    urn: str = ""


@dataclass(frozen=True, slots=True)
class SummaryEvent:
    """The end of an operation that ran, whether it succeeded or not."""

    result: str
    outputs: dict[str, Json] = field(default_factory=dict)
    resource_changes: dict[str, int] = field(default_factory=dict)
    pending_operations: int = 0


@dataclass(frozen=True, slots=True)
class RefusalEvent:
    """The operation could not run at all, or its state could not be kept; ends the stream."""

    error: str  # name of a class in rightsizing.errors
    message: str


Event = StepEvent | DiagnosticEvent | SummaryEvent | RefusalEvent
_KINDS: dict[str, type[Event]] = {
    "step": StepEvent,
    "diagnostic": DiagnosticEvent,
    "summary": SummaryEvent,
    "refusal": RefusalEvent,
}


def to_line(event: Event) -> str:
    """One line of JSON, without the newline."""
    kind = next(name for name, each in _KINDS.items() if isinstance(event, each))
    return json.dumps({"event": kind, **asdict(event)})


def from_line(line: str) -> Event:
    """Parse a line. Raises EmbeddedError on anything else."""
    try:
        values = json.loads(line)
        kind = _KINDS[values.pop("event")]
        for key in ("diffs", "replaces"):
            if key in values:
                values[key] = tuple(values[key])
        return kind(**values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EmbeddedError(f"the engine wrote an unreadable event: {line[:80]!r}") from error
