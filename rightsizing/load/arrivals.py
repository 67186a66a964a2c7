"""When requests are due: an open model, in which nobody waits for an earlier answer. Pure.

A closed loop of so many users asks less often the slower the target is, and so leaves out the very
requests that would have waited ("coordinated omission"). Here the moments are fixed beforehand,
and latency counts from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique

import numpy as np
import numpy.typing as npt

from rightsizing.errors import ConfigError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
MOST_REQUESTS = 5_000_000  # of one test: what fits into some 200 MB


@unique
class Spacing(StrEnum):
    """How requests follow each other."""

    POISSON = "poisson"  # as independent users do
    EVEN = "even"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Moments in seconds from the start, rising, and the index of the target each one asks.

    ``block`` numbers the stretches in which one target is asked; -1 is the warm-up, which is sent
    and not measured.
    """

    due_s: FloatArray
    target: IntArray
    block: IntArray
    warm_up_s: float
    block_s: float
    blocks: int

    @property
    def duration_s(self) -> float:
        """Measured seconds, without the warm-up."""
        return self.blocks * self.block_s


def schedule(
    rate_rps: float,
    *,
    targets: int,
    blocks: int,
    block_s: float,
    warm_up_s: float,
    rng: np.random.Generator,
    spacing: Spacing = Spacing.POISSON,
) -> Schedule:
    """Arrivals at ``rate_rps`` through a warm-up and ``blocks`` blocks.

    The targets take turns block by block, each round of turns in the reverse order of the one
    before (old new, new old, ...), so that a slow drift of the machine falls on all alike. Within a
    round all get requests at the same moments of their blocks, so that no target has the worse
    bursts. In the warm-up they alternate request by request.

    Raises ConfigError when that would be nothing, or more than five million requests.
    """
    length_s = warm_up_s + blocks * block_s
    if rate_rps <= 0 or length_s <= 0:
        raise ConfigError(f"{rate_rps:g} requests a second for {length_s:g} s are no load")
    if rate_rps * length_s > MOST_REQUESTS:
        raise ConfigError(
            f"{rate_rps:g} requests a second for {length_s:g} s are more than {MOST_REQUESTS} "
            "requests; shorten --duration, or drive from several machines"
        )
    warming = _due(rate_rps, warm_up_s, rng, spacing)
    due, block, target = [warming], [np.full(len(warming), -1)], [np.arange(len(warming)) % targets]
    moments = np.empty(0)
    for number in range(blocks):
        if number % targets == 0:  # a new round
            moments = _due(rate_rps, block_s, rng, spacing)
        due.append(warm_up_s + number * block_s + moments)
        block.append(np.full(len(moments), number))
        target.append(np.full(len(moments), turn_of(number, targets)))
    return Schedule(
        np.concatenate(due),
        np.concatenate(target).astype(np.int64),
        np.concatenate(block).astype(np.int64),
        warm_up_s,
        block_s,
        blocks,
    )


def turn_of(block: int, targets: int) -> int:
    """Which target a block asks: 0 1, 1 0, 0 1, ... for two."""
    turn, place = divmod(block, targets)
    return place if turn % 2 == 0 else targets - 1 - place


def _due(
    rate_rps: float, length_s: float, rng: np.random.Generator, spacing: Spacing
) -> FloatArray:
    if spacing is Spacing.EVEN:
        return np.arange(0.0, length_s, 1 / rate_rps)
    # given their number, moments of a Poisson process are independent and uniform
    return np.sort(rng.uniform(0.0, length_s, int(rng.poisson(rate_rps * length_s))))
