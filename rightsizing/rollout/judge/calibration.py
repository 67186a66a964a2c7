"""The judge tried on the service's own past before it may act by itself.

History of two equal arms is cut into windows as long as a rollout. Each half is replayed with the
noise fitted on the other, and either arm as the canary: as A/A (every roll-back is a false alarm)
and, with events added to one, as A/B (power, minutes to detect, wrong promotions at the margin).
Automatic mode is refused when the A/A replay alarms more often than alpha, or is too short to tell.

The harm threshold is 1 / alpha for watching without end. A rollout ends at its horizon, so less is
enough: the least at which simulated equal arms with the fitted noise stay below 0.8 alpha within
the horizon, at traffic from a tenth of the measured to three times it. Where the replay shows that
the service does not move as the model says, both thresholds are raised to what its own past needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from rightsizing.model.base import NoData
from rightsizing.model.verdict import Calibration, JudgePolicy, Metric, MetricCalibration
from rightsizing.rollout.judge.eprocess import EvidencePaths, count_paths, gauge_paths
from rightsizing.rollout.judge.likelihood import ArmNoise, FloatArray, first_look
from rightsizing.rollout.judge.noise import (
    ASSUMED_NOISE,
    CountHistory,
    CountWindows,
    fit_count_noise,
    fit_gauge_noise,
    gauge_windows,
)

INJECTED_RATIOS = (1.1, 1.25, 1.5, 2.0, 5.0)
MIN_WINDOWS = 40  # replays (either arm as canary), below which no alarm says nothing of 5 %
SIMULATIONS = 2000
ALPHA_USED = 0.8  # of alpha: 2,000 simulations know a 4 % tail to within 0.9 points
TRAFFIC_MULTIPLES = (0.1, 1.0, 3.0)
LEAST_EVIDENCE = 5.0  # never act on less than 5 to 1, whatever the simulation says
MOST_LOG_EVIDENCE = 600.0  # beyond, the e-value itself is no longer a number
BUSY_QUANTILE = 0.999
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Share:
    """A share of trials with its 95 % Clopper-Pearson interval."""

    hits: int
    trials: int

    @property
    def value(self) -> float:
        """Hits over trials."""
        return self.hits / self.trials if self.trials else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Both ends, exact."""
        tail = (1 - CONFIDENCE) / 2
        hits, misses = self.hits, self.trials - self.hits
        low = float(beta.ppf(tail, hits, misses + 1)) if hits else 0.0
        high = float(beta.ppf(1 - tail, hits + 1, misses)) if misses else 1.0
        return low, high


@dataclass(frozen=True, slots=True)
class Detection:
    """What the judge makes of windows whose canary is worse by ``ratio``."""

    ratio: float
    rolled_back: Share
    promoted: Share
    median_looks: float | NoData  # to roll back, over all windows; NoData: under half did
    mean_looks: float  # to roll back, undetected windows counted with the whole horizon

    @property
    def abstained(self) -> Share:
        """Windows without a verdict at the horizon."""
        trials = self.rolled_back.trials
        return Share(trials - self.rolled_back.hits - self.promoted.hits, trials)


@dataclass(frozen=True, slots=True)
class Replay:
    """One metric's A/A and A/B replay, ratio 1 first.

    ``false_alarms`` (roll-backs of equal arms) and ``wrong_promotions`` (of arms worse by the
    margin) are counted before thresholds were raised to fit this very past; automatic mode is
    granted by them.
    """

    metric: Metric
    fitted: MetricCalibration
    false_alarms: Share
    wrong_promotions: Share
    detections: tuple[Detection, ...]


def calibrate(
    counts: dict[Metric, CountHistory],
    gauges: dict[Metric, FloatArray],
    policy: JudgePolicy,
    *,
    busy_requests_per_core_s: float | None,
    rng: np.random.Generator,
    advance: Callable[[int, int], None] = lambda _done, _all: None,
) -> tuple[Calibration, tuple[Replay, ...]]:
    """Fit, replay and decide on automatic mode.

    ``gauges`` holds the log ratio of two equal arms, look by look (NaN: no data). ``advance`` is
    told how many metrics are done, of how many; each takes seconds.
    """
    total = len(counts) + len(gauges)
    replays: list[Replay] = []
    for metric, events in counts.items():
        advance(len(replays), total)
        replays.append(replay_counts(metric, events, policy, rng))
    for metric, log_ratio in gauges.items():
        advance(len(replays), total)
        replays.append(replay_gauge(metric, log_ratio, policy, rng))
    refusals = [reason for replay in replays for reason in _refusals(replay, policy)]
    known = {replay.metric for replay in replays}
    refusals += [f"{m.value} has no history" for m in policy.compared if m not in known]
    if busy_requests_per_core_s is None:
        refusals.append("the service's busy hours are not known")
    calibration = Calibration(
        metrics=tuple(replay.fitted for replay in replays),
        busy_requests_per_core_s=busy_requests_per_core_s,
        automatic=not refusals,
        refusals=tuple(refusals),
    )
    return calibration, tuple(replays)


def replay_counts(
    metric: Metric, history: CountHistory, policy: JudgePolicy, rng: np.random.Generator
) -> Replay:
    """Fit a count metric, and replay each half of its windows with the noise of the other."""
    windows = history.windows(policy.horizon_looks)
    count = windows.canary.shape[1]
    noise = _at_least_assumed(fit_count_noise(windows), 2 * count)
    fitted = fitted_counts(metric, windows, noise, policy, rng)
    halves = (slice(None, count // 2), slice(count // 2, None))
    noises = [_at_least_assumed(fit_count_noise(windows.take(h)), 2 * count) for h in halves]
    replayed = [windows.take(half).both_ways() for half in halves]

    def replay(ratio: float) -> EvidencePaths:
        paths = []
        for part, noise in zip(replayed, reversed(noises), strict=True):
            # both arms' expectation, so that added events do not repeat the canary's own luck
            expected = (part.canary + part.baseline) / (1 + np.exp(-part.log_odds))
            worse = part.canary + rng.poisson((ratio - 1) * expected)
            paths.append(count_paths(worse, part.baseline, part.log_odds, noise, policy.margin))
        return _side_by_side(paths)

    return _replayed(replay, fitted, policy)


def replay_gauge(
    metric: Metric, log_ratio: FloatArray, policy: JudgePolicy, rng: np.random.Generator
) -> Replay:
    """As ``replay_counts``, for a gauge: harm is a shift of its log ratio."""
    windows = gauge_windows(log_ratio, policy.horizon_looks)
    count = windows.shape[1]
    noise = _at_least_assumed(fit_gauge_noise(windows), 2 * count)
    fitted = fitted_gauge(metric, noise, policy, rng)
    halves = (windows[:, : count // 2], windows[:, count // 2 :])
    noises = [_at_least_assumed(fit_gauge_noise(half), 2 * count) for half in halves]

    def replay(ratio: float) -> EvidencePaths:
        paths = [
            gauge_paths(np.hstack([half, -half]) + np.log(ratio), noise, policy.margin)
            for half, noise in zip(halves, reversed(noises), strict=True)
        ]
        return _side_by_side(paths)

    return _replayed(replay, fitted, policy)


def detect(
    ratio: float, paths: EvidencePaths, fitted: MetricCalibration, policy: JudgePolicy
) -> Detection:
    """Roll-backs, promotions and minutes over windows; whichever threshold is passed first."""
    looks = policy.horizon_looks
    harmed = first_look(paths.harm >= np.log(fitted.harm_evidence_at(policy.alpha_each, looks)))
    safe = first_look(paths.safe >= np.log(fitted.safe_evidence_at(policy.alpha_promote)))
    trials = len(harmed)
    rolled_back = np.isfinite(harmed) & (harmed <= safe)
    promoted = np.isfinite(safe) & (safe < harmed)
    median = float(np.median(np.where(rolled_back, harmed, np.inf))) if trials else np.inf
    capped = np.where(rolled_back, harmed, looks)
    return Detection(
        ratio=ratio,
        rolled_back=Share(int(rolled_back.sum()), trials),
        promoted=Share(int(promoted.sum()), trials),
        median_looks=median
        if np.isfinite(median)
        else NoData("fewer than half of the windows were rolled back"),
        mean_looks=float(capped.mean()) if trials else float(looks),
    )


def fitted_counts(
    metric: Metric,
    windows: CountWindows,
    noise: ArmNoise,
    policy: JudgePolicy,
    rng: np.random.Generator,
) -> MetricCalibration:
    """The calibration of a count metric: its noise and the harm threshold within the horizon."""
    looks = policy.horizon_looks
    highest: list[FloatArray] = []
    for multiple in TRAFFIC_MULTIPLES if windows.canary.size else ():
        # one past window for each simulation, so that the traffic's own swings are in it
        columns = rng.integers(windows.canary.shape[1], size=SIMULATIONS)
        total = rng.poisson((windows.canary + windows.baseline)[:, columns] * multiple)
        odds = windows.log_odds[:, columns]
        wander = simulate_ratio(noise, looks, SIMULATIONS, rng)
        canary = rng.binomial(total, 1 / (1 + np.exp(-odds - wander))).astype(np.float64)
        paths = count_paths(canary, total - canary, odds, noise, policy.margin, harm_only=True)
        highest.append(paths.harm.max(axis=0))
    return _with_threshold(metric, noise, highest, policy)


def fitted_gauge(
    metric: Metric, noise: ArmNoise, policy: JudgePolicy, rng: np.random.Generator
) -> MetricCalibration:
    """As ``fitted_counts``, for a gauge."""
    log_ratio = simulate_ratio(noise, policy.horizon_looks, SIMULATIONS, rng)
    paths = gauge_paths(log_ratio, noise, policy.margin)
    return _with_threshold(metric, noise, [paths.harm.max(axis=0)], policy)


def simulate_ratio(
    noise: ArmNoise, looks: int, streams: int, rng: np.random.Generator
) -> FloatArray:
    """Log ratio of two equal arms, (looks, streams)."""
    steps = rng.standard_normal((looks, streams))
    wander = np.empty((looks, streams))
    wander[0] = steps[0]
    fresh = np.sqrt(1 - noise.persistence**2)
    for look in range(1, looks):
        wander[look] = noise.persistence * wander[look - 1] + fresh * steps[look]
    return noise.spread * wander + rng.normal(0.0, noise.scatter, (looks, streams))


def busy_load(requests_per_core_s: FloatArray) -> float | NoData:
    """The load a canary must have seen: the 99.9th percentile of the service's own minutes."""
    known = requests_per_core_s[np.isfinite(requests_per_core_s)]
    if not len(known):
        return NoData("the service's load was never measured")
    return float(np.quantile(known, BUSY_QUANTILE))


def _at_least_assumed(noise: ArmNoise, replays: int) -> ArmNoise:
    """Too short a history does not make a service quieter than one without."""
    if replays >= MIN_WINDOWS:
        return noise
    return ArmNoise(
        spread=max(noise.spread, ASSUMED_NOISE.spread),
        persistence=max(noise.persistence, ASSUMED_NOISE.persistence),
        scatter=max(noise.scatter, ASSUMED_NOISE.scatter),
    )


def _replayed(
    replay: Callable[[float], EvidencePaths], fitted: MetricCalibration, policy: JudgePolicy
) -> Replay:
    """Replay equal and worse arms; raise the thresholds where the past needs more."""
    equal, margin = replay(1.0), replay(policy.margin)
    false_alarms = detect(1.0, equal, fitted, policy).rolled_back
    wrong_promotions = detect(policy.margin, margin, fitted, policy).promoted
    if equal.harm.shape[1] >= MIN_WINDOWS:
        harm = _upper(equal.harm, ALPHA_USED * policy.alpha_each)
        safe = _upper(margin.safe, policy.alpha_promote)
        fitted = fitted.model_copy(
            update={
                "harm_evidence": max(fitted.harm_evidence or 1 / policy.alpha_each, harm),
                "safe_evidence": max(1 / policy.alpha_promote, safe),
            }
        )
    detections = [detect(1.0, equal, fitted, policy)]
    for ratio in INJECTED_RATIOS:
        paths = margin if ratio == policy.margin else replay(ratio)
        detections.append(detect(ratio, paths, fitted, policy))
    return Replay(fitted.metric, fitted, false_alarms, wrong_promotions, tuple(detections))


def _upper(path: FloatArray, share: float) -> float:
    """The e-value that this share of streams ever passes."""
    highest = np.quantile(path.max(axis=0), 1 - share)
    return float(np.exp(np.clip(highest, 0.0, MOST_LOG_EVIDENCE))) + 1e-9


def _side_by_side(paths: list[EvidencePaths]) -> EvidencePaths:
    return EvidencePaths(
        np.hstack([path.harm for path in paths]), np.hstack([path.safe for path in paths])
    )


def _with_threshold(
    metric: Metric, noise: ArmNoise, highest: list[FloatArray], policy: JudgePolicy
) -> MetricCalibration:
    alpha = policy.alpha_each
    evidence = 1 / alpha
    if highest:
        worst = max(float(np.quantile(item, 1 - ALPHA_USED * alpha)) for item in highest)
        most = float(np.exp(min(worst, MOST_LOG_EVIDENCE)))
        evidence = float(np.clip(most, LEAST_EVIDENCE, 1 / alpha))
    return MetricCalibration(
        metric=metric,
        spread=noise.spread,
        persistence=noise.persistence,
        scatter=noise.scatter,
        harm_evidence=evidence,
        alpha=alpha,
        horizon_looks=policy.horizon_looks,
    )


def _refusals(replay: Replay, policy: JudgePolicy) -> list[str]:
    alarms = replay.false_alarms
    name = replay.metric.value
    if alarms.trials < MIN_WINDOWS:
        return [f"{name}: {alarms.trials} past windows could be replayed, {MIN_WINDOWS} are needed"]
    found = []
    if alarms.value > policy.alpha_each:
        seen = f"{alarms.hits} of {alarms.trials} replays of equal arms were rolled back"
        found.append(f"{name}: {seen}, at most {policy.alpha_each:.1%} may be")
    wrong = replay.wrong_promotions
    # so small a share is known from few hundred replays only when it is clearly passed
    if wrong.interval[0] > policy.alpha_promote:
        seen = f"{wrong.hits} of {wrong.trials} replays of an arm x{policy.margin:g} were promoted"
        found.append(f"{name}: {seen}, at most {policy.alpha_promote:.1%} may be")
    return found
