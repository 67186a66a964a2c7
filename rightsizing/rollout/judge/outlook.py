"""How many minutes a verdict needs at the measured traffic, told before a rollout starts.

The judge itself is run on simulated looks with the service's own event rate and noise: equal arms
for the promotion, each injected ratio for the roll-back. Traffic suffices when nine in ten equal
canaries are promoted within the horizon.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rightsizing.model.base import NoData
from rightsizing.model.verdict import JudgePolicy, MetricCalibration
from rightsizing.rollout.judge.calibration import (
    INJECTED_RATIOS,
    Detection,
    detect,
    simulate_ratio,
)
from rightsizing.rollout.judge.eprocess import count_paths
from rightsizing.rollout.judge.likelihood import ArmNoise, first_look

SIMULATIONS = 400
SUFFICIENT_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Outlook:
    """Looks to a verdict; NoData: not within the horizon."""

    promote_median_looks: float | NoData
    promote_most_looks: float | NoData  # nine in ten equal canaries are promoted by then
    detections: tuple[Detection, ...]

    @property
    def traffic_suffices(self) -> bool:
        """Whether nine in ten good canaries get a verdict within the horizon."""
        return not isinstance(self.promote_most_looks, NoData)


def outlook(
    canary_events_per_look: float,
    baseline_events_per_look: float,
    fitted: MetricCalibration,
    policy: JudgePolicy,
    rng: np.random.Generator,
    *,
    ratios: Sequence[float] = INJECTED_RATIOS,
    simulations: int = SIMULATIONS,
) -> Outlook:
    """What to expect of one count metric; rates are those of equal arms (ratio 1)."""
    noise = ArmNoise(fitted.spread, fitted.persistence, fitted.scatter)
    shape = (policy.horizon_looks, simulations)
    odds = np.full(shape, np.log(canary_events_per_look / baseline_events_per_look))
    cleared = np.log(fitted.safe_evidence_at(policy.alpha_promote))
    detections = []
    promoted = np.empty(0)
    for ratio in (1.0, *ratios):
        wander = simulate_ratio(noise, *shape, rng)
        canary = rng.poisson(canary_events_per_look * ratio * np.exp(wander)).astype(np.float64)
        baseline = rng.poisson(baseline_events_per_look, shape).astype(np.float64)
        paths = count_paths(canary, baseline, odds, noise, policy.margin)
        detections.append(detect(ratio, paths, fitted, policy))
        if ratio == 1.0:
            promoted = first_look(paths.safe >= cleared)
    return Outlook(
        promote_median_looks=_quantile(promoted, 0.5),
        promote_most_looks=_quantile(promoted, SUFFICIENT_SHARE),
        detections=tuple(detections),
    )


def _quantile(looks: np.ndarray, share: float) -> float | NoData:
    rank = int(np.ceil(share * len(looks))) - 1
    found = float(np.sort(looks)[rank])
    return found if np.isfinite(found) else NoData("not within the horizon")
