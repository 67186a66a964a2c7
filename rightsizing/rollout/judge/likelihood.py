"""Likelihood of the canary-to-baseline ratio when two equal arms wander apart by themselves.

Model: the log of the ratio of the arms' rates at look t is ``log r + x_t``; ``x_t`` is a stationary
Gaussian first-order autoregression, what A/A history shows two equal arms do. It is put on a grid
by Rouwenhorst's method (Kopecky and Suen 2010, Review of Economic Dynamics 13), which keeps
variance and autocorrelation exact. Observed is either a count (given both arms' events, the
canary's are binomial: Lindon and Malek 2022) or a gauge (log ratio plus scatter with exponential
tails, Huber's least favourable density, so that one wild look cannot decide).

Every piece is totally positive of order 2, so likelihood ratios rise with each look's canary
events: tests built on them hold for all smaller ratios, and more harm never looks safer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

FloatArray = NDArray[np.float64]

NODES = 25
NEGLIGIBLE_SPREAD = 0.01  # a wander of 1 % moves no verdict
# A look's own noise must not be finer than the grid, or the gaps between nodes count as evidence:
# at 0.7 of the spacing the ripple of a sum of Gaussians is 2 exp(-2 pi^2 0.7^2) = 1e-4.
RESOLUTION = 0.7
HUBER_BEND = 1.5  # standard deviations at which the tail turns exponential (Huber 1964)


@dataclass(frozen=True, slots=True)
class ArmNoise:
    """How the log ratio of two equal arms moves; see ``MetricCalibration``."""

    spread: float
    persistence: float
    scatter: float = 0.0

    def variance_of_mean(self, looks: int) -> float:
        """Variance of the mean over this many looks: the autocovariances' sum."""
        lags = np.arange(1, looks)
        carried = 1 + 2 * float(np.sum((1 - lags / looks) * self.persistence**lags))
        return (self.spread**2 * carried + self.scatter**2) / looks


def rouwenhorst(persistence: float, nodes: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Nodes in standard deviations, transition matrix and stationary weights of the chain.

    From node i of n, the number of "up" states is Binomial(i, p) + Binomial(n - 1 - i, 1 - p) with
    p = (1 + persistence) / 2.
    """
    if nodes == 1:
        return np.zeros(1), np.ones((1, 1)), np.ones(1)
    stay = (1 + persistence) / 2
    last = nodes - 1
    rows = [
        np.convolve(
            binom.pmf(np.arange(i + 1), i, stay),
            binom.pmf(np.arange(nodes - i), last - i, 1 - stay),
        )
        for i in range(nodes)
    ]
    levels = (2.0 * np.arange(nodes) - last) / np.sqrt(last)
    return levels, np.array(rows), binom.pmf(np.arange(nodes), last, 0.5)


def first_look(passed: np.ndarray) -> FloatArray:
    """Number of the first look (from 1) at which each stream passed; infinite: never."""
    return np.where(passed.any(axis=0), passed.argmax(axis=0) + 1.0, np.inf)


class RatioFilter:
    """Log likelihood of each ratio after each look, for many independent streams at once."""

    def __init__(self, ratios: FloatArray, noise: ArmNoise, streams: int) -> None:
        nodes = NODES if noise.spread > NEGLIGIBLE_SPREAD else 1
        levels, self._transition, start = rouwenhorst(noise.persistence, nodes)
        self._offsets = np.log(ratios)[:, None, None] + noise.spread * levels  # (H, 1, K)
        self._factors = np.exp(self._offsets)
        spacing = float(noise.spread * (levels[1] - levels[0])) if nodes > 1 else 0.0
        coarse = (RESOLUTION * spacing) ** 2
        self._excess = max(noise.scatter**2, coarse)
        self.scatter = max(noise.scatter, RESOLUTION * spacing, NEGLIGIBLE_SPREAD)
        self._belief = np.broadcast_to(start, (len(ratios), streams, nodes)).copy()
        self._first = True
        self.log_likelihood: FloatArray = np.zeros((len(ratios), streams))

    def count(self, canary: FloatArray, baseline: FloatArray, log_odds: FloatArray) -> None:
        """Take one look of events, (N,) each; ``log_odds`` of the canary at ratio 1.

        A look of T events knows the log ratio to 1 / (T p (1 - p)); where the arms scatter, or the
        grid is coarser than that, its events count as so many fewer that it knows no more.
        """
        total = canary + baseline
        even = 1 / (1 + np.exp(-log_odds))
        share = 1 / (1 + total * even * (1 - even) * self._excess)
        # M log p + S log(1 - p) with p / (1 - p) = odds exp(offset), written without a logarithm of
        # each p: M (log odds + offset) - T log(1 + odds exp(offset))
        density = np.log1p(np.exp(log_odds)[None, :, None] * self._factors)
        density *= -(total * share)[None, :, None]
        density += (canary * share)[None, :, None] * self._offsets
        density += (canary * share * log_odds)[None, :, None]
        self._update(density)

    def gauge(self, log_ratio: FloatArray) -> None:
        """Take one look of a gauge, (N,) log ratios; NaN is a look without data."""
        miss = (np.nan_to_num(log_ratio)[None, :, None] - self._offsets) / self.scatter
        size = np.abs(miss)
        bent = np.where(size <= HUBER_BEND, 0.5 * size**2, HUBER_BEND * size - 0.5 * HUBER_BEND**2)
        self._update(np.where(np.isnan(log_ratio)[None, :, None], 0.0, -bent))

    def _update(self, log_density: FloatArray) -> None:
        if not self._first:
            shape = self._belief.shape
            self._belief = (self._belief.reshape(-1, shape[2]) @ self._transition).reshape(shape)
        self._first = False
        peak = log_density.max(axis=2, keepdims=True)
        joint = np.exp(np.subtract(log_density, peak, out=log_density), out=log_density)
        joint *= self._belief
        total = joint.sum(axis=2, keepdims=True)
        # a look far outside every node leaves no mass; the floor keeps the arithmetic finite
        total = np.maximum(total, np.finfo(np.float64).tiny)
        self._belief = np.divide(joint, total, out=joint)
        self.log_likelihood = self.log_likelihood + (np.log(total) + peak)[:, :, 0]
