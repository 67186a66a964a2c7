"""From series to findings: roles, classes, scaling to a target, halves of the workloads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rightsizing.backtest.contestants import contestants, ours
from rightsizing.backtest.ec2types import TypeTable
from rightsizing.backtest.scaling import factor_for
from rightsizing.backtest.schedule import Schedule
from rightsizing.backtest.series import DemandSeries
from rightsizing.backtest.study import Contestants, Role, Study, study_of
from rightsizing.backtest.trial import Mode, Trial
from rightsizing.catalog.catalog import Catalog
from rightsizing.errors import ConfigError
from rightsizing.model.base import NoData

MakeSeries = Callable[..., DemandSeries]
GIB = 1024.0**3


@pytest.fixture(scope="module")
def rules() -> Contestants:
    """Ours at four risks, and three peers."""
    return contestants(["krr-simple", "maximum-14d", "peak-so-far"], ["0.03", "0.3", "2", "20"])


@pytest.fixture
def fleet(make_series: MakeSeries) -> list[DemandSeries]:
    """Twelve workloads of 35 days by the hour."""
    generator = np.random.default_rng(21)
    hours = 1 + 0.5 * np.sin(np.arange(24) / 24 * 2 * np.pi)
    return [
        make_series(
            hours * generator.gamma(8, 0.05, size=(35, 24)) * (1 + number % 3),
            key=f"w{number:02}",
            capacity=8.0,
            memory=generator.uniform(1, 2, size=(35, 24)) * GIB,
            capacity_memory=8 * GIB,
        )
        for number in range(12)
    ]


def studied(fleet: list[DemandSeries], rules: Contestants, **options: object) -> Study:
    """One trial of the whole fleet."""
    trial = Trial.run(fleet, rules.all, Schedule.of(fleet))
    return study_of([trial], rules, seed=1, **options)  # type: ignore[arg-type]


def test_every_rule_has_its_role_and_figures(fleet: list[DemandSeries], rules: Contestants) -> None:
    """Four of ours, three peers, two that see the future."""
    study = studied(fleet, rules)
    assert [len(study.of(role)) for role in Role] == [4, 3, 2]
    assert (study.mode, study.workloads, study.weeks) == (Mode.LIMITS, 12, 3)
    assert sum(study.classes.values()) == 12
    for rule in study.rules:
        assert rule.overall.workload_weeks == 36
        assert sum(item.workload_weeks for item in rule.by_class.values()) == 36


def test_the_unit_of_cost_is_hindsight(fleet: list[DemandSeries], rules: Contestants) -> None:
    """The rule that is shown each week costs what the oracle does, but for its own rounding."""
    oracle = studied(fleet, rules).of(Role.HINDSIGHT)[0]
    assert oracle.overall.cost_ratio == pytest.approx(1.0, abs=0.05)
    assert oracle.overall.memory_failed_weeks == 0


def test_scaled_to_the_target(fleet: list[DemandSeries], rules: Contestants) -> None:
    """At the factor the exceedance is at most the target; a little below it, it is more."""
    trial = Trial.run(fleet, rules.all, Schedule.of(fleet))
    everyone = np.ones(len(fleet), dtype=bool)
    for rule in rules.peers:
        factor = factor_for([trial], [everyone], rule.name, exceedance=0.01)
        assert isinstance(factor, float)
        exceeded, steps = trial.exceeded(rule.name, factor, everyone)
        assert exceeded <= 0.01 * steps
        more, _steps = trial.exceeded(rule.name, factor * 0.999, everyone)
        assert more > 0.01 * steps - 2


def test_scaling_types_bisects(fleet: list[DemandSeries], rules: Contestants) -> None:
    """With EC2 types the target is met as well, in their steps."""
    types = TypeTable.of(Catalog.load(), "us-east-1")
    trial = Trial.run(fleet, rules.all, Schedule.of(fleet), types=types)
    everyone = np.ones(len(fleet), dtype=bool)
    factor = factor_for([trial], [everyone], "krr-simple", exceedance=0.01)
    assert isinstance(factor, float)
    exceeded, steps = trial.exceeded("krr-simple", factor, everyone)
    assert exceeded <= 0.01 * steps


def test_a_rule_that_gives_nothing_cannot_be_scaled(
    make_series: MakeSeries, rules: Contestants
) -> None:
    """Idle for three weeks, then busy: no factor on 0 cores helps."""
    cpu = np.zeros((28, 24))
    cpu[21:] = 1.0
    fleet = [make_series(cpu, capacity=4.0)]
    trial = Trial.run(fleet, rules.all, Schedule.of(fleet))
    found = factor_for([trial], [np.ones(1, dtype=bool)], "maximum-14d", exceedance=0.001)
    assert isinstance(found, NoData)


def test_types_cost_dollars(fleet: list[DemandSeries], rules: Contestants) -> None:
    """Needs of a few cores are types of whole vCPUs: exceeded less often than the limits are."""
    types = TypeTable.of(Catalog.load(), "us-east-1")
    trial = Trial.run(fleet, rules.all, Schedule.of(fleet), types=types)
    study = study_of([trial], rules, seed=1)
    limits = studied(fleet, rules)
    assert (study.mode, study.region) == (Mode.EC2, "us-east-1")
    for one, other in zip(study.rules, limits.rules, strict=True):
        assert isinstance(one.overall.exceedance_ratio, float)
        assert isinstance(other.overall.exceedance_ratio, float)
        assert one.overall.exceedance_ratio <= other.overall.exceedance_ratio
    assert study.calibrations == ()


def test_halves_add_up(fleet: list[DemandSeries], rules: Contestants) -> None:
    """Two halves of the workloads have the workload-weeks of the whole."""
    trial = Trial.run(fleet, rules.all, Schedule.of(fleet))
    first = np.arange(12) < 5
    parts = [study_of([trial], rules, seed=1, masks=[mask]) for mask in (first, ~first)]
    assert [part.workloads for part in parts] == [5, 7]


def test_two_trials_are_pooled(fleet: list[DemandSeries], rules: Contestants) -> None:
    """Two traces of different times: their workloads stand side by side."""
    trials = [Trial.run(part, rules.all, Schedule.of(part)) for part in (fleet[:5], fleet[5:])]
    study = study_of(trials, rules, seed=1)
    assert study.workloads == 12
    assert study.of(Role.PEER)[0].overall == studied(fleet, rules).of(Role.PEER)[0].overall


def test_predictions_of_every_risk_are_checked(
    fleet: list[DemandSeries], rules: Contestants
) -> None:
    """Each of ours forecasts for 12 workloads and 3 weeks."""
    found = studied(fleet, rules).calibrations
    assert [(item.rule, item.workload_weeks) for item in found] == [
        (rule.name, 36) for rule in rules.ours
    ]


def test_the_same_seed_gives_the_same_study(fleet: list[DemandSeries], rules: Contestants) -> None:
    """A back-test is reproducible."""
    assert studied(fleet, rules) == studied(fleet, rules)


def test_peers_by_pattern() -> None:
    """``krr-*`` takes both strategies, and keeps the reports' order."""
    assert [rule.name for rule in contestants(["krr-*"]).peers] == [
        "krr-simple",
        "krr-simple-limit",
    ]


def test_an_unknown_peer_names_the_nearest() -> None:
    """A misspelt name is refused."""
    with pytest.raises(ConfigError, match="did you mean krr-simple"):
        contestants(["krr-simpel"])


def test_risks_by_preset_and_percentage() -> None:
    """Names say which; the same risk twice is one rule."""
    assert [rule.name for rule in ours(["default", "2", "2%"])] == ["ours-default", "ours-2pct"]


def test_a_frontier_of_twenty_risks() -> None:
    """All distinct."""
    assert len({rule.name for rule in ours()}) == 20
