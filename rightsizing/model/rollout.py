"""Where a rollout stands: the ``rightsizing:rollout`` key. Not part of the release id.

Fleets, and containers behind a proxy, have two slots, ``a`` and ``b``. A change of size fills the
other slot and moves weight to it; the old one keeps running at weight 0 until it is retired, so
rolling back is moving weight. Nothing else has slots: services are replaced by ECS itself, and a
container without a proxy is changed in place.
"""

from __future__ import annotations

from enum import StrEnum, unique
from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, Tag, model_validator

from rightsizing.model.base import FrozenModel
from rightsizing.model.size import ContainerSize, FleetSize

MAX_WEIGHT = 999  # Elastic Load Balancing target group weight, 0-999


@unique
class Slot(StrEnum):
    """Name of one of the two halves of a fleet."""

    A = "a"
    B = "b"

    @property
    def other(self) -> Slot:
        """The half this one alternates with."""
        return Slot.B if self is Slot.A else Slot.A


def _kind(value: Any) -> str:
    kind = value.get("kind", "fleet") if isinstance(value, dict) else getattr(value, "kind", "")
    return str(kind)


SlotSize = Annotated[
    Annotated[FleetSize, Tag("fleet")] | Annotated[ContainerSize, Tag("container")],
    Discriminator(_kind),
]


class SlotState(FrozenModel):
    """What runs in one slot and its share of traffic."""

    size: SlotSize = Field(description="what runs in the slot")
    weight: int = Field(ge=0, le=MAX_WEIGHT, description="its share of traffic, by the sum")

    @property
    def fleet_size(self) -> FleetSize:
        """The size, where the slot is known to be a fleet's."""
        assert isinstance(self.size, FleetSize)
        return self.size


class FleetRollout(FrozenModel):
    """The slots of one fleet or proxied container. The live slot exists; the other may be empty."""

    live: Slot = Field(default=Slot.A, description="the slot that serves")
    a: SlotState | None = Field(default=None, description="slot a; none: empty")
    b: SlotState | None = Field(default=None, description="slot b; none: empty")

    @model_validator(mode="after")
    def _live_slot_serves(self) -> Self:
        live = self.slot(self.live)
        if live is None:
            raise ValueError(f"live slot {self.live.value} has no size")
        if sum(state.weight for state in (self.a, self.b) if state is not None) == 0:
            raise ValueError("both slots have weight 0, so nothing would serve traffic")
        if len({state.size.kind for state in (self.a, self.b) if state is not None}) > 1:
            raise ValueError("one slot holds a fleet's size and the other one a container's")
        return self

    def slot(self, slot: Slot) -> SlotState | None:
        """State of a slot; None when it is empty."""
        return self.a if slot is Slot.A else self.b


class RolloutState(FrozenModel):
    """The whole ``rightsizing:rollout`` key. ``step`` names the state machine's step."""

    step: str = Field(default="settled", max_length=64, description="name of the rollout's step")
    fleets: dict[str, FleetRollout] = Field(
        default_factory=dict, description="slots by workload key"
    )
