"""A back-test's findings: every rule's figures, and ours against each of the others.

Built from one trial or several (traces of different times), over all of their workloads or a part
of them. Ours is a rule at several risks; the risks together are its frontier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique

import numpy as np
from numpy.typing import NDArray

from rightsizing.backtest.calibration import Calibration, calibrate
from rightsizing.backtest.comparison import Comparison, compare
from rightsizing.backtest.forecast import WeekForecast
from rightsizing.backtest.frontier import cost_at, shifted_ratio
from rightsizing.backtest.rule import HindsightRule, Rule
from rightsizing.backtest.scaling import TARGET_EXCEEDANCE, factor_for
from rightsizing.backtest.scores import Outcome
from rightsizing.backtest.summary import Summary, summarise
from rightsizing.backtest.trial import Mode, Trial
from rightsizing.model.base import NoData


@unique
class Role(StrEnum):
    """Whose rule it is."""

    OURS = "ours"
    PEER = "peer"
    HINDSIGHT = "hindsight"


@dataclass(frozen=True, slots=True)
class Contestants:
    """The rules of a back-test. ``ours`` is one rule at several risks, at least one."""

    ours: tuple[Rule, ...]
    peers: tuple[Rule, ...]
    oracles: tuple[HindsightRule, ...] = ()

    @property
    def all(self) -> tuple[Rule | HindsightRule, ...]:
        """Every rule, in the order of reports."""
        return (*self.ours, *self.peers, *self.oracles)


@dataclass(frozen=True, slots=True)
class RuleFindings:
    """One rule's figures."""

    name: str
    role: Role
    description: str
    source: str
    overall: Summary
    by_class: Mapping[str, Summary]


@dataclass(frozen=True, slots=True)
class ScaledPeer:
    """A peer whose CPU limits are multiplied to the target exceedance, and ours beside it."""

    name: str
    factor: float | NoData
    comparison: Comparison | NoData  # ours against the scaled rule, at its exceedance


@dataclass(frozen=True, slots=True)
class Target:
    """Ours at the target exceedance, read off its frontier."""

    exceedance_ratio: float
    cost_ratio: float | NoData  # over the oracle's


@dataclass(frozen=True, slots=True)
class Study:
    """Everything a back-test found. Cost is in core-hours, or dollars with EC2 types."""

    mode: Mode
    region: str  # empty in the mode of limits
    workloads: int  # with a scored week
    classes: Mapping[str, int]  # of them
    first_day: int  # days since 1970-01-01, of the first scored day
    last_day: int
    weeks: int  # of the longest trial
    history_days: int
    seed: int
    rules: tuple[RuleFindings, ...]
    comparisons: tuple[Comparison, ...]
    target: Target
    scaled: tuple[ScaledPeer, ...]
    calibrations: tuple[Calibration, ...]

    def of(self, role: Role) -> tuple[RuleFindings, ...]:
        """The rules of one role."""
        return tuple(rule for rule in self.rules if rule.role is role)


def study_of(
    trials: Sequence[Trial],
    contestants: Contestants,
    *,
    seed: int,
    margins: Mapping[str, float] | None = None,
    masks: Sequence[NDArray[np.bool_]] | None = None,
) -> Study:
    """Score, pool and compare.

    Args:
        trials: at least one, all of the same mode and the same rules.
        contestants: the rules that were replayed.
        seed: of the resampling.
        margins: stricter margins of the overall comparison, by peer.
        masks: workloads of each trial to take part; all by default.
    """
    if masks is None:
        masks = [np.ones(len(trial.keys), dtype=np.bool_) for trial in trials]
    chosen = [np.flatnonzero(mask) for mask in masks]

    def joined(rule: str, factor: float = 1.0) -> Outcome:
        parts = [
            trial.outcome(rule, factor).take(rows)
            for trial, rows in zip(trials, chosen, strict=True)
        ]
        return Outcome.joined(parts)

    outcomes = {rule.name: joined(rule.name) for rule in contestants.all}
    classes = [
        trial.classes[row].value for trial, rows in zip(trials, chosen, strict=True) for row in rows
    ]
    scored: NDArray[np.bool_] = np.any(next(iter(outcomes.values())).steps > 0, axis=1)
    groups = {
        name: [row for row, other in enumerate(classes) if other == name and scored[row]]
        for name in sorted(set(classes))
    }
    groups = {name: rows for name, rows in groups.items() if rows}
    ours = [outcomes[rule.name] for rule in contestants.ours]
    peers = {rule.name: outcomes[rule.name] for rule in contestants.peers}
    types = trials[0].types
    return Study(
        mode=trials[0].mode,
        region="" if types is None else types.region,
        workloads=int(scored.sum()),
        classes={name: len(rows) for name, rows in groups.items()},
        first_day=min(trial.schedule.first_day + trial.schedule.start for trial in trials),
        last_day=max(trial.schedule.first_day + trial.schedule.end - 1 for trial in trials),
        weeks=max(trial.schedule.weeks for trial in trials),
        history_days=max(trial.schedule.history_days for trial in trials),
        seed=seed,
        rules=tuple(_findings(contestants, outcomes, groups)),
        comparisons=compare(ours, peers, groups, seed=seed, margins=margins),
        target=_target(ours),
        scaled=_scaled(
            {rule.name: factor_for(trials, masks, rule.name) for rule in contestants.peers},
            joined,
            ours,
            seed,
        ),
        calibrations=_calibrations(trials, masks, contestants, seed),
    )


def _findings(
    contestants: Contestants,
    outcomes: Mapping[str, Outcome],
    groups: Mapping[str, Sequence[int]],
) -> list[RuleFindings]:
    roles: tuple[tuple[Rule | HindsightRule, Role], ...] = (
        *((rule, Role.OURS) for rule in contestants.ours),
        *((rule, Role.PEER) for rule in contestants.peers),
        *((rule, Role.HINDSIGHT) for rule in contestants.oracles),
    )
    return [
        RuleFindings(
            name=rule.name,
            role=role,
            description=rule.description,
            source=rule.source,
            overall=summarise(outcomes[rule.name]),
            by_class={
                name: summarise(outcomes[rule.name].take(np.asarray(rows, dtype=np.int64)))
                for name, rows in groups.items()
            },
        )
        for rule, role in roles
    ]


def _target(ours: Sequence[Outcome]) -> Target:
    missing = NoData("nothing was scored")
    oracle = float(ours[0].oracle_cost.sum()) if ours else 0.0
    if oracle <= 0:
        return Target(TARGET_EXCEEDANCE, missing)
    steps = np.array([outcome.steps.sum() for outcome in ours], dtype=np.float64)
    exceeded = np.array([outcome.exceeded.sum() for outcome in ours], dtype=np.float64)
    cost = np.array([outcome.cost.sum() for outcome in ours]) / oracle
    if not (cost > 0).all():
        return Target(TARGET_EXCEEDANCE, missing)
    read = cost_at(
        shifted_ratio(exceeded, steps), cost, np.array(TARGET_EXCEEDANCE, dtype=np.float64)
    )
    if not bool(read.within):
        return Target(TARGET_EXCEEDANCE, NoData("none of the risks replayed is as safe"))
    return Target(TARGET_EXCEEDANCE, float(read.cost))


def _scaled(
    factors: Mapping[str, float | NoData],
    joined: Callable[[str, float], Outcome],
    ours: Sequence[Outcome],
    seed: int,
) -> tuple[ScaledPeer, ...]:
    outcomes = {
        name: joined(name, factor)
        for name, factor in factors.items()
        if not isinstance(factor, NoData)
    }
    found = {item.baseline: item for item in compare(ours, outcomes, {}, seed=seed)}
    nothing = NoData("nothing was scored")
    return tuple(
        ScaledPeer(
            name,
            factor,
            factor if isinstance(factor, NoData) else found.get(name, nothing),
        )
        for name, factor in factors.items()
    )


def _calibrations(
    trials: Sequence[Trial],
    masks: Sequence[NDArray[np.bool_]],
    contestants: Contestants,
    seed: int,
) -> tuple[Calibration, ...]:
    """Rules that forecast, in the mode their forecasts are of: continuous limits."""
    if trials[0].mode is not Mode.LIMITS:
        return ()
    found = []
    for rule in contestants.ours:
        weeks: list[WeekForecast] = []
        first = 0
        for trial, mask in zip(trials, masks, strict=True):
            weeks += [item.shown(mask, first) for item in trial.held_by(rule.name).forecasts]
            first += len(trial.keys)
        if not weeks:
            continue
        outcome = Outcome.joined([trial.outcome(rule.name) for trial in trials])
        result = calibrate(rule.name, weeks, outcome, seed=seed)
        if isinstance(result, Calibration):
            found.append(result)
    return tuple(found)
