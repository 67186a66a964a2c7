"""The queueing model against published values, an independent formula, and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.decide import latency
from rightsizing.embedded.cloud.plane.queueing import Sojourn, erlang_c, overload

# M/M/c: servers, utilisation, W / S, 95th percentile / S; computed once by the M/M/c formulas.
PUBLISHED = [
    (2, 0.5, 1.33, 3.8),
    (2, 0.7, 1.96, 5.6),
    (2, 0.8, 2.78, 7.9),
    (2, 0.9, 5.26, 15.3),
    (4, 0.7, 1.36, 3.8),
    (4, 0.8, 1.75, 4.7),
    (4, 0.9, 2.97, 8.2),
    (8, 0.8, 1.29, 3.5),
    (8, 0.9, 1.88, 4.9),
    (16, 0.9, 1.37, 3.6),
    (32, 0.9, 1.14, 3.2),
]


def _steady(servers: int, busy: float) -> Sojourn:
    return Sojourn.of(servers, busy, 1.0, horizon_s=math.inf)


@pytest.mark.parametrize(("servers", "busy", "mean", "p95"), PUBLISHED)
def test_published_waits(servers: int, busy: float, mean: float, p95: float) -> None:
    """Mean, and the 95th percentile: 5 % take longer than it, to the digits it is printed with."""
    sojourn = _steady(servers, busy)
    assert float(sojourn.mean_s()) == pytest.approx(mean, abs=0.006)
    assert float(sojourn.tail(p95 - 0.06)) >= 0.05 >= float(sojourn.tail(p95 + 0.06))


def test_one_server_has_closed_forms() -> None:
    """M/M/1: C = rho, W = S / (1 - rho), and the time in the system is exponential."""
    for busy in (0.1, 0.5, 0.9, 0.99):
        sojourn = _steady(1, busy)
        assert float(erlang_c(1, busy)) == pytest.approx(busy)
        assert float(sojourn.mean_s()) == pytest.approx(1 / (1 - busy))
        assert float(sojourn.tail(2.0)) == pytest.approx(math.exp(-2 * (1 - busy)))


@given(st.integers(1, 128), st.floats(0.01, 0.999))
def test_erlang_c_agrees_with_the_other_formula(servers: int, busy: float) -> None:
    """The recursion here, the Poisson form of the latency guard there."""
    assert float(erlang_c(servers, busy)) == pytest.approx(
        float(latency.erlang_c(servers, busy)), rel=1e-9, abs=1e-300
    )


@given(st.integers(1, 32), st.floats(0.05, 0.98), st.floats(0.1, 20.0))
def test_the_tail_is_that_of_its_mean(servers: int, busy: float, upper: float) -> None:
    """A tail falls from 1, and its integral over all times is the mean."""
    sojourn = _steady(servers, busy)
    longest = 60 * float(sojourn.mean_s() + sojourn.wait_s)
    times = np.linspace(0, longest, 40_001)
    tail = sojourn.tail(times)
    assert tail[0] == pytest.approx(1)
    assert np.all(np.diff(tail) <= 1e-12)
    assert float(np.trapezoid(tail, times)) == pytest.approx(float(sojourn.mean_s()), rel=1e-3)
    assert 0 <= float(sojourn.tail(upper)) <= 1


def test_a_minute_bounds_the_wait_near_saturation() -> None:
    """At rho = 1 the steady wait is infinite; in a minute it is sqrt(60 x 0.1 / 4) = 1.2 s."""
    sojourn = Sojourn.of(4, 1.0, 0.1)
    assert float(sojourn.wait_s) == pytest.approx(math.sqrt(60 * 0.1 / 4))
    assert float(sojourn.waits) == 1.0


@given(st.integers(1, 16), st.floats(0.0, 2.0), st.floats(0.0, 2.0))
def test_more_load_is_never_faster(servers: int, first: float, second: float) -> None:
    """Mean and tail grow with utilisation, through saturation and beyond."""
    low, high = sorted((first, second))
    quiet, busy = Sojourn.of(servers, low, 0.05), Sojourn.of(servers, high, 0.05)
    assert float(quiet.mean_s()) <= float(busy.mean_s()) + 1e-12
    assert float(quiet.tail(0.2)) <= float(busy.tail(0.2)) + 1e-12


def test_overload_grows_drains_and_refuses() -> None:
    """rho 1.1 adds 6 s of wait a minute, rho 0.8 takes 12 away; above the bound is refused."""
    busy = np.array([[1.1, 1.1, 0.8, 0.8, 1.5]])
    queue = overload(busy, np.zeros(1), bound_s=10.0)
    # 6; 12 is cut to 10, of 66 s of work 2 are refused; 0; 0; 30 is cut to 10: 20 of 90.
    assert queue.after_s[0].tolist() == pytest.approx([6, 10, 0, 0, 10])
    assert queue.refused[0].tolist() == pytest.approx([0, 2 / 66, 0, 0, 20 / 90])
    assert queue.before_s[0].tolist() == pytest.approx([0, 6, 10, 0, 0])
    assert queue.wait_at(0.5)[0, 0] == pytest.approx(3)
