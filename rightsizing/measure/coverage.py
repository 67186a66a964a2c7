"""Which spans of time a source has been asked for, per resource, so that a next run asks the rest.

Kept beside the store's data and written after the rows are: losing it costs a repeated question,
never a measurement. A span counts only when it gave rows and is old enough that no late point
can still arrive.
"""

from __future__ import annotations

import json
from pathlib import Path

from rightsizing.errors import StoreError
from rightsizing.measure.progress import Window

_Spans = list[tuple[int, int]]


class Coverage:
    """Spans asked for, by resource name, in one JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._spans: dict[str, _Spans] = _load(path)

    def missing(self, resource: str, window: Window) -> list[Window]:
        """Parts of the window that were not asked for yet, oldest first."""
        gaps = []
        start_ms = window.start_ms
        for covered_start, covered_end in self._spans.get(resource, []):
            if covered_end <= start_ms:
                continue
            if covered_start >= window.end_ms:
                break
            if covered_start > start_ms:
                gaps.append(Window(start_ms, covered_start))
            start_ms = covered_end
        if start_ms < window.end_ms:
            gaps.append(Window(start_ms, window.end_ms))
        return gaps

    def add(self, resource: str, window: Window) -> None:
        """Mark a span as asked for; ``save`` makes it last."""
        spans = sorted([*self._spans.get(resource, []), (window.start_ms, window.end_ms)])
        merged: _Spans = []
        for start_ms, end_ms in spans:
            if merged and start_ms <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end_ms))
            else:
                merged.append((start_ms, end_ms))
        self._spans[resource] = merged

    def save(self) -> None:
        """Write the file. Raises StoreError when the disk refuses."""
        waiting = self._path.with_suffix(".tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            waiting.write_text(json.dumps(self._spans, indent=1, sort_keys=True), encoding="utf-8")
            waiting.replace(self._path)
        except OSError as error:
            raise StoreError(
                f"{self._path} cannot be written ({error}); free the disk, then run again"
            ) from error


def _load(path: Path) -> dict[str, _Spans]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(resource): [(int(start), int(end)) for start, end in spans]
            for resource, spans in content.items()
        }
    except (OSError, ValueError, AttributeError, TypeError):
        return {}  # unreadable or absent: everything is asked for again, which adds nothing twice
