"""One resource of a container or host: from the current amount to the amount it should have.

needed less, allowed, worth it   -> the needed amount, rounded up to a step
needed less, but forbidden       -> the current amount, and the change is refused
needed less, not worth it        -> the current amount
current below what is tolerated  -> the needed amount, rounded up
else                             -> the current amount
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique

from rightsizing.decide.demand import Need, round_up
from rightsizing.model.base import NoData


@unique
class Move(StrEnum):
    """What happened to one resource."""

    DOWN = "down"
    UP = "up"
    FITS = "fits"
    TOO_SMALL = "too small"
    REFUSED = "refused"
    UNMEASURED = "unmeasured"


@dataclass(frozen=True, slots=True)
class Settled:
    """Whole steps of one resource (millicores or MiB)."""

    move: Move
    value: int
    uncapped: int
    lower: int
    upper: int


@dataclass(frozen=True, slots=True)
class Steps:
    """How amounts are rounded and bounded. ``coarse_step`` applies above ``coarse_above``."""

    step: int
    minimum: int
    maximum: int
    coarse_step: int
    coarse_above: int

    def up(self, amount: float) -> int:
        """The smallest whole number of steps, at least one, not below ``amount``."""
        fine = max(round_up(amount, self.step), self.step)
        return fine if fine <= self.coarse_above else round_up(amount, self.coarse_step)


def settle(
    current: int,
    need: Need | NoData,
    unit: float,
    steps: Steps,
    *,
    may_shrink: bool,
    minimum_change_ratio: float,
) -> Settled:
    """Decide one resource.

    Args:
        current: millicores or MiB now.
        need: in cores or bytes; ``unit`` of it make one millicore or MiB.
        may_shrink: False when evidence forbids a reduction.
        minimum_change_ratio: smallest reduction worth making.
    """
    if isinstance(need, NoData):
        return Settled(Move.UNMEASURED, current, current, current, current)
    wanted = need.target / unit
    uncapped = steps.up(wanted)
    if wanted <= current:
        uncapped = min(uncapped, current)  # a limit between two steps that fits is not raised
    bounded = min(max(uncapped, steps.minimum), steps.maximum)
    if bounded < current:
        move, value = _reduction(current, bounded, minimum_change_ratio, may_shrink=may_shrink)
    elif need.tolerated / unit > current and bounded > current:
        move, value = Move.UP, bounded
    else:
        move, value = Move.FITS, current
    return Settled(
        move=move,
        value=value,
        uncapped=uncapped,
        lower=min(steps.up(need.lower / unit), uncapped, value),
        upper=max(steps.up(need.upper / unit), uncapped, value),
    )


def _reduction(
    current: int, bounded: int, minimum_change_ratio: float, *, may_shrink: bool
) -> tuple[Move, int]:
    if not may_shrink:
        return Move.REFUSED, current
    if (current - bounded) < current * minimum_change_ratio:
        return Move.TOO_SMALL, current
    return Move.DOWN, bounded
