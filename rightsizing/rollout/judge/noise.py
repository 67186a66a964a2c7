"""How two equal arms of a service differ by themselves, fitted to its own A/A history.

The history is cut into windows as long as a rollout. Spread, persistence and scatter are those
whose likelihood over all windows is highest; of the values the history cannot tell from them (3
log-likelihood units, about 89 % for three parameters), those that move the mean of 30 looks most
are taken, because too little noise raises false alarms and too much only costs minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from rightsizing.rollout.judge.likelihood import ArmNoise, FloatArray

SPREADS = (0.02, 0.035, 0.06, 0.1, 0.17, 0.3, 0.5, 0.8)
PERSISTENCES = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.995, 0.999)
SCATTERS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
ZOOM = (0.25, 0.12, 0.06, 0.03)  # steps of log size: to 3 % of each figure
MOST_PERSISTENCE = 0.999
LEAST_VARIANCE = 1e-8
INDISTINGUISHABLE = 3.0
DECIDING_LOOKS = 30  # over which noise is compared: about the time a verdict takes
# What is assumed of a service without history: a quarter of the rate, for half an hour.
ASSUMED_NOISE = ArmNoise(spread=0.25, persistence=0.97, scatter=0.1)


@dataclass(frozen=True, slots=True)
class CountHistory:
    """Events of two equal arms, look by look, oldest first; exposures are requests.

    The arms are two halves of the fleet on the same size, or a past baseline pair.
    """

    first_events: FloatArray
    first_exposure: FloatArray
    second_events: FloatArray
    second_exposure: FloatArray

    def windows(self, looks: int) -> CountWindows:
        """Whole windows of this many looks; looks without exposure in both arms count nothing."""
        usable = (self.first_exposure > 0) & (self.second_exposure > 0)
        odds = np.zeros(len(usable))
        odds[usable] = np.log(self.first_exposure[usable] / self.second_exposure[usable])
        return CountWindows(
            _cut(np.where(usable, self.first_events, 0.0), looks),
            _cut(np.where(usable, self.second_events, 0.0), looks),
            _cut(odds, looks),
        )


@dataclass(frozen=True, slots=True)
class CountWindows:
    """Events and log odds of exposure, (looks, windows)."""

    canary: FloatArray
    baseline: FloatArray
    log_odds: FloatArray

    def take(self, columns: slice) -> CountWindows:
        """Some of the windows."""
        return CountWindows(
            self.canary[:, columns], self.baseline[:, columns], self.log_odds[:, columns]
        )

    def both_ways(self) -> CountWindows:
        """Every window twice, either arm as the canary: equal arms may be exchanged."""
        return CountWindows(
            np.hstack([self.canary, self.baseline]),
            np.hstack([self.baseline, self.canary]),
            np.hstack([self.log_odds, -self.log_odds]),
        )


def gauge_windows(log_ratio: FloatArray, looks: int) -> FloatArray:
    """Windows of a gauge's log ratio of two equal arms, (looks, windows); NaN: no data."""
    return _cut(log_ratio, looks)


def fit_count_noise(windows: CountWindows) -> ArmNoise:
    """The noise of a count metric; ``scatter`` is beyond what counting itself scatters.

    Each look gives the score estimate of the log ratio, (M - T p) / (T p (1 - p)) of M canary
    events among T, whose variance 1 / (T p (1 - p)) is exact for equal arms.
    """
    total = windows.canary + windows.baseline
    share = 1 / (1 + np.exp(-windows.log_odds))
    information = total * share * (1 - share)
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = np.where(information > 0, (windows.canary - total * share) / information, np.nan)
        variance = np.where(information > 0, 1 / information, np.nan)
    return _noisiest(observed, variance)


def fit_gauge_noise(windows: FloatArray) -> ArmNoise:
    """The noise of a gauge from windows of its log ratio, (looks, windows)."""
    return _noisiest(windows, np.zeros_like(windows))


def wander_likelihood(
    observed: FloatArray, variance: FloatArray, noises: Sequence[ArmNoise]
) -> FloatArray:
    """Gaussian log likelihood of windows, (looks, windows), under each noise; NaN: no data.

    A Kalman filter of one state, for all noises and windows at once.
    """
    spread2 = np.array([noise.spread**2 for noise in noises])[:, None]
    carried = np.array([noise.persistence for noise in noises])[:, None]
    scatter2 = np.array([noise.scatter**2 for noise in noises])[:, None]
    mean = np.zeros((len(noises), observed.shape[1]))
    state = np.broadcast_to(spread2, mean.shape)
    log_likelihood = np.zeros(len(noises))
    for seen, own in zip(observed, variance, strict=True):
        known = np.isfinite(seen)
        # a noise without any variance explains only exact equality; the floor keeps it finite
        total = np.maximum(state + scatter2 + np.where(known, own, 1.0), LEAST_VARIANCE)
        miss = np.where(known, seen, 0.0) - np.where(known, mean, 0.0)
        log_likelihood -= 0.5 * ((np.log(total) + miss**2 / total) * known).sum(axis=1)
        gain = np.where(known, state / total, 0.0)
        mean = carried * (mean + gain * miss)
        state = carried**2 * state * (1 - gain) + spread2 * (1 - carried**2)
    return log_likelihood


def _noisiest(observed: FloatArray, variance: FloatArray) -> ArmNoise:
    """Coarse grid, then finer ones around the best of each persistence, then around the best.

    Long histories have sharp and separate peaks: slow wander under scatter looks like fast wander
    on a coarse grid.
    """
    tried = [ArmNoise(*values) for values in product(SPREADS, PERSISTENCES, SCATTERS)]
    scores = wander_likelihood(observed, variance, tried)
    peaks = []
    for persistence in PERSISTENCES:
        rows = [row for row, noise in enumerate(tried) if noise.persistence == persistence]
        peaks.append(tried[max(rows, key=lambda row: scores[row])])
    near = [noise for peak in peaks for noise in _around(peak, ZOOM[0])]
    near += [ArmNoise(0.0, 0.0, scatter) for scatter in SCATTERS]
    for step in (*ZOOM, None):
        tried += near
        scores = np.concatenate([scores, wander_likelihood(observed, variance, near)])
        near = [] if step is None else _around(tried[int(np.argmax(scores))], step)
    kept = np.flatnonzero(scores >= scores.max() - INDISTINGUISHABLE)
    return max(
        (tried[int(index)] for index in kept),
        key=lambda noise: noise.variance_of_mean(DECIDING_LOOKS),
    )


def _around(noise: ArmNoise, step: float) -> list[ArmNoise]:
    """Spread, scatter and 1 - persistence up to two steps (of log size) up and down."""
    factors = np.exp(step * np.arange(-2, 3))
    fading = np.clip((1 - noise.persistence) * factors, 1 - MOST_PERSISTENCE, 1.0)
    return [
        ArmNoise(float(noise.spread * a), float(1 - b), float(noise.scatter * c))
        for a, b, c in product(factors, fading, factors)
    ]


def _cut(series: FloatArray, looks: int) -> FloatArray:
    whole = len(series) // looks
    return np.asarray(series[: whole * looks], dtype=np.float64).reshape(whole, looks).T
