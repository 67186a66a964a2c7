"""KRR's strategies and enforcer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.backtest.peers.krr import SIMPLE, SIMPLE_LIMIT, promql_quantile
from rightsizing.backtest.rule import Limits
from rightsizing.model.base import NoData

MIB = 1024**2


def test_published_cpu_vectors(track) -> None:
    """Pod A 0.1 steady; pod B 0.1 for 90 % and 0.5 for 10 % of 1,000 points each.

    simple: P95 of B is 0.5. simple_limit pools 2,000 points of which 5 % are 0.5: P66 is 0.1 and
    P96 is 0.5.
    """
    pods = [
        track(cpu=np.full(1000, 0.1)),
        track(cpu=np.repeat([0.1, 0.5], [900, 100])),
    ]
    assert SIMPLE.recommend(pods).cpu_request_cores == 0.5
    assert isinstance(SIMPLE.recommend(pods).cpu_limit_cores, NoData)
    assert SIMPLE_LIMIT.recommend(pods).cpu_request_cores == 0.1
    assert SIMPLE_LIMIT.recommend(pods).cpu_limit_cores == 0.5


def test_published_memory_vector(track) -> None:
    """516 MiB x 1.15 = 593.4, up to 594 MiB."""
    series = track(memory=np.full(200, 516.0 * MIB))
    assert SIMPLE.recommend([series]).memory_bytes == 594 * MIB
    assert SIMPLE_LIMIT.recommend([series]).memory_bytes == 594 * MIB


def test_oom_data_is_opt_in(track) -> None:
    """A kill at 600 MiB: max(516 x 1.15, 600 x 1.25) = 750 MiB."""
    series = track(memory=np.full(200, 516.0 * MIB))
    assert SIMPLE.recommend([series], oom_limits_bytes=[600.0 * MIB]).memory_bytes == 750 * MIB


def test_fewer_than_a_hundred_points_say_nothing(track) -> None:
    """99 points abstain, 100 do not; points are counted over all pods."""
    few, half = track(cpu=np.full(99, 0.2)), track(cpu=np.full(50, 0.2))
    assert isinstance(SIMPLE.recommend([few]).cpu_request_cores, NoData)
    assert SIMPLE.recommend([half, half]).cpu_request_cores == 0.2


def test_only_fourteen_days_count(track) -> None:
    """A day at 4 cores 15 days ago is out of the window."""
    cpu = np.concatenate([np.full(288, 4.0), np.full(14 * 288, 0.3)])
    assert SIMPLE.propose([track(cpu=cpu)])[0].cpu_cores == 0.3


def test_floors_and_rounding_up(track) -> None:
    """0.0001 core becomes 10m, 0.0305 becomes 31m, 1 MB becomes 100 MiB."""
    small = track(cpu=np.full(200, 0.0001), memory=np.full(200, 1e6))
    assert SIMPLE.propose([small])[0] == Limits(0.010, 100.0 * MIB)
    assert SIMPLE.propose([track(cpu=np.full(200, 0.0305))])[0].cpu_cores == 0.031


def test_the_limit_of_simple_limit_is_replayed(track) -> None:
    """P96 of 1 to 1,000 thousandths as numpy reads it: 0.001 + 0.96 x 0.999 = 0.96004, up."""
    cpu = np.arange(1, 1001) / 1000
    assert SIMPLE_LIMIT.propose([track(cpu=cpu)])[0].cpu_cores == 0.961


@given(
    values=st.lists(st.floats(0, 100), min_size=1, max_size=200),
    quantile=st.floats(0.01, 0.99),
)
def test_promql_reads_quantiles_as_numpy_does(values, quantile) -> None:
    """Both interpolate between ranks 0 and n - 1."""
    assert promql_quantile(np.array(values), quantile) == pytest.approx(
        np.quantile(values, quantile), rel=1e-9, abs=1e-9
    )


def test_the_enforcer_acts_above_twenty_percent() -> None:
    """19 % stays, 21 % moves, each resource on its own; exactly 20 % stays."""
    current = Limits(1.0, 1000.0)
    assert SIMPLE.accept(current, Limits(1.19, 790.0)) == Limits(1.0, 790.0)
    assert SIMPLE.accept(current, Limits(1.21, 800.0)) == Limits(1.21, 1000.0)


def test_the_enforcer_sets_what_is_not_set() -> None:
    """No limit or a limit of 0 counts as a significant difference."""
    assert SIMPLE.accept(Limits(NoData("none"), 0.0), Limits(0.1, 5.0)) == Limits(0.1, 5.0)
