"""A stack driver whose updates take HAProxy's weights along.

Weights are no resource of the stack, so an update alone would leave traffic where it was. Whoever
updates a stack with proxied containers does so through this driver: apply, rollback and rollout all
do, and none of them knows of it. Before the update, slots that will serve get their weight if they
can serve already, and slots that will not lose it only if others can; afterwards all weights are as
the stack file says. Doing it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rightsizing.errors import RightsizingError, UpdateFailed
from rightsizing.model.update import HistoryEntry, Json, OperationResult, ResourceState
from rightsizing.rollout.proxied import ProxiedContainers
from rightsizing.stack.driver import DriverName, StackDriver, StackRef, StepListener


@dataclass(frozen=True, slots=True)
class ProxiedDriver:
    """``driver``, with ``proxies`` following each update that completes."""

    driver: StackDriver
    proxies: ProxiedContainers

    @property
    def name(self) -> DriverName:
        """Which engine this is."""
        return self.driver.name

    def create(self, stack: StackRef) -> None:
        """Make the stack if it does not exist."""
        self.driver.create(stack)

    def exists(self, stack: StackRef) -> bool:
        """Whether the stack exists in this driver's backend."""
        return self.driver.exists(stack)

    def preview(
        self, stack: StackRef, *, refresh: bool = False, listener: StepListener | None = None
    ) -> OperationResult:
        """What ``up`` would do; changes nothing."""
        return self.driver.preview(stack, refresh=refresh, listener=listener)

    def up(
        self,
        stack: StackRef,
        *,
        message: str,
        refresh: bool = False,
        listener: StepListener | None = None,
    ) -> OperationResult:
        """Apply the stack's configuration file, and make the proxies follow it.

        Raises as any driver; also UpdateFailed when a proxy does not follow after the update, and
        before it StackError when one does not answer, or TelemetryError when the Docker engine
        cannot be asked what runs.
        """
        self.proxies.prepare()
        result = self.driver.up(stack, message=message, refresh=refresh, listener=listener)
        try:
            self.proxies.follow_all()
        except RightsizingError as error:  # no other kind may follow an update that was done
            raise UpdateFailed(
                f"the stack was updated, but not the weights of its proxies: {error}"
            ) from error
        return result

    def refresh(self, stack: StackRef, *, message: str) -> OperationResult:
        """Bring state in line with the live cloud."""
        return self.driver.refresh(stack, message=message)

    def destroy(self, stack: StackRef, *, message: str) -> OperationResult:
        """Delete every resource of the stack; weights stay."""
        return self.driver.destroy(stack, message=message)

    def history(self, stack: StackRef) -> tuple[HistoryEntry, ...]:
        """All finished updates, newest first."""
        return self.driver.history(stack)

    def outputs(self, stack: StackRef) -> Mapping[str, Json]:
        """Stack outputs of the last update; secrets masked."""
        return self.driver.outputs(stack)

    def resources(self, stack: StackRef) -> tuple[ResourceState, ...]:
        """Resources as state knows them."""
        return self.driver.resources(stack)

    def pending_operations(self, stack: StackRef) -> tuple[str, ...]:
        """URNs left in flight by a killed update."""
        return self.driver.pending_operations(stack)

    def cancel(self, stack: StackRef) -> bool:
        """Break a lock whose holder is dead; False when there was none."""
        return self.driver.cancel(stack)
