"""Google Autopilot's ML recommender: an ensemble of decays and margins (EuroSys 2020, 3.2.3).

Each model has a decay d_m and a margin M_m. It keeps decayed overrun and underrun costs of every
candidate limit, takes the cheapest (a change costs too) and adds its margin; the ensemble follows
the model whose limits have cost least lately, switching only where that pays:

    L'_m[t] = argmin_L  w_o o_L[t] + w_u u_L[t] + w_dL [L != L'_m[t-1]]      L_m = L'_m + M_m
    c_m[t]  = d (w_o o(L_m, t) + w_u u(L_m, t) + w_dL [L_m[t] != L_m[t-1]]) + (1 - d) c_m[t-1]
    m[t]    = argmin_m  c_m[t] + w_dm [m != m[t-1]] + w_dL [L_m[t] != L[t-1]]

Google's weights are not public. ``EXAMPLE`` has those of a public reimplementation: w_o .5, w_u
.25, w_dL .1, w_dm .1, d .75, d_m .1 to 1. Over and under are counts and a sample in L's own bucket
costs nothing, so L' is the highest bucket a model remembers or, where about half of the samples
share a low bucket, that one, with the rest above the limit: what formula and weights give, not what
Google runs. ``CAUTIOUS`` differs in w_u only (.005, our choice), which keeps the limit high.

Assumed: one step is a day, because limits are replayed day by day; s is the day's histogram, 288
samples a day whatever the interval, in 100 equal buckets up to the largest value of 28 days;
o(L, t) and u(L, t) are that day's own, so that models are compared on the same measure; margins
are 0, 5 and 10 % of the largest value. A day without measurements changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rightsizing.backtest.peers.evidence import measured_hours
from rightsizing.backtest.rule import Limits, proposed_or_kept
from rightsizing.backtest.series import DemandSeries, FloatArray
from rightsizing.model.base import NoData

_BUCKETS = 100
_LOOKBACK_DAYS = 28
_MINIMUM_HOURS = 24
_DECAYS = np.arange(1, 11) / 10
_MARGINS = np.array([0, 5, 10])  # in buckets: 5 % and 10 % of the largest value
_LIMITS = _BUCKETS + 10  # a margin may lead above the largest value
_SAMPLES_PER_DAY = 288  # one each 5 minutes, the paper's step
_SCORE_DECAY = 0.75
_LIMIT_CHANGE_COST = 0.1
_MODEL_CHANGE_COST = 0.1

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class AutopilotEnsemble:
    """The ensemble with one pair of costs for a sample over and a sample under the limit."""

    name: str
    overrun_cost: float
    underrun_cost: float

    source: ClassVar[str] = "doi 10.1145/3342195.3387524, section 3.2; weights are examples"
    review_days: ClassVar[int] = 1

    @property
    def description(self) -> str:
        """The costs."""
        return (
            f"ensemble of 10 decays x 3 margins, overrun {self.overrun_cost:g} : underrun "
            f"{self.underrun_cost:g}, daily"
        )

    def propose(self, past: Sequence[DemandSeries]) -> tuple[Limits, ...]:
        """The ensemble's limit after replaying 28 days; abstains under 24 h of measurements."""
        windows = [series.last(_LOOKBACK_DAYS) for series in past]
        cpu = self._limits(windows, [window.cpu_cores for window in windows], "CPU")
        memory = self._limits(windows, [window.memory_bytes for window in windows], "memory")
        return tuple(Limits(*pair) for pair in zip(cpu, memory, strict=True))

    def accept(self, current: Limits, proposed: Limits) -> Limits:
        """Changes are priced inside the ensemble; what it says is applied."""
        return proposed_or_kept(current, proposed)

    def _limits(
        self, windows: Sequence[DemandSeries], values: Sequence[FloatArray], what: str
    ) -> list[float | NoData]:
        found: list[float | NoData] = []
        peaks, shares = [], []
        for window, used in zip(windows, values, strict=True):
            measured = measured_hours(used, window.interval_s, at_least=_MINIMUM_HOURS, what=what)
            if isinstance(measured, NoData):
                found.append(measured)
                continue
            found.append(float(measured.max()))
            peaks.append(float(measured.max()))
            shares.append(_daily_shares(window.by_day(used), peaks[-1]))
        if not shares:
            return found
        chosen = iter(self.replay(np.stack(shares)) * np.array(peaks) / _BUCKETS)
        return [item if isinstance(item, NoData) else float(next(chosen)) for item in found]

    def replay(self, shares: FloatArray) -> IntArray:
        """Limits after the last day, in buckets (the upper edge of bucket k is k + 1), shape (W,).

        ``shares`` is (W, days, 110): the share of each day's intervals by bucket; zeros for a day
        that was not measured. Each workload has at least one measured day.
        """
        samples = shares * _SAMPLES_PER_DAY
        at_most = np.cumsum(samples, axis=2)
        over, under = at_most[:, :, -1:] - at_most, at_most - samples
        price = self.overrun_cost * over + self.underrun_cost * under  # (W, days, candidates)
        state = _Ensemble.empty(len(shares))
        for day in range(shares.shape[1]):
            live: NDArray[np.bool_] = np.asarray(shares[:, day].any(axis=1))
            state.step(live, price[:, day])
        return state.limit + 1


EXAMPLE = AutopilotEnsemble("autopilot-ensemble", 0.5, 0.25)
CAUTIOUS = AutopilotEnsemble("autopilot-ensemble-cautious", 0.5, 0.005)


@dataclass(slots=True)
class _Ensemble:
    """What the ensemble remembers from day to day; -1 is "none yet". W rows, D decays, M models."""

    cost: FloatArray  # (W, D, candidates): decayed w_o o_L + w_u u_L, started on the first day
    candidate: IntArray  # (W, D): L'_m
    score: FloatArray  # (W, M): c_m
    model_limit: IntArray  # (W, M): L_m
    model: IntArray  # (W,): m
    limit: IntArray  # (W,): L

    @classmethod
    def empty(cls, workloads: int) -> _Ensemble:
        decays, models = len(_DECAYS), len(_DECAYS) * len(_MARGINS)
        return cls(
            cost=np.zeros((workloads, decays, _LIMITS)),
            candidate=np.full((workloads, decays), -1),
            score=np.zeros((workloads, models)),
            model_limit=np.full((workloads, models), -1),
            model=np.full(workloads, -1),
            limit=np.full(workloads, -1),
        )

    def step(self, live: NDArray[np.bool_], price: FloatArray) -> None:
        """One day: ``price`` (W, limits) is its own cost; only ``live`` workloads were measured."""
        self.cost += (_DECAYS * live[:, None])[:, :, None] * (price[:, None, :] - self.cost)
        candidate = _cheapest(self.cost[:, :, :_BUCKETS], self.candidate, _LIMIT_CHANGE_COST)
        limits = (candidate[:, :, None] + _MARGINS).reshape(len(live), -1)
        own = np.take_along_axis(price, limits, axis=1)
        changed = (self.model_limit >= 0) & (limits != self.model_limit)
        score = _SCORE_DECAY * (own + _LIMIT_CHANGE_COST * changed)
        score += (1 - _SCORE_DECAY) * self.score
        moving = (self.limit >= 0)[:, None] & (limits != self.limit[:, None])
        model = _cheapest(score + _LIMIT_CHANGE_COST * moving, self.model, _MODEL_CHANGE_COST)
        self.candidate[live] = candidate[live]
        self.score[live] = score[live]
        self.model_limit[live] = limits[live]
        self.model[live] = model[live]
        self.limit[live] = np.take_along_axis(limits, model[:, None], axis=1)[live, 0]


def _cheapest(cost: FloatArray, previous: IntArray, change_cost: float) -> IntArray:
    """Index of the least cost along the last axis when any but the previous costs more (-1: none).

    Ties go to the previous, then to the lowest index.
    """
    best: IntArray = cost.argmin(axis=-1)
    least = np.take_along_axis(cost, best[..., None], axis=-1)[..., 0]
    held = np.take_along_axis(cost, np.maximum(previous, 0)[..., None], axis=-1)[..., 0]
    return np.where((previous >= 0) & (held <= least + change_cost), previous, best)


def _daily_shares(by_day: FloatArray, peak: float) -> FloatArray:
    """(28, 110): share of each day's intervals by bucket, days before the first as zeros."""
    shares = np.zeros((_LOOKBACK_DAYS, _LIMITS))
    width = peak / _BUCKETS or 1.0
    for offset, values in enumerate(by_day[::-1]):
        known = values[~np.isnan(values)]
        if known.size:
            bucket = np.clip(np.ceil(known / width).astype(np.int64) - 1, 0, _BUCKETS - 1)
            counts = np.bincount(bucket, minlength=_LIMITS)
            shares[_LOOKBACK_DAYS - 1 - offset] = counts / known.size
    return shares
