"""Engine events of the Pulumi CLI (``--json``), read line by line into steps and diagnostics.

Shapes: sdk/go/common/apitype/events.go. A replacement comes as several events of which one is
"logical"; a refresh comes as a pair whose second says what drifted. Tracebacks that providers and
the language host put into messages are cut off.
"""

from __future__ import annotations

import json
import re

from rightsizing.model.update import Json, Step, StepOp
from rightsizing.stack.child import strip_ansi
from rightsizing.stack.driver import StepListener
from rightsizing.stack.history import MASKED_SECRET
from rightsizing.stack.steps import make_step

_SIGNATURE_KEY = "4dabf18193072939515e22adb298388d"
_SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  a marker of the wire format
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_STACK_TYPE = "pulumi:pulumi:Stack"
_GENERIC_ERRORS = ("update failed", "preview failed", "refresh failed", "destroy failed")
_TRACEBACK = re.compile(r"\n\s*(File \"|Traceback )")
_PENDING = re.compile(r"with (\d+) pending operations")
# The local stand-ins have version 0.0.1, so that nothing else can be mistaken for them.
_STAND_IN_VERSION = re.compile(r"older version of package .*: 0\.0\.1 < ")
_PYTHON_ERROR = re.compile(r"^(?:[\w.]+\.)?\w*(?:Error|Exception|[a-z]): ")


class CliEvents:
    """What has happened so far. ``problem`` is the first error, "" when there is none."""

    def __init__(self, listener: StepListener | None) -> None:
        self.steps: list[Step] = []
        self.diagnostics: list[str] = []
        self.outputs: dict[str, Json] = {}
        self.problem = ""
        self.pending_operations = 0
        self.began = False
        self._listener = listener
        self._refreshing: set[str] = set()

    def read(self, line: str) -> None:
        """Take in one line; lines that are no event (a plugin's output) are passed over."""
        try:
            event = json.loads(line)
        except ValueError:
            return
        if not isinstance(event, dict):
            return
        self.began = self.began or "preludeEvent" in event
        if "resourcePreEvent" in event:
            self._begin(event["resourcePreEvent"]["metadata"])
        elif "resOutputsEvent" in event:
            self._end(event["resOutputsEvent"]["metadata"])
        elif "diagnosticEvent" in event:
            self._diagnose(event["diagnosticEvent"])

    def _begin(self, metadata: Json) -> None:
        if metadata["op"] == "refresh":
            self._refreshing.add(metadata["urn"])
        elif metadata.get("logical") and metadata.get("new") and not metadata["new"].get("custom"):
            self._add(metadata)  # a component is done when it is registered

    def _end(self, metadata: Json) -> None:
        new = metadata.get("new") or {}
        if metadata["type"] == _STACK_TYPE and metadata["op"] != "refresh":
            outputs = new.get("outputs") or {}
            self.outputs = {
                key: masked(value) for key, value in outputs.items() if not _has_unknown(value)
            }
        if metadata["urn"] in self._refreshing and not metadata.get("logical"):
            self._refreshing.discard(metadata["urn"])
            if metadata.get("diffs") or not metadata.get("new"):
                self._add(metadata, StepOp.REFRESH)
        elif metadata.get("logical"):
            whole = metadata.get("new") or metadata.get("old") or {}
            if whole.get("custom") or metadata["op"] == "delete":
                self._add(metadata)

    def _add(self, metadata: Json, op: StepOp | None = None) -> None:
        detailed = metadata.get("detailedDiff") or {}
        forced = [path for path, each in detailed.items() if "replace" in each["diffKind"]]
        step = make_step(
            op or StepOp(metadata["op"]),
            metadata["urn"],
            metadata["type"],
            before=_inputs(metadata.get("old")),
            after=_inputs(metadata.get("new")),
            changed=[*(metadata.get("diffs") or []), *detailed],
            replaces=[*(metadata.get("keys") or []), *forced],
        )
        self.steps.append(step)
        if self._listener is not None:
            self._listener(step)

    def _diagnose(self, event: Json) -> None:
        if event["severity"] not in ("warning", "error"):
            return
        message = one_sentence(event["message"])
        pending = _PENDING.search(message)
        if pending is not None:
            self.pending_operations = int(pending[1])
        if message in _GENERIC_ERRORS or _STAND_IN_VERSION.search(message):
            return
        self.diagnostics.append(message)
        if event["severity"] == "error":
            self.problem = self.problem or message


def one_sentence(message: str) -> str:
    """A diagnostic on one line, without ANSI codes and without its traceback."""
    text = strip_ansi(message).strip()
    if "Traceback (most recent call last)" in text or text.startswith("Program failed"):
        last = text.splitlines()[-1].strip()
        return f"the program failed: {_PYTHON_ERROR.sub('', last)}"
    text = _TRACEBACK.split(text, maxsplit=1)[0].strip().removesuffix(":")
    text = text.removeprefix("Unexpected <class 'Exception'>: ")
    return " ".join(text.split())


def masked(value: Json) -> Json:
    """State or event properties without ciphertext and without the marker of unknowns."""
    if isinstance(value, dict):
        if value.get(_SIGNATURE_KEY) == _SECRET_SIGNATURE:
            return MASKED_SECRET
        return {key: masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return "[unknown]" if value == _UNKNOWN else value


def _inputs(state: Json) -> dict[str, Json] | None:
    if not state:
        return None
    inputs = masked(state.get("inputs") or {})
    assert isinstance(inputs, dict)
    return inputs


def _has_unknown(value: Json) -> bool:
    if isinstance(value, dict):
        return any(_has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_unknown(item) for item in value)
    return bool(value == _UNKNOWN)
