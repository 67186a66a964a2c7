"""The public call by which any Pulumi program reads a workload's size. ``infra/`` uses it too.

    from rightsizing.sizing import stack_sizing
    size = stack_sizing().fleet("web", default=FleetSize(instance_type="m5.large", ...))

Without a release in the stack's configuration the default is returned unchanged. Programs in other
languages read the plain keys ``rightsizing:release``, ``:phase`` and ``:rollout``.
"""

from __future__ import annotations

import pulumi

from rightsizing.errors import ConfigError
from rightsizing.model.rollout import FleetRollout, Slot, SlotState
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize
from rightsizing.model.stackconfig import StackSizing, parse_stack_sizing
from rightsizing.model.update import SIZING_KEYS

__all__ = [
    "ContainerSize",
    "FleetRollout",
    "FleetSize",
    "ServiceSize",
    "Sizing",
    "SizingError",
    "Slot",
    "SlotState",
    "stack_sizing",
]

FULL_WEIGHT = 100


class SizingError(ConfigError, pulumi.RunError):
    """A key is wrong; also a RunError, so that ``pulumi`` prints the sentence and no traceback."""


class Sizing:
    """Typed sizes of the running stack."""

    def __init__(self, stack: StackSizing) -> None:
        self.stack = stack

    def fleet(self, workload: str, default: FleetSize) -> FleetSize:
        """Size of an EC2 fleet's live slot."""
        size = self.stack.size_of(workload, default)
        assert isinstance(size, FleetSize)  # size_of refuses a different kind
        return size

    def fleet_slots(self, workload: str, default: FleetSize) -> FleetRollout:
        """Both slots of a fleet; slot a at full weight when no rollout has moved it."""
        found = self.stack.rollout.fleets.get(workload)
        if found is not None:
            return found
        state = SlotState(size=self.fleet(workload, default), weight=FULL_WEIGHT)
        return FleetRollout(live=Slot.A, a=state)

    def container_slots(self, workload: str, default: ContainerSize) -> FleetRollout:
        """Both slots of a container behind a proxy; slot a when no rollout has moved it."""
        found = self.stack.rollout.fleets.get(workload)
        if found is not None:
            return found
        state = SlotState(size=self.container(workload, default), weight=FULL_WEIGHT)
        return FleetRollout(live=Slot.A, a=state)

    def service(self, workload: str, default: ServiceSize) -> ServiceSize:
        """Size of an ECS service."""
        size = self.stack.size_of(workload, default)
        assert isinstance(size, ServiceSize)
        return size

    def container(self, workload: str, default: ContainerSize) -> ContainerSize:
        """Limits of a Docker container."""
        size = self.stack.size_of(workload, default)
        assert isinstance(size, ContainerSize)
        return size


def stack_sizing() -> Sizing:
    """Read the three keys of the running stack. Raises SizingError naming the key at fault."""
    config = pulumi.Config("rightsizing")
    values = {}
    for key in SIZING_KEYS:
        value = config.get_object(key.split(":", 1)[1])
        if value is not None:
            values[key] = value
    try:
        return Sizing(parse_stack_sizing(values))
    except ConfigError as error:
        raise SizingError(str(error)) from error
