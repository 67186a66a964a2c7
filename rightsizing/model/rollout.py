"""Where a rollout stands: the ``rightsizing:rollout`` key. Not part of the release id.

Fleets have two slots, ``a`` and ``b``. A change of size fills the other slot and moves weight to
it; the old one keeps running at weight 0 until it is retired, so rolling back is moving weight.
Only fleets have slots: services are replaced by ECS itself and containers are changed in place.
"""

from __future__ import annotations

from enum import StrEnum, unique
from typing import Self

from pydantic import Field, model_validator

from rightsizing.model.base import FrozenModel
from rightsizing.model.size import FleetSize

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


class SlotState(FrozenModel):
    """What runs in one slot and its share of traffic."""

    size: FleetSize = Field(description="what runs in the slot")
    weight: int = Field(ge=0, le=MAX_WEIGHT, description="its share of traffic, by the sum")


class FleetRollout(FrozenModel):
    """The slots of one fleet. The live slot exists; the other may be empty."""

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
