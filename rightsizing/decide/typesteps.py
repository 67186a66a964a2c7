"""The CPU rule over sizes that come in steps: instance types.

A limit that is chosen first and then rounded up to a type pays for the whole of a step that only a
part of was worth its price. So the rule of ``decide.cpu`` is applied to the steps themselves: a
size of ``c`` cores costs

    cost(c) + rate x price x value x P(demand > c)      subject to  c >= least cores

where ``rate`` is what a core costs where it costs least, ``price`` is the risk's and ``value`` the
workload's mean use; the least cores are those that demand exceeds in no larger a share of past time
than the risk, with the risk's margin. Were every number of cores for sale at ``rate``, this would
be the continuous limit. Memory is a constraint, as ``decide.memory`` gives it.

A move must pay: the size stays while it is tolerated and no other saves enough of this sum. More
risk never costs more money.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from rightsizing.decide.cpu import WeightedDemand
from rightsizing.decide.risk import Risk
from rightsizing.profile.rows import BoolArray, FloatArray, IntArray

# Types start at one or two vCPUs, so below two cores of work there is one step to save at most and
# safety is bought freely. 1, 2 and 3 give 0.906, 0.897 and 0.906 of Compute Optimizer's cost at its
# own shortage, on the development half of the back-test's machines.
LEAST_STEP_VALUE_CORES = 2.0
ROUNDING = 1e-9  # relative, of products of ratios


@dataclass(frozen=True, slots=True, eq=False)
class PricedShortage:
    """What being short costs W workloads at any size."""

    demand: WeightedDemand
    risk: Risk
    least_cores: FloatArray  # (W,) smallest size within the risk, NaN where nothing was measured

    @classmethod
    def of(cls, demand: WeightedDemand, risk: Risk) -> Self:
        """Shortage of this demand, priced at a risk."""
        within = np.argmax(demand.above_ratio <= risk.short_ratio, axis=1)
        level = np.take_along_axis(demand.level_cores, within[:, None], axis=1)[:, 0]
        return cls(demand, risk, level * (1 + risk.margin_ratio))

    def at(self, risk: Risk) -> PricedShortage:
        """The same demand at another risk."""
        return PricedShortage.of(self.demand, risk)

    def short_ratio(self, cores: FloatArray) -> FloatArray:
        """(W, C) share of past intervals above each size; 0 where nothing was measured.

        ``cores`` is (C,), or (W, C) where a size offers each workload another number of them.
        Within a bin all of its intervals count as above.
        """
        level, above = self.demand.level_cores, self.demand.above_ratio
        if cores.ndim == 1:  # types share few numbers of cores, so each is looked up once
            cores, place = np.unique(cores, return_inverse=True)
        else:
            place = np.arange(cores.shape[1])
        sizes = np.broadcast_to(cores * (1 + ROUNDING), (len(level), cores.shape[-1]))
        found = np.zeros(sizes.shape)
        for column in range(sizes.shape[1]):  # one (W, B) array at a time
            below = (level <= sizes[:, column, None]).sum(axis=1)
            at_edge = np.take_along_axis(above, np.maximum(below - 1, 0)[:, None], axis=1)[:, 0]
            found[:, column] = np.where(below > 0, at_edge, 1.0)
        found[np.isnan(self.demand.peak_cores)] = 0.0
        ratio: FloatArray = found[:, place]
        return ratio

    def worth_cores(self, cores: FloatArray) -> FloatArray:
        """(W, C) cores worth buying to avoid the shortage that is left at each size."""
        value = np.fmax(self.demand.mean_cores, LEAST_STEP_VALUE_CORES)
        worth: FloatArray = self.risk.price * value[:, None] * self.short_ratio(cores)
        return worth


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """C sizes that can be bought. ``cost`` is of an hour, in any unit of money."""

    cores: FloatArray  # (C,)
    memory_bytes: FloatArray  # (C,)
    cost: FloatArray  # (C,)

    @property
    def rate(self) -> float:
        """What a core costs where it costs least."""
        return float((self.cost / self.cores).min())


@dataclass(frozen=True, slots=True, eq=False)
class StepNeeds:
    """What a size must have to be taken, and what the current one must have to stay; (W,) each.

    ``may_lower_memory`` is False where the evidence forbids less memory than there is.
    """

    least_cores: FloatArray
    tolerated_cores: FloatArray
    memory_bytes: FloatArray  # 0: memory asks for nothing
    tolerated_bytes: FloatArray
    may_lower_memory: BoolArray

    def take(self, rows: IntArray) -> StepNeeds:
        """Only these workloads."""
        return StepNeeds(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def step_costs(shortage: PricedShortage, steps: Steps) -> FloatArray:
    """(W, C) cost of each size with the shortage that is left at it."""
    total: FloatArray = steps.cost[None, :] + steps.rate * shortage.worth_cores(steps.cores)
    return total


def best_steps(costs: FloatArray, steps: Steps, needs: StepNeeds) -> IntArray:
    """(W,) the size to take where there is none yet."""
    return _cheapest(costs, steps, needs, np.zeros(len(costs)))


def next_steps(
    costs: FloatArray, steps: Steps, needs: StepNeeds, *, minimum_saving_ratio: float
) -> IntArray:
    """(W, C) the size from now on, for each size that may be the current one.

    The current one stays while it is tolerated and the best one saves less than
    ``minimum_saving_ratio`` of its cost, shortage included (``decide.choice`` for all at once).
    """
    best = np.repeat(best_steps(costs, steps, needs)[:, None], costs.shape[1], axis=1)
    kept = np.flatnonzero(~needs.may_lower_memory)
    for current in range(costs.shape[1] if kept.size else 0):
        floor = np.full(kept.size, steps.memory_bytes[current])
        best[kept, current] = _cheapest(costs[kept], steps, needs.take(kept), floor)
    enough = _holds(steps.cores[None, :], needs.tolerated_cores[:, None]) & _holds(
        steps.memory_bytes[None, :], needs.tolerated_bytes[:, None]
    )
    there = np.take_along_axis(costs, best, axis=1)
    pays = there < costs * (1 - minimum_saving_ratio)
    found: IntArray = np.where(enough & ~pays, np.arange(costs.shape[1])[None, :], best)
    return found


def _cheapest(
    costs: FloatArray, steps: Steps, needs: StepNeeds, memory_floor: FloatArray
) -> IntArray:
    """(W,) cheapest size that holds the needs; where none does, the one with the most cores."""
    memory = np.fmax(needs.memory_bytes, memory_floor)
    fits = _holds(steps.cores[None, :], needs.least_cores[:, None]) & _holds(
        steps.memory_bytes[None, :], memory[:, None]
    )
    largest = int(np.lexsort((steps.memory_bytes, steps.cores))[-1])
    cheapest = np.argmin(np.where(fits, costs, np.inf), axis=1)
    found: IntArray = np.where(fits.any(axis=1), cheapest, largest)
    return found


def _holds(has: FloatArray | float, needed: FloatArray) -> BoolArray:
    """True where it is enough, but for rounding; an unknown need is none."""
    enough: BoolArray = has >= np.nan_to_num(needed, nan=0.0) * (1 - ROUNDING)
    return enough
