"""The latency guard against published Erlang-C values, and against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from rightsizing.decide.latency import (
    erlang_c,
    mean_sojourn_ratio,
    safe_utilisation,
    sojourn_quantile_ratio,
)

# (servers, utilisation): mean and 95th percentile of the sojourn over the service time.
TABLE = {
    (2, 0.5): (1.33, 3.8), (2, 0.7): (1.96, 5.6), (2, 0.8): (2.78, 7.9), (2, 0.9): (5.26, 15.3),
    (4, 0.7): (1.36, 3.8), (4, 0.8): (1.75, 4.7), (4, 0.9): (2.97, 8.2),
    (8, 0.8): (1.29, 3.5), (8, 0.9): (1.88, 4.9), (16, 0.9): (1.37, 3.6), (32, 0.9): (1.14, 3.2),
}  # fmt: skip
servers = st.integers(1, 96)
utilisations = st.floats(0.01, 0.97)


def erlang_c_by_sums(count: int, rho: float) -> float:
    """The textbook quotient of sums, for few servers."""
    offered = count * rho
    below = sum(offered**k / math.factorial(k) for k in range(count))
    last = offered**count / math.factorial(count) / (1 - rho)
    return last / (below + last)


@pytest.mark.parametrize(("key", "values"), TABLE.items())
def test_the_published_table(key, values) -> None:
    """Two and one decimals; 5.546 stands as 5.6 in the table, hence 0.06."""
    count, rho = key
    assert float(mean_sojourn_ratio(count, rho)) == pytest.approx(values[0], abs=0.005)
    assert float(sojourn_quantile_ratio(count, rho)) == pytest.approx(values[1], abs=0.06)


@given(st.integers(1, 60), utilisations)
def test_erlang_c_is_the_quotient_of_sums(count: int, rho: float) -> None:
    """Against the definition, in floating point."""
    assert float(erlang_c(count, rho)) == pytest.approx(erlang_c_by_sums(count, rho), rel=1e-9)


@pytest.mark.parametrize(
    ("count", "limit"),
    [(1, 0.09), (2, 0.30), (4, 0.52), (8, 0.69), (16, 0.80), (32, 0.88), (64, 0.93)],
)
def test_safe_utilisation_for_the_mean(count: int, limit: float) -> None:
    """Mean within 1.1 times the service time."""
    assert safe_utilisation(count, 1.1, None) == pytest.approx(limit, abs=0.005)


@pytest.mark.parametrize(
    ("count", "limit"), [(2, 0.45), (4, 0.67), (8, 0.81), (16, 0.90), (32, 0.945)]
)
def test_safe_utilisation_for_the_95th_percentile(count: int, limit: float) -> None:
    """P95 within 1.2 times its unloaded value."""
    assert safe_utilisation(count, 1.2) == pytest.approx(limit, abs=0.005)


@given(st.integers(1, 32), st.floats(0.05, 0.95))
def test_the_quantile_leaves_a_twentieth_beyond_it(count: int, rho: float) -> None:
    """P(wait + service > t), integrated over the density of the wait, is 0.05 at t."""
    t = float(sojourn_quantile_ratio(count, rho))
    waits, room = float(erlang_c(count, rho)), count * (1 - rho)
    waiting, _error = integrate.quad(
        lambda w: waits * room * math.exp(-room * w) * math.exp(-(t - w)), 0, t, epsabs=1e-12
    )
    beyond = (1 - waits) * math.exp(-t) + waiting + waits * math.exp(-room * t)
    assert beyond == pytest.approx(0.05, abs=1e-6)


def test_one_server_is_mm1() -> None:
    """The sojourn in M/M/1 is exponential with mean 1 / (1 - rho): P95 = ln 20 / (1 - rho)."""
    rho = np.array([0.0, 0.3, 0.5, 0.9, 0.999])
    assert mean_sojourn_ratio(1, rho) == pytest.approx(1 / (1 - rho))
    assert sojourn_quantile_ratio(1, rho) == pytest.approx(math.log(20) / (1 - rho))


@given(servers, utilisations, st.floats(0.001, 0.02))
def test_more_load_is_slower_and_more_servers_are_faster(count, rho, step) -> None:
    """At equal utilisation; that is why halving 4 vCPUs is worse than halving 32."""
    assert sojourn_quantile_ratio(count, rho + step) >= sojourn_quantile_ratio(count, rho)
    assert mean_sojourn_ratio(count + 1, rho) <= mean_sojourn_ratio(count, rho)
    assert safe_utilisation(count + 1, 1.2) > safe_utilisation(count, 1.2)


def test_kingman_for_one_server() -> None:
    """Twice the variability doubles the wait: 1 + 2 x rho / (1 - rho) at rho 0.5 is 3."""
    assert float(mean_sojourn_ratio(1, 0.5, variability=2.0)) == pytest.approx(3.0)


def test_full_utilisation_never_answers() -> None:
    """Infinite, and no warning; the arrays keep their shape."""
    assert np.isinf(mean_sojourn_ratio([2, 4], 1.0)).all()
    assert np.isinf(sojourn_quantile_ratio(np.array([[2], [4]]), np.array([1.0, 1.2]))).all()
    assert sojourn_quantile_ratio(np.array([[2], [4]]), np.array([0.5, 0.9, 1.2])).shape == (2, 3)


def test_very_close_to_full_stays_finite() -> None:
    """448 vCPUs at 99.9999 %, one at a billionth below: large and finite."""
    found = sojourn_quantile_ratio([448, 1], [0.999999, 1 - 1e-9])
    assert np.isfinite(found).all()
    assert found[1] == pytest.approx(math.log(20) * 1e9, rel=1e-6)


def test_no_wait_at_all_allows_no_load() -> None:
    """A limit of 1 times the unloaded time leaves nothing."""
    assert safe_utilisation(4, 1.0) < 0.05
