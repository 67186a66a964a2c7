"""State while an operation runs: what is new so far over what was there, and what is in flight.

Written to disk before and after each change of the cloud, so that a kill leaves the truth about
what was begun. Creates found pending at the start stay pending for good, as in Pulumi: only a
person can say what became of them. Other pending operations are dropped at the first write.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from rightsizing.embedded.engine.state import (
    Checkpoint,
    Pending,
    PendingKind,
    Record,
    StateFile,
)
from rightsizing.errors import EmbeddedError


class Snapshot:
    """``file`` is None in a preview, which writes nothing."""

    def __init__(self, base: Checkpoint, file: StateFile | None) -> None:
        self.serial = base.serial + 1
        self.found_pending = base.pending
        self._old = list(base.resources)
        self._new: list[Record] = []
        self._in_flight: list[Pending] = []
        self._file = file

    @property
    def old(self) -> tuple[Record, ...]:
        """Records of before that nothing has replaced yet, in dependency order."""
        return tuple(self._old)

    @property
    def checkpoint(self) -> Checkpoint:
        """State as it is to be written now. New records come first: originals whose replacement
        exists, and what is still to be visited, follow."""
        kept = tuple(item for item in self.found_pending if item.kind is PendingKind.CREATING)
        return Checkpoint(self.serial, (*self._new, *self._old), (*kept, *self._in_flight))

    def find_old(self, urn: str) -> Record | None:
        """The record of before with this URN; originals that wait for deletion do not count."""
        return next((item for item in self._old if item.urn == urn and not item.delete), None)

    def find_new(self, urn: str) -> Record | None:
        """The record this operation has made or confirmed."""
        return next((item for item in self._new if item.urn == urn), None)

    def find(self, urn: str) -> Record | None:
        """The newest record of a URN."""
        return self.find_new(urn) or self.find_old(urn)

    def add(self, record: Record) -> None:
        """A resource is made."""
        self._new.append(record)

    def change_old(self, record: Record, changed: Record) -> None:
        """Keep an old record, changed."""
        self._old[self._index(record)] = changed

    def drop_old(self, record: Record) -> None:
        """An old record is gone, or a new one took its place."""
        del self._old[self._index(record)]

    def set_outputs(self, urn: str, outputs: dict[str, object]) -> None:
        """Outputs a component or the stack registers at its end."""
        for index, record in enumerate(self._new):
            if record.urn == urn:
                self._new[index] = replace(record, outputs=dict(outputs))

    def forget_urn(self, urn: str) -> None:
        """Remove a vanished resource from the dependencies of what is left."""
        for index, record in enumerate(self._old):
            if urn in record.dependencies:
                left = tuple(item for item in record.dependencies if item != urn)
                self._old[index] = replace(record, dependencies=left)

    @contextmanager
    def operation(self, kind: PendingKind, urn: str) -> Iterator[None]:
        """Mark an operation on the cloud as in flight; the caller changes records inside.

        When the provider fails, the mark goes away again: the provider said nothing happened.
        """
        pending = Pending(kind, urn)
        self._in_flight.append(pending)
        try:
            self.save()
        except EmbeddedError:
            self._in_flight.remove(pending)  # nothing was begun
            raise
        try:
            yield
        finally:
            self._in_flight.remove(pending)
            self.save()

    def save(self) -> None:
        """Write the state, except in a preview. Raises EmbeddedError when the disk refuses."""
        if self._file is not None:
            self._file.save(self.checkpoint)

    def _index(self, record: Record) -> int:
        # Identity, not equality: an original and its replacement may look the same.
        return next(index for index, item in enumerate(self._old) if item is record)
