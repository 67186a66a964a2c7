"""Seeded randomness of the data plane: a generator a name and minute, and AR(1) noise.

A minute's randomness depends on the seed, a name and the minute alone, so a run is the same however
it is cut into advances, and an arm that appears changes no other's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rightsizing.embedded.cloud.plane.scenario import Noise

FloatArray = NDArray[np.float64]


def generators(seed: int, name: str, minutes: Sequence[int]) -> list[np.random.Generator]:
    """One generator a minute (minutes since 1970)."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    key = int.from_bytes(digest, "big")
    return [
        np.random.Generator(np.random.Philox(key=np.array([key, minute], dtype=np.uint64)))
        for minute in minutes
    ]


def noise_factors(
    noise: Noise, innovations: FloatArray, state: float | None
) -> tuple[FloatArray, float]:
    """Factors of mean 1 for M minutes, and the state to go on from.

    x[t] = r x[t-1] + sqrt(1 - r^2) e[t], factor exp(sigma x - sigma^2 / 2). Without a state the
    first value is drawn from the stationary distribution. ``innovations`` are standard normal.
    """
    values = np.empty(len(innovations))
    fresh = np.sqrt(1 - noise.correlation**2)
    for index, innovation in enumerate(innovations):
        state = (
            float(innovation)
            if state is None
            else noise.correlation * state + fresh * float(innovation)
        )
        values[index] = state
    return np.exp(noise.sigma * values - noise.sigma**2 / 2), state or 0.0
