"""Picking one option: the cheapest that fits, unless the current one is good enough to stay.

    current is enough  -> the cheapest fitting option if it saves at least the minimum, else stay
    current too small  -> the cheapest fitting option, whatever it costs

Given the current option and the costs, a larger demand removes options and never adds one, so it
never leads to a cheaper choice (but for the minimum saving, which may keep a dearer current one).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Option:
    """One size that fits. ``cost`` serves to compare; of equal cost the larger size wins, then the
    newer generation."""

    name: str
    cost: Decimal
    cpu: float
    memory: float
    generation: int = 0


def cheapest(fitting: Sequence[Option], *, prefer: str) -> Option | None:
    """The cheapest option; of equal cost ``prefer``, then more memory, more CPU, newer, name."""
    return min(
        fitting,
        key=lambda option: (
            option.cost,
            option.name != prefer,
            -option.memory,
            -option.cpu,
            -option.generation,
            option.name,
        ),
        default=None,
    )


def choose(
    current: Option,
    fitting: Sequence[Option],
    *,
    current_is_enough: bool,
    minimum_saving_ratio: float,
) -> Option | None:
    """The option to run. None when the current one is too small and nothing fits."""
    best = cheapest(fitting, prefer=current.name)
    if not current_is_enough:
        return best
    if best is None:
        return current
    worth_it = best.cost < current.cost * (1 - Decimal(str(minimum_saving_ratio)))
    return best if worth_it else current
