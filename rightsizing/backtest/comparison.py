"""Our rule against each other rule at that rule's own exceedance, with its uncertainty.

For a baseline of exceedance e and cost c, ours is read off the frontier of our risks at e; the
figure is the ratio of the two costs, below 1 where ours is cheaper at equal risk. Each resample of
workloads computes all of it again: the baseline's exceedance, our frontier and both costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from typing import Self

import numpy as np

from rightsizing.backtest.bootstrap import RESAMPLES, draw_counts, holm, p_at_least, upper_bound
from rightsizing.backtest.frontier import cost_at, shifted_ratio
from rightsizing.backtest.scores import IntArray, Outcome
from rightsizing.backtest.series import FloatArray

SIGNIFICANCE = 0.05
OVERALL_MARGIN = 1.00  # what the upper bound of the ratio must not pass, over all workloads
CLASS_MARGIN = 1.03  # and in a class
LEAST_CLASS_WORKLOADS = 10
ALL_WORKLOADS = "all"
_LEAST_COST = 1e-9  # over the oracle's: a rule that gives nothing still has a logarithm


@unique
class Verdict(StrEnum):
    """How a comparison ended at 5 %, after Holm's correction."""

    WIN = "win"  # ours costs less at the baseline's exceedance
    TIE = "tie"  # the difference may be chance
    LOSS = "loss"  # ours costs more
    # The baseline is safer than the safest of our risks; or it is short more often than the
    # riskiest, which is then compared in its place, and costs no less.
    OUT_OF_REACH = "out of reach"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One baseline in one group of workloads. Costs are over the oracle's."""

    baseline: str
    group: str  # a demand class, or "all"
    workloads: int  # with a scored week
    exceedance_ratio: float  # the baseline's
    our_cost_ratio: float  # ours at that exceedance
    baseline_cost_ratio: float
    cost_quotient: float  # ours over the baseline's
    lower_quotient: float  # 5 % and
    upper_quotient: float  # 95 % of the resamples
    margin: float
    p_value: float  # of "the quotient is at least the margin"
    holm_p_value: float
    verdict: Verdict

    @property
    def within_margin(self) -> bool:
        """Whether the upper 95 % bound, not corrected, is at most the margin."""
        return self.upper_quotient <= self.margin


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """One comparison before the correction over all of its family."""

    found: Comparison
    p_win: float
    p_loss: float
    reached: bool  # the baseline is not safer than the safest of our risks
    beyond: bool  # it is short more often than the riskiest


def compare(
    ours: Sequence[Outcome],
    baselines: Mapping[str, Outcome],
    groups: Mapping[str, Sequence[int]],
    *,
    seed: int,
    margins: Mapping[str, float] | None = None,
    resamples: int = RESAMPLES,
) -> tuple[Comparison, ...]:
    """Compare with every baseline over all workloads and in each group of at least ten.

    Args:
        ours: our rule at several risks.
        baselines: outcomes by name, of the same workloads in the same order.
        groups: rows of the scored workloads by class.
        seed: of the resampling.
        margins: stricter margins over all workloads, by baseline; 1.00 by default.
        resamples: draws of workloads.

    Returns:
        Overall comparisons, corrected as one family, then those by class, as another.
    """
    if not ours or not baselines:
        return ()
    stricter = margins or {}
    scored = np.flatnonzero(np.any(ours[0].steps > 0, axis=1))
    everything = _Group.of(ALL_WORKLOADS, scored, ours, seed, resamples)
    overall = [
        _measure(everything, name, baseline, stricter.get(name, OVERALL_MARGIN))
        for name, baseline in baselines.items()
    ]
    classes = [
        _Group.of(name, np.asarray(rows, dtype=np.int64), ours, seed, resamples)
        for name, rows in groups.items()
        if len(rows) >= LEAST_CLASS_WORKLOADS
    ]
    by_class = [
        _measure(group, name, baseline, CLASS_MARGIN)
        for group in classes
        for name, baseline in baselines.items()
    ]
    return (*_judged(overall), *_judged(by_class))


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Workloads, how often each is drawn (first once each, then resampled), and our frontier."""

    name: str
    rows: IntArray
    counts: FloatArray  # (1 + resamples, rows)
    exceedance: FloatArray  # (1 + resamples, risks)
    cost: FloatArray  # (1 + resamples, risks)

    @classmethod
    def of(
        cls, name: str, rows: IntArray, ours: Sequence[Outcome], seed: int, resamples: int
    ) -> Self:
        drawn = draw_counts(len(rows), seed, resamples) if len(rows) else np.zeros((0, 0))
        counts = np.concatenate([np.ones((1, len(rows))), drawn])
        return cls(name, rows, counts, *_pooled(counts, ours, rows))


def _measure(group: _Group, name: str, baseline: Outcome, margin: float) -> _Measured | None:
    """One comparison; None where nothing was scored."""
    chosen = group.rows
    if not chosen.size or baseline.oracle_cost[chosen].sum() <= 0:
        return None
    their_exceedance, their_cost = _pooled(group.counts, [baseline], chosen)
    our_exceedance, our_cost = group.exceedance, group.cost
    read = cost_at(our_exceedance, our_cost, their_exceedance[:, 0])
    logs = np.log(read.cost / their_cost[:, 0])
    point, resampled = float(logs[0]), logs[1:]
    exceeded = float(baseline.exceeded[chosen].sum() / baseline.steps[chosen].sum())
    return _Measured(
        found=Comparison(
            baseline=name,
            group=group.name,
            workloads=int((baseline.steps[chosen].sum(axis=1) > 0).sum()),
            exceedance_ratio=exceeded,
            our_cost_ratio=float(read.cost[0]),
            baseline_cost_ratio=float(their_cost[0, 0]),
            cost_quotient=float(np.exp(point)),
            lower_quotient=float(np.exp(np.quantile(resampled, SIGNIFICANCE))),
            upper_quotient=float(np.exp(upper_bound(resampled))),
            margin=margin,
            p_value=p_at_least(point, resampled, float(np.log(margin))),
            holm_p_value=1.0,
            verdict=Verdict.TIE,
        ),
        p_win=p_at_least(point, resampled, 0.0),
        p_loss=p_at_least(-point, -resampled, 0.0),
        reached=bool(read.within[0]),
        beyond=bool(their_exceedance[0, 0] > our_exceedance[0].max()),
    )


def _pooled(
    counts: FloatArray, outcomes: Sequence[Outcome], rows: IntArray
) -> tuple[FloatArray, FloatArray]:
    """(resamples, outcomes) shifted exceedance and cost over the oracle's."""

    def sums(name: str) -> FloatArray:
        columns = [getattr(outcome, name)[rows].sum(axis=1) for outcome in outcomes]
        return np.asarray(counts @ np.stack(columns, axis=1).astype(np.float64))

    oracle = sums("oracle_cost")
    with np.errstate(divide="ignore", invalid="ignore"):
        cost = np.where(oracle > 0, sums("cost") / oracle, _LEAST_COST)
    return shifted_ratio(sums("exceeded"), sums("steps")), np.maximum(cost, _LEAST_COST)


def _judged(measured: Sequence[_Measured | None]) -> list[Comparison]:
    """Holm's correction over one family, and the verdicts."""
    family = [item for item in measured if item is not None]
    against_margin = holm([item.found.p_value for item in family])
    wins = holm([item.p_win for item in family])
    losses = holm([item.p_loss for item in family])
    return [
        replace(item.found, holm_p_value=p_value, verdict=_verdict(item, win, loss))
        for item, p_value, win, loss in zip(family, against_margin, wins, losses, strict=True)
    ]


def _verdict(item: _Measured, p_win: float, p_loss: float) -> Verdict:
    if not item.reached:
        return Verdict.OUT_OF_REACH
    if p_win <= SIGNIFICANCE:
        return Verdict.WIN
    if item.beyond:
        return Verdict.OUT_OF_REACH
    return Verdict.LOSS if p_loss <= SIGNIFICANCE else Verdict.TIE
