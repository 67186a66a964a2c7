"""One operation on a stack, resource by resource: what to do, doing it, keeping state.

The rules are those of Pulumi's step generator (pkg/resource/deploy/step_generator.go), read and
tested against it: a replacement is checked without the old inputs and without ``ignoreChanges``;
it is created before the original is deleted unless told otherwise; everything gone from the
program is deleted last, dependents first; a failure stops everything that has not begun.
"""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from rightsizing.embedded.engine.events import DiagnosticEvent, Event, StepEvent
from rightsizing.embedded.engine.goal import Goal
from rightsizing.embedded.engine.properties import (
    Properties,
    ignore_changes,
    keep_secrets,
    masked,
    path_covers,
)
from rightsizing.embedded.engine.providers import (
    ConfiguredProvider,
    Difference,
    ProviderTable,
    load_provider,
)
from rightsizing.embedded.engine.snapshot import Snapshot
from rightsizing.embedded.engine.state import PROVIDER_TYPE_PREFIX, PendingKind, Record
from rightsizing.errors import EmbeddedError, RightsizingError


class Stopped(EmbeddedError):
    """The operation was interrupted, or failed elsewhere, before this resource's turn."""


class Deployment:
    """Runs one operation. Safe to call from several threads; works on one resource at a time."""

    def __init__(
        self,
        snapshot: Snapshot,
        providers: ProviderTable,
        emit: Callable[[Event], None],
        *,
        dry_run: bool,
    ) -> None:
        self.snapshot = snapshot
        self.changes: Counter[str] = Counter()
        self.failure: RightsizingError | None = None
        self.cancelled = False
        self._table = providers
        self._emit = emit
        self._dry_run = dry_run
        self._lock = threading.Lock()
        self._configured: dict[str, ConfiguredProvider] = {}
        self._seen: set[str] = set()
        self._vanished: list[str] = []

    @property
    def stopped(self) -> bool:
        """Whether nothing more may begin."""
        return self.cancelled or self.failure is not None

    def register(self, goal: Goal) -> Record:
        """Bring one resource to its goal. Raises Stopped or what went wrong; then all stops."""
        with self._lock:
            if self.stopped:
                raise Stopped("the update was stopped before this resource's turn")
            try:
                return self._register(goal)
            except RightsizingError as error:
                self.fail(error, goal.urn)
                raise

    def register_outputs(self, urn: str, outputs: Properties) -> None:
        """Keep what a component or the stack exports."""
        with self._lock:
            self.snapshot.set_outputs(urn, outputs)

    def refresh(self, *, as_operation: bool) -> None:
        """Read every resource and take over what the cloud says; what is gone leaves the state.

        ``as_operation`` counts the results, as the refresh command does; before an update they are
        only shown.
        """
        for record in self.snapshot.old:
            if as_operation and (not record.custom or record.is_provider):
                self.changes["same"] += 1
            if record.custom and not record.is_provider and not record.pending_replacement:
                self._guarded(record, partial(self._refresh, as_operation=as_operation))
        for urn in self._vanished:
            self.snapshot.forget_urn(urn)
        if not self.stopped:
            self.snapshot.save()

    def delete_gone(self) -> None:
        """Delete originals that were replaced and what the program no longer asks for."""
        for record in reversed(self.snapshot.old):
            self._guarded(record, self._delete)

    def wait_for_operation(self) -> None:
        """Return when no operation is in flight; with ``cancelled`` set none will begin."""
        with self._lock:
            return

    def fail(self, error: RightsizingError, urn: str = "") -> None:
        """Remember the first failure and report it."""
        if isinstance(error, Stopped) or self.failure is not None:
            return
        self.failure = error
        self._emit(DiagnosticEvent("error", str(error), urn))

    def _guarded(self, record: Record, action: Callable[[Record], None]) -> None:
        with self._lock:
            if self.stopped:
                return
            try:
                action(record)
            except RightsizingError as error:
                self.fail(error, record.urn)

    def _register(self, goal: Goal) -> Record:
        if goal.urn in self._seen:
            raise EmbeddedError(f"duplicate resource URN {goal.urn!r}; give it a unique name")
        self._seen.add(goal.urn)
        old = self._find_old(goal)
        if not goal.custom:
            return self._register_component(goal, old)
        if goal.type.startswith(PROVIDER_TYPE_PREFIX):
            return self._register_provider(goal, old)
        return self._register_custom(goal, old)

    def _find_old(self, goal: Goal) -> Record | None:
        for urn in (goal.urn, *goal.aliases):
            found = self.snapshot.find_old(urn)
            if found is not None:
                return found
        return None

    def _register_component(self, goal: Goal, old: Record | None) -> Record:
        changed = _changed_inputs(old, goal.inputs)
        # Until it registers outputs, an unchanged component has its old ones, a changed one none.
        outputs = old.outputs if old is not None and not changed else {}
        record = replace(self._record(goal, goal.inputs), outputs=outputs)
        op = "create" if old is None else "update" if changed else "same"
        self._replace_record(old, record)
        self._step(op, old, record, Difference(changed))
        return record

    def _register_provider(self, goal: Goal, old: Record | None) -> Record:
        package = goal.type.removeprefix(PROVIDER_TYPE_PREFIX)
        provider = ConfiguredProvider(package, load_provider(package, self._table))
        given = {**goal.inputs, **({"version": goal.version} if goal.version else {})}
        inputs = provider.check_config(goal.urn, old.inputs if old else {}, given)
        provider.configure(inputs)
        self._configured[goal.urn] = provider
        changed = _changed_inputs(old, inputs)
        op = "create" if old is None else "update" if changed else "same"
        record = self._record(goal, inputs)
        made_id = "" if self._dry_run else str(uuid.uuid4())
        record = replace(record, outputs=inputs, id=old.id if old else made_id)
        self._replace_record(old, record)
        if op != "same":
            self.snapshot.save()
        self._step(op, old, record, Difference(changed))
        return record

    def _register_custom(self, goal: Goal, old: Record | None) -> Record:
        provider = self._provider_of(goal.urn, goal.provider)
        old_inputs = old.inputs if old else {}
        wanted = (
            ignore_changes(goal.inputs, old_inputs, goal.ignore_changes) if old else goal.inputs
        )
        inputs = provider.check(goal.urn, old_inputs, wanted, self._seed(goal.urn))
        if old is None:
            return self._create(goal, inputs, provider)
        record = replace(self._record(goal, inputs), id=old.id, outputs=old.outputs)
        difference = provider.diff(
            goal.urn,
            old.id,
            old_inputs=old_inputs,
            old_outputs=old.outputs,
            new=inputs,
            ignored=goal.ignore_changes,
        )
        difference = _with_replace_on_changes(difference, goal.replace_on_changes)
        if difference.replaces or old.pending_replacement:
            return self._replace(goal, old, provider, difference)
        if difference.changed:
            return self._update(goal, old, record, provider, difference)
        self._replace_record(old, record)
        self._step("same", old, record, difference)
        return record

    def _create(self, goal: Goal, inputs: Properties, provider: ConfiguredProvider) -> Record:
        with self.snapshot.operation(PendingKind.CREATING, goal.urn):
            made_id, outputs = provider.create(goal.urn, inputs, dry_run=self._dry_run)
            outputs = keep_secrets(outputs, inputs, goal.secret_outputs)
            record = replace(self._record(goal, inputs), id=made_id, outputs=outputs)
            self.snapshot.add(record)
        self._step("create", None, record, Difference(()))
        return record

    def _update(
        self,
        goal: Goal,
        old: Record,
        record: Record,
        provider: ConfiguredProvider,
        difference: Difference,
    ) -> Record:
        with self.snapshot.operation(PendingKind.UPDATING, goal.urn):
            outputs = provider.update(
                goal.urn,
                old.id,
                old_outputs=old.outputs,
                new=record.inputs,
                ignored=goal.ignore_changes,
                dry_run=self._dry_run,
            )
            outputs = keep_secrets(outputs, record.inputs, goal.secret_outputs)
            record = replace(record, outputs=outputs)
            self._replace_record(old, record)
        self._step("update", old, record, difference)
        return record

    def _replace(
        self, goal: Goal, old: Record, provider: ConfiguredProvider, difference: Difference
    ) -> Record:
        if old.protect and self._protect(goal):
            raise EmbeddedError(
                f"unable to replace resource {goal.name!r} as it is protected; remove `protect` "
                f"from it in the program and run an update first ({goal.urn})"
            )
        # Defaults are computed anew: the replacement gets its own name beside the original.
        inputs = provider.check(goal.urn, {}, goal.inputs, self._seed(goal.urn))
        stop_first = difference.delete_before_replace
        if goal.delete_before_replace is not None:
            stop_first = goal.delete_before_replace
        if stop_first and not old.pending_replacement:
            with self.snapshot.operation(PendingKind.DELETING, old.urn):
                if not self._dry_run and not old.retain_on_delete:
                    self._provider_of(old.urn, old.provider).delete(old.urn, old.id, old.outputs)
                gone = replace(old, pending_replacement=True)
                self.snapshot.change_old(old, gone)
                old = gone
        with self.snapshot.operation(PendingKind.CREATING, goal.urn):
            made_id, outputs = provider.create(goal.urn, inputs, dry_run=self._dry_run)
            outputs = keep_secrets(outputs, inputs, goal.secret_outputs)
            record = replace(self._record(goal, inputs), id=made_id, outputs=outputs)
            self.snapshot.add(record)
            if old.pending_replacement:
                self.snapshot.drop_old(old)
            else:
                self.snapshot.change_old(old, replace(old, delete=True, protect=False))
        self._step("replace", old, record, difference)
        return record

    def _refresh(self, record: Record, *, as_operation: bool) -> None:
        provider = self._provider_of(record.urn, record.provider)
        live = provider.read(record.urn, record.id, record.inputs, record.outputs)
        if live is None:
            self.snapshot.drop_old(record)
            self._vanished.append(record.urn)
            if as_operation:
                self.changes["delete"] += 1
            self._emit(StepEvent("refresh", record.urn, record.type, masked(record.inputs), None))
            return
        inputs, outputs = live
        outputs = keep_secrets(outputs, record.inputs, ())
        inputs = keep_secrets(inputs, record.inputs, ())
        refreshed = replace(record, inputs=inputs, outputs=outputs)
        # The change an update of the same program would now undo, as Pulumi computes it.
        drift = provider.diff(
            record.urn,
            record.id,
            old_inputs=inputs,
            old_outputs=outputs,
            new=record.inputs,
            ignored=record.ignore_changes,
        )
        self.snapshot.change_old(record, refreshed)
        if as_operation:
            self.changes["update" if drift.changed else "same"] += 1
        if drift.changed:
            before, after = masked(record.inputs), masked(inputs)
            self._emit(StepEvent("refresh", record.urn, record.type, before, after, drift.changed))

    def _delete(self, record: Record) -> None:
        if record.protect:
            raise EmbeddedError(
                f"resource {record.urn.rsplit('::', 1)[-1]!r} cannot be deleted because it is "
                f"protected; remove `protect` from it in the program and run an update first "
                f"({record.urn})"
            )
        in_cloud = record.custom and not record.is_provider and not record.pending_replacement
        if in_cloud and not record.retain_on_delete and not self._dry_run:
            with self.snapshot.operation(PendingKind.DELETING, record.urn):
                provider = self._provider_of(record.urn, record.provider)
                provider.delete(record.urn, record.id, record.outputs)
                self.snapshot.drop_old(record)
        else:
            self.snapshot.drop_old(record)
            self.snapshot.save()
        if not record.delete:  # the end of a replacement is part of that step
            self._step("delete", record, None, Difference(()))

    def _replace_record(self, old: Record | None, record: Record) -> None:
        if old is not None:
            self.snapshot.drop_old(old)
        self.snapshot.add(record)

    def _record(self, goal: Goal, inputs: Properties) -> Record:
        parent = self.snapshot.find_new(goal.parent)
        retain = goal.retain_on_delete
        if retain is None:
            retain = parent is not None and parent.retain_on_delete
        return Record(
            urn=goal.urn,
            type=goal.type,
            custom=goal.custom,
            inputs=inputs,
            parent=goal.parent,
            provider=goal.provider,
            dependencies=goal.dependencies,
            ignore_changes=goal.ignore_changes,
            protect=self._protect(goal),
            retain_on_delete=retain,
        )

    def _protect(self, goal: Goal) -> bool:
        if goal.protect is not None:
            return goal.protect
        parent = self.snapshot.find_new(goal.parent)
        return parent is not None and parent.protect

    def _provider_of(self, urn: str, provider_urn: str) -> ConfiguredProvider:
        if provider_urn in self._configured:
            return self._configured[provider_urn]
        record = self.snapshot.find(provider_urn)
        if record is None:
            raise EmbeddedError(
                f"{urn} names no explicit provider; the embedded engine has no default providers, "
                "pass one in the resource's options"
            )
        package = record.type.removeprefix(PROVIDER_TYPE_PREFIX)
        provider = ConfiguredProvider(package, load_provider(package, self._table))
        provider.configure(record.inputs)
        self._configured[provider_urn] = provider
        return provider

    def _seed(self, urn: str) -> bytes:
        # Stable between a preview and the update after it, new in every update: a replacement
        # must not take the name of its original, nor of the orphan a killed update left.
        return hashlib.sha256(f"{urn} {self.snapshot.serial}".encode()).digest()

    def _step(
        self, op: str, old: Record | None, new: Record | None, difference: Difference
    ) -> None:
        self.changes[op] += 1
        record = new or old
        assert record is not None
        self._emit(
            StepEvent(
                op,
                record.urn,
                record.type,
                masked(old.inputs) if old else None,
                masked(new.inputs) if new else None,
                difference.changed,
                difference.replaces,
            )
        )


def _changed_inputs(old: Record | None, inputs: Properties) -> tuple[str, ...]:
    if old is None:
        return ()
    keys = sorted({*old.inputs, *inputs})
    return tuple(key for key in keys if old.inputs.get(key) != inputs.get(key))


def _with_replace_on_changes(difference: Difference, patterns: tuple[str, ...]) -> Difference:
    forced = {
        path
        for path in difference.changed
        if any(path_covers(pattern, path) for pattern in patterns)
    }
    return replace(difference, replaces=tuple(sorted({*difference.replaces, *forced})))
