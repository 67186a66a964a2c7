"""Time in a queue of c servers, and what overload leaves behind. Pure, vectorised.

Steady state is M/M/c: service of exponential time S, one request a server at a time, C the Erlang-C
probability of waiting at utilisation rho. A wait, where there is one, is exponential with rate

    d = c (1 - rho) / (S v)          v = (Ca^2 + Cs^2) / 2, 1 for M/M/c

which is Allen and Cunneen's approximation of G/G/c (Kingman's for one server). A minute is too
short for the steady state of a queue close to saturation: of diffusion theory we keep that a
critically loaded queue grows as the square root of time, so no wait's mean exceeds
sqrt(minute S v / c). Above saturation a fluid queue carries the excess into the next minutes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

MINUTE_S = 60.0


def erlang_c(servers: ArrayLike, utilisation: ArrayLike) -> FloatArray:
    """Probability that an arrival waits in M/M/c; 1 at full utilisation and above.

    By Erlang B's recursion, B(k) = a B(k - 1) / (k + a B(k - 1)) with a = c rho, then
    C = B / (1 - rho (1 - B)).
    """
    count, busy = np.broadcast_arrays(
        np.asarray(servers, dtype=np.int64), np.asarray(utilisation, dtype=np.float64)
    )
    rho = np.clip(busy, 0.0, 1.0)
    offered = count * rho
    blocked = np.ones(rho.shape)
    for server in range(1, int(count.max(initial=0)) + 1):
        step = offered * blocked / (server + offered * blocked)
        blocked = np.where(server <= count, step, blocked)
    waits = blocked / np.maximum(1 - rho * (1 - blocked), np.finfo(np.float64).tiny)
    return np.where(busy >= 1, 1.0, waits)


@dataclass(frozen=True, slots=True)
class Sojourn:
    """Distribution of the time in the system: arrays of one shape, seconds.

    ``service_s`` is the mean of an exponential service, ``waits`` the probability of a wait,
    ``wait_s`` the mean of an exponential wait where there is one.
    """

    service_s: FloatArray
    waits: FloatArray
    wait_s: FloatArray

    @classmethod
    def of(
        cls,
        servers: ArrayLike,
        utilisation: ArrayLike,
        service_s: ArrayLike,
        variability: float = 1.0,
        horizon_s: float = MINUTE_S,
    ) -> Sojourn:
        """Of a queue that has run at this utilisation for ``horizon_s`` (infinity: for ever)."""
        count, busy, service = np.broadcast_arrays(
            np.asarray(servers, dtype=np.float64),
            np.asarray(utilisation, dtype=np.float64),
            np.asarray(service_s, dtype=np.float64),
        )
        spread = service * variability / count
        with np.errstate(divide="ignore"):
            steady = spread / np.maximum(1 - busy, 0.0)
        longest = np.sqrt(horizon_s * spread)
        return cls(service, erlang_c(count.astype(np.int64), busy), np.minimum(steady, longest))

    def mean_s(self) -> FloatArray:
        """Mean: S + C W."""
        return self.service_s + self.waits * self.wait_s

    def tail(self, time_s: ArrayLike) -> FloatArray:
        """P(time in the system > ``time_s``); times and the arrays are broadcast together.

        With x = t / S and w = W / S: e^-x + C w (e^(-x/w) - e^-x) / (w - 1), at w = 1
        e^-x (1 + C x).
        """
        x = np.maximum(np.asarray(time_s, dtype=np.float64), 0.0) / self.service_s
        ratio = self.wait_s / self.service_s
        near = np.abs(ratio - 1) < 1e-6
        safe = np.where(near, 2.0, np.maximum(ratio, 1e-12))
        longer = safe * (np.exp(-x / safe) - np.exp(-x)) / (safe - 1)
        waited = np.where(near, x * np.exp(-x), np.where(ratio <= 1e-12, 0.0, longer))
        return np.asarray(np.minimum(np.exp(-x) + self.waits * waited, 1.0))


@dataclass(frozen=True, slots=True)
class Overload:
    """The fluid queue over M minutes of K servers' groups: arrays (K, M).

    ``before_s`` and ``after_s`` are the wait a request meets at the start and the end of a minute;
    ``refused`` the share of the minute's requests that would have waited longer than the bound.
    """

    before_s: FloatArray
    after_s: FloatArray
    refused: FloatArray

    def wait_at(self, moment: float) -> FloatArray:
        """The wait at a moment of each minute, 0 at its start and 1 at its end."""
        return self.before_s + (self.after_s - self.before_s) * moment


def overload(utilisation: FloatArray, start_s: FloatArray, bound_s: float) -> Overload:
    """Carry what cannot be served in its minute into the next ones, (K, M) from (K,).

    The wait grows by 60 (rho - 1) seconds a minute and never passes ``bound_s``: what would wait
    longer is refused.
    """
    before = np.empty_like(utilisation)
    after = np.empty_like(utilisation)
    refused = np.zeros_like(utilisation)
    wait = np.asarray(start_s, dtype=np.float64).copy()
    for minute in range(utilisation.shape[1]):
        busy = utilisation[:, minute]
        before[:, minute] = wait
        wanted = np.maximum(wait + MINUTE_S * (busy - 1), 0.0)
        wait = np.minimum(wanted, bound_s)
        after[:, minute] = wait
        excess = np.maximum(wanted - bound_s, 0.0)
        refused[:, minute] = excess / np.maximum(MINUTE_S * busy, np.finfo(np.float64).tiny)
    return Overload(before, after, np.minimum(refused, 1.0))
