"""How busy an instance may be before people wait: a guard by the number of vCPUs.

An instance of c vCPUs is seen as c servers with one queue (M/M/c): requests of exponential service
time S that each keep one vCPU busy. With C the Erlang-C probability of waiting at utilisation rho,

    mean sojourn        S (1 + C / d)                            d = c (1 - rho)
    P(sojourn > t S)    e^-t (1 + C (1 - e^-((d - 1) t)) / (d - 1))

so two vCPUs are slow at a utilisation that thirty-two do not notice. For other than exponential
times the wait is multiplied by ``variability`` = (Ca^2 + Cs^2) / 2, the squared coefficients of
variation of arrivals and service (Allen and Cunneen's approximation, which becomes Kingman's for
one server): d is divided by it. Its use for a quantile supposes an exponential wait.

The model knows nothing of queues inside the program, of locks or of downstream calls; it is a guard
and not a forecast of latency, and it is on only where the owner asks for it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

P95 = 0.95
_HALVINGS = 60  # of the interval that a root lies in; far below a float's spacing
FloatArray = NDArray[np.float64]


def erlang_c(servers: ArrayLike, utilisation: ArrayLike) -> FloatArray:
    """Probability that an arrival waits in M/M/c; 1 at full utilisation and above. Vectorised.

    From Erlang B, B = Poisson pmf(c; a) / cdf(c; a) with a = c rho: C = B / (1 - rho (1 - B)).
    """
    count, busy = np.broadcast_arrays(
        np.asarray(servers, dtype=np.float64), np.asarray(utilisation, dtype=np.float64)
    )
    offered = count * np.clip(busy, 0.0, 1.0)
    log_pmf = special.xlogy(count, offered) - offered - special.gammaln(count + 1)
    blocked = np.exp(log_pmf) / special.pdtr(count, offered)
    waits = blocked / (1 - np.clip(busy, 0.0, 1.0) * (1 - blocked))
    return np.where(busy >= 1, 1.0, waits)


def mean_sojourn_ratio(
    servers: ArrayLike, utilisation: ArrayLike, variability: float = 1.0
) -> FloatArray:
    """Mean time in the system over the service time; infinite at full utilisation and above."""
    room = _room(servers, utilisation, variability)
    with np.errstate(divide="ignore"):
        return np.where(room > 0, 1 + erlang_c(servers, utilisation) / room, np.inf)


def sojourn_quantile_ratio(
    servers: ArrayLike,
    utilisation: ArrayLike,
    quantile: float = P95,
    variability: float = 1.0,
) -> FloatArray:
    """Quantile of the time in the system over the mean service time.

    3.00 (-ln 0.05) at the 95th percentile of an unloaded instance; infinite at full utilisation.
    """
    room = np.atleast_1d(_room(servers, utilisation, variability))
    waits = np.atleast_1d(erlang_c(servers, utilisation))
    safe = np.where(room > 0, room, 1.0)
    low = np.zeros_like(safe)
    # The sum of two exponentials exceeds this with less than 1 - quantile.
    high = -np.log((1 - quantile) / 2) * (1 + 1 / safe)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        longer = _tail(middle, waits, safe) > 1 - quantile
        low, high = np.where(longer, middle, low), np.where(longer, high, middle)
    found = np.where(room > 0, (low + high) / 2, np.inf)
    shape = np.broadcast_shapes(np.shape(servers), np.shape(utilisation))
    return found.reshape(shape)


@lru_cache(maxsize=4096)
def safe_utilisation(
    servers: int, limit_ratio: float, quantile: float | None = P95, variability: float = 1.0
) -> float:
    """The highest utilisation at which the sojourn stays within ``limit_ratio`` of an unloaded one.

    Compares the ``quantile`` of the sojourn, or its mean for None. 0 when even little load exceeds
    it, as any does at a limit of 1.
    """

    def slow(utilisation: float) -> bool:
        if quantile is None:
            return float(mean_sojourn_ratio(servers, utilisation, variability)) > limit_ratio
        time = np.asarray(-np.log(1 - quantile) * limit_ratio)
        room = _room(servers, utilisation, variability)
        return float(_tail(time, erlang_c(servers, utilisation), room)) > 1 - quantile

    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if slow(middle) else (middle, high)
    return low


def _room(servers: ArrayLike, utilisation: ArrayLike, variability: float) -> FloatArray:
    count = np.asarray(servers, dtype=np.float64)
    busy = np.asarray(utilisation, dtype=np.float64)
    return np.asarray(count * (1 - busy) / variability)


def _tail(time: FloatArray, waits: FloatArray, room: FloatArray) -> FloatArray:
    """P(sojourn > time), service times of mean 1; the limit at room = 1 is e^-t (1 + C t)."""
    excess = room - 1
    product = excess * time
    # Two forms of the same: the difference of exponentials cancels where the product is small, the
    # other overflows where it is large.
    small = np.abs(product) < 0.5
    divisor = np.where(excess == 0, 1.0, excess)
    grown = np.where(excess == 0, time, -np.expm1(-np.where(small, product, 0.0)) / divisor)
    waited = np.where(
        small, np.exp(-time) * grown, (np.exp(-time) - np.exp(-room * time)) / divisor
    )
    return np.asarray(np.exp(-time) + waits * waited)
