"""Absolute limits from objectives."""

from __future__ import annotations

import pytest

from rightsizing.model.base import NoData
from rightsizing.model.verdict import Metric
from rightsizing.model.workload import Slos
from rightsizing.plan.criteria import criteria_of_slos
from rightsizing.rollout.judge.objectives import objectives_of


def test_every_upper_limit_is_taken_over() -> None:
    """p99 of 100 ms is 1 % of requests over 100 ms; percentages become shares."""
    slos = Slos(
        cpu_mean_min_pct=60,
        cpu_mean_max_pct=80,
        memory_max_pct=85,
        latency_mean_max_ms=50,
        latency_p99_max_ms=100,
        error_max_ratio=0.001,
    )
    found = objectives_of(criteria_of_slos(slos))
    assert found.latency_bound_ms == 100
    assert found.policy.absolute_limits == (
        (Metric.ERRORS, 0.001),
        (Metric.SLOW, 0.01),
        (Metric.LATENCY_MEAN, 50.0),
    )
    assert found.policy.cpu_ceiling == pytest.approx(0.8)
    assert found.policy.memory_ceiling == pytest.approx(0.85)


def test_no_objectives_leave_relative_tests() -> None:
    """Nothing absolute is invented; no request is slow by definition."""
    found = objectives_of(())
    assert found.policy.absolute_limits == ()
    assert isinstance(found.latency_bound_ms, NoData)


def test_alpha_is_shared_among_all_harm_tests() -> None:
    """Two relative and one absolute test: a third of 5 % each."""
    policy = objectives_of(criteria_of_slos(Slos(error_max_ratio=0.01))).policy
    assert policy.alpha_each == pytest.approx(0.05 / 3)
