"""A rule's results over a group of workloads, pooled into the figures people compare.

Cost and exceedance are ratios of sums, so a large workload counts for more; the geometric mean of
the workloads' own cost ratios stands beside the cost, and counts every workload the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rightsizing.backtest.schedule import DAYS_PER_WEEK
from rightsizing.backtest.scores import Outcome
from rightsizing.model.base import NoData
from rightsizing.units import HOURS_PER_MONTH, SECONDS_PER_DAY

_DAYS_PER_MONTH = HOURS_PER_MONTH * 3600 / SECONDS_PER_DAY
_NOTHING = NoData("nothing was measured")


@dataclass(frozen=True, slots=True)
class Summary:
    """Pooled figures of one rule over some workloads. Shares and ratios are plain numbers."""

    workloads: int  # with at least one scored week
    workload_weeks: int
    cost_ratio: float | NoData  # cost over the oracle's, sums
    cost_ratio_geometric: float | NoData  # mean over workloads of the log of their own ratios
    exceedance_ratio: float | NoData  # share of measured steps with demand above the limit
    exceeded_minutes_per_1000_h: float | NoData
    severity_core_minutes_per_1000_h: float | NoData  # demand above the limit, integrated
    slack_mean_ratio: float | NoData  # 1 - mean use / limit, over all hours held
    slack_p99_ratio: float | NoData  # median over workload-weeks of 1 - p99 of use / limit
    changes_per_month: float | NoData  # of one workload
    regret: float | NoData  # cost above the oracle's, an hour of one workload (cores or dollars)
    memory_weeks: int  # workload-weeks with measured memory and a limit
    memory_failed_weeks: int  # of them, those in which the peak passed the limit
    memory_cost_ratio: float | NoData  # GiB-hours over those of each week's own peak
    abstained_ratio: float | NoData  # share of workload-weeks at the current size
    memory_abstained_ratio: float | NoData


def summarise(outcome: Outcome) -> Summary:
    """Pool an outcome over all its workloads and weeks."""
    weeks = outcome.steps > 0
    scored = weeks.any(axis=1)
    hours, steps = float(outcome.hours.sum()), int(outcome.steps.sum())
    cost, oracle = float(outcome.cost.sum()), float(outcome.oracle_cost.sum())
    memory_weeks = outcome.memory_steps > 0
    slack = outcome.slack_p99[~np.isnan(outcome.slack_p99)]
    # The first day cannot be a change, so a week of the first counts six days.
    changeable_days = int(weeks.sum()) * DAYS_PER_WEEK - int(scored.sum())
    return Summary(
        workloads=int(scored.sum()),
        workload_weeks=int(weeks.sum()),
        cost_ratio=_ratio(cost, oracle),
        cost_ratio_geometric=_geometric(outcome),
        exceedance_ratio=_ratio(int(outcome.exceeded.sum()), steps),
        exceeded_minutes_per_1000_h=_ratio(1000 * float(outcome.exceeded_minutes.sum()), hours),
        severity_core_minutes_per_1000_h=_ratio(
            1000 * float(outcome.severity_core_minutes.sum()), hours
        ),
        slack_mean_ratio=_slack_mean(outcome),
        slack_p99_ratio=float(np.median(slack)) if slack.size else _NOTHING,
        changes_per_month=_ratio(
            float(outcome.changes.sum()) * _DAYS_PER_MONTH, float(changeable_days)
        ),
        regret=_ratio(cost - oracle, hours),
        memory_weeks=int(memory_weeks.sum()),
        memory_failed_weeks=int((outcome.memory_failed > 0).sum()),
        memory_cost_ratio=_ratio(
            float(outcome.memory_gib_hours.sum()), float(outcome.oracle_memory_gib_hours.sum())
        ),
        abstained_ratio=_ratio(int(outcome.abstained.sum()), int(weeks.sum())),
        memory_abstained_ratio=_ratio(int(outcome.memory_abstained.sum()), int(memory_weeks.sum())),
    )


def _ratio(part: float, whole: float) -> float | NoData:
    return part / whole if whole > 0 else _NOTHING


def _geometric(outcome: Outcome) -> float | NoData:
    """Over workloads with both costs above zero: an oracle of 0 has no ratio."""
    cost, oracle = outcome.cost.sum(axis=1), outcome.oracle_cost.sum(axis=1)
    known = (cost > 0) & (oracle > 0)
    if not known.any():
        return _NOTHING
    return float(np.exp(np.mean(np.log(cost[known] / oracle[known]))))


def _slack_mean(outcome: Outcome) -> float | NoData:
    used = _ratio(float(outcome.used_core_hours.sum()), float(outcome.held_core_hours.sum()))
    return used if isinstance(used, NoData) else 1 - used
