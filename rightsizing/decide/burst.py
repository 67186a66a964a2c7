"""Whether burstable and flex types carry a demand that goes above their baseline.

Credits are simulated step by step at a constant rate within a step, for all candidates at once:

    standard    spent = min(use, balance + earned); starved once the balance is gone
    unlimited   the balance may fall to minus a day's earnings; what goes beyond is billed

The worse of two passes over the demand counts: one that starts without credits, as a new instance
does, and one that starts where the first ended, as a long-running one does. Work that a starved
type did not do is not carried over, so starved minutes are a lower bound where work queues up. A
step that was not measured neither earns nor spends.

Flex types have no credits: AWS describes them as sustaining 40 % of each vCPU and reaching all of
it for 95 % of a day. What counts against one is the time above 40 % beyond 95 % of any day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightsizing.catalog.credits import (
    MINUTES_PER_HOUR,
    SURPLUS_USD_PER_VCPU_HOUR,
    CreditTerms,
    credit_terms,
)
from rightsizing.model.base import NoData
from rightsizing.model.shape import CreditMode, InstanceShape
from rightsizing.units import MINUTES_PER_MONTH

FLEX_FULL_SPEED_SHARE = 0.95  # of a day; see catalog.specification for the source
MINUTES_PER_DAY = 24 * 60
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BurstDemand:
    """Mean CPU use of one instance on a regular grid, oldest step first.

    ``cores`` has shape (steps,), in cores of the measured type; NaN where nothing was measured.
    Credits are spent by use, so a step's mean is exact but for the order within the step.
    """

    cores: FloatArray
    step_minutes: float
    says: str  # what it is made of, such as "hourly means of 14 days"

    @classmethod
    def of_hours(cls, hour_means: FloatArray) -> BurstDemand | NoData:
        """From hourly means of shape (days, 24), NaN where not measured."""
        cores = np.asarray(hour_means, dtype=np.float64).reshape(-1)
        if not np.isfinite(cores).any():
            return NoData("no hour of CPU use was measured")
        return cls(cores, float(MINUTES_PER_HOUR), f"hourly means of {len(hour_means)} days")


@dataclass(frozen=True, slots=True)
class BurstVerdict:
    """What running the demand on one type comes to, in a month of 730 hours of such demand.

    In standard mode ``starved_minutes`` count, in unlimited mode ``surplus_usd`` does; the other
    is 0. ``sustained_cores`` is the baseline.
    """

    mode: CreditMode
    sustained_cores: float
    starved_minutes: float
    surplus_usd: float
    says: str


@dataclass(frozen=True, slots=True)
class CreditRun:
    """Result of one pass: arrays of shape (workloads, types). Credits are vCPU-minutes."""

    balance: FloatArray
    starved_minutes: FloatArray
    billed_credits: FloatArray


def run_credits(
    cores: FloatArray,
    step_minutes: float,
    terms: Sequence[CreditTerms],
    mode: CreditMode,
    balance: FloatArray,
) -> CreditRun:
    """Simulate every type on every workload's demand.

    Args:
        cores: use in vCPUs of each type, shape (workloads, types, steps), or broadcastable to it;
            NaN where not measured.
        step_minutes: length of a step.
        terms: the types, in the order of the second axis.
        mode: of all types.
        balance: credits at the start, shape (workloads, types).
    """
    earned = np.array([item.earned_per_minute for item in terms])
    most = np.array([item.kept_at_most for item in terms])
    vcpus = np.array([item.vcpus for item in terms], dtype=np.float64)
    unlimited = mode is CreditMode.UNLIMITED
    least = -most if unlimited else np.zeros_like(most)
    drains = np.minimum(cores, vcpus[:, np.newaxis]) - earned[:, np.newaxis]
    # A use at the baseline to the last bit must not count as a drain of 1e-17 credits.
    drains[np.abs(drains) < 1e-12] = 0.0
    drains[np.isnan(drains)] = 0.0
    # Time first, so that each step reads one piece of memory.
    drains = np.ascontiguousarray(np.moveaxis(drains, -1, 0))
    held = np.array(balance, dtype=np.float64)
    lacking = np.zeros_like(held)
    # Credits that are lacking are billed, or starve for as many minutes as they would have lasted.
    per_credit = np.ones_like(drains)
    if not unlimited:
        np.divide(1.0, drains, out=per_credit, where=drains > 0)
    for drained, factor in zip(drains * step_minutes, per_credit, strict=True):
        left = held - drained
        held = np.minimum(np.maximum(left, least), most)
        lacking += np.maximum(least - left, 0.0) * factor
    nothing = np.zeros_like(lacking)
    return CreditRun(held, *((nothing, lacking) if unlimited else (lacking, nothing)))


def judge_credits(
    demand: BurstDemand,
    terms: Sequence[CreditTerms],
    mode: CreditMode,
    speeds: Sequence[float],
) -> tuple[BurstVerdict, ...]:
    """The verdict on each type for one workload.

    ``speeds`` are cores of the measured type that one vCPU of each type stands for.
    """
    if not terms:
        return ()
    cores = demand.cores[np.newaxis, np.newaxis, :] / np.array(speeds)[np.newaxis, :, np.newaxis]
    empty = np.zeros((1, len(terms)))
    first = run_credits(cores, demand.step_minutes, terms, mode, empty)
    second = run_credits(cores, demand.step_minutes, terms, mode, first.balance)
    measured = int(np.isfinite(demand.cores).sum()) * demand.step_minutes
    months = max(measured / MINUTES_PER_MONTH, 1e-9)
    starved = np.maximum(first.starved_minutes, second.starved_minutes)[0] / months
    billed = np.maximum(first.billed_credits, second.billed_credits)[0] / months
    usd_per_credit = float(SURPLUS_USD_PER_VCPU_HOUR) / MINUTES_PER_HOUR
    return tuple(
        BurstVerdict(
            mode=mode,
            sustained_cores=item.earned_per_minute * speed,
            starved_minutes=float(minutes),
            surplus_usd=float(credits_billed) * usd_per_credit,
            says=demand.says,
        )
        for item, speed, minutes, credits_billed in zip(terms, speeds, starved, billed, strict=True)
    )


def flex_minutes_short(demand: BurstDemand, sustained_cores: float) -> float:
    """Minutes a month above the baseline beyond 95 % of a day, the days taken one by one.

    A day's share is that of its measured steps.
    """
    per_day = max(round(MINUTES_PER_DAY / demand.step_minutes), 1)
    days = -(-len(demand.cores) // per_day)
    padded = np.full(days * per_day, np.nan)
    padded[: len(demand.cores)] = demand.cores
    grid = padded.reshape(days, per_day)
    measured = np.isfinite(grid).sum(axis=1)
    above = (np.nan_to_num(grid, nan=-np.inf) > sustained_cores).sum(axis=1)
    short = np.maximum(above - FLEX_FULL_SPEED_SHARE * measured, 0.0).sum()
    return float(short / max(measured.sum(), 1) * MINUTES_PER_MONTH)


def judge_bursts(
    shapes: Mapping[str, InstanceShape],
    demand: BurstDemand,
    speed_of: Callable[[InstanceShape], float],
    mode_of: Callable[[str], CreditMode],
) -> dict[str, BurstVerdict]:
    """Verdicts by type name for all burstable and flex types with a known baseline.

    Args:
        shapes: the candidates.
        demand: of one instance.
        speed_of: cores of the measured type that one vCPU of a type stands for.
        mode_of: the credit mode of a burstable family.
    """
    found: dict[str, BurstVerdict] = {}
    by_mode: dict[CreditMode, list[tuple[CreditTerms, float]]] = {}
    for name, shape in shapes.items():
        terms = credit_terms(shape)
        speed = speed_of(shape)
        if isinstance(terms, CreditTerms):
            by_mode.setdefault(mode_of(shape.family), []).append((terms, speed))
        elif not shape.burstable and not isinstance(shape.baseline_cpu_ratio, NoData):
            sustained = shape.baseline_cpu_ratio * shape.vcpus * speed
            found[name] = BurstVerdict(
                mode=CreditMode.STANDARD,
                sustained_cores=sustained,
                starved_minutes=flex_minutes_short(demand, sustained),
                surplus_usd=0.0,
                says=demand.says,
            )
    for mode, items in by_mode.items():
        verdicts = judge_credits(
            demand, [terms for terms, _ in items], mode, [speed for _, speed in items]
        )
        found.update(
            (terms.instance_type, verdict)
            for (terms, _), verdict in zip(items, verdicts, strict=True)
        )
    return found
