"""What a workload is judged by in a rollout, and how many minutes its traffic needs for a verdict.

The judge is run on simulated looks at the measured rates, weight by weight. What happens too rarely
to be compared within the horizon is held against its absolute limit instead, and that is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rightsizing.model.base import NoData
from rightsizing.model.verdict import Calibration, JudgePolicy, Metric, MetricCalibration
from rightsizing.rollout.judge.noise import ASSUMED_NOISE
from rightsizing.rollout.judge.objectives import SLOW_RATIO_OF_P99, Objectives
from rightsizing.rollout.judge.outlook import outlook
from rightsizing.rollout.servedload import SLOW_QUANTILE, ServedLoad
from rightsizing.rollout.stages import Stage, canary_share

SEED = 20_261  # the same question gets the same answer
SIMULATIONS = 100  # minutes to a few, in about a second
BAKE_LOOKS = 10  # looks without harm that let a step before the last one in; chosen by us
DEFAULT_MAX_ERROR_RATIO = 0.01  # where no objective says so; as the stack's own alarms
SHOWN_RATIO = 2.0  # of the minutes to roll back that are told


@dataclass(frozen=True, slots=True)
class Judgement:
    """How one workload is judged, and why so. ``latency_bound_s``: longer is slow."""

    workload: str
    policy: JudgePolicy
    calibration: Calibration
    latency_bound_s: float | None
    rates: Mapping[Metric, float]  # events a minute, of all the traffic
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prospect:
    """One judged stage of one workload, in minutes; NoData: not within the horizon.

    ``let_in`` is the least by which nine in ten good canaries go on, ``harm`` the median until one
    that is twice as bad is rolled back.
    """

    workload: str
    stage: str
    share: float
    let_in: float | NoData
    harm: float | NoData
    by_bake: bool  # let in by looks without harm, not by being shown safe


def judgement_of(
    workload: str, objectives: Objectives, calibration: Calibration, load: ServedLoad
) -> Judgement:
    """What a workload is judged by at the measured load.

    The bound over which a request is slow is the objective's 99th percentile, else the 95th
    percentile measured now.
    """
    notes: list[str] = []
    bound = objectives.latency_bound_ms
    rates = {Metric.ERRORS: load.errors_a_minute}
    bound_s: float | None = None
    if not isinstance(bound, NoData):
        bound_s = bound / 1000
        rates[Metric.SLOW] = SLOW_RATIO_OF_P99 * load.requests_a_minute
    elif not isinstance(load.latency_p95_s, NoData):
        bound_s = load.latency_p95_s
        rates[Metric.SLOW] = (1 - SLOW_QUANTILE) * load.requests_a_minute
        notes.append(
            f"no objective names a 99th percentile; slow is over {bound_s * 1000:.0f} ms, the "
            "95th percentile now"
        )
    if calibration.automatic:  # what the back-test knows is what may decide without a person
        known = {item.metric for item in calibration.metrics}
        untried = [metric for metric in rates if metric not in known]
        if len(untried) < len(rates):
            rates = {metric: rate for metric, rate in rates.items() if metric in known}
            notes += [
                f"{metric.value} was not in the back-test and is not required" for metric in untried
            ]
    policy = objectives.policy
    if policy.max_error_ratio is None:
        policy = policy.model_copy(update={"max_error_ratio": DEFAULT_MAX_ERROR_RATIO})
    busy = load.busy_requests_per_core_s
    if calibration.busy_requests_per_core_s is None and not isinstance(busy, NoData):
        calibration = calibration.model_copy(update={"busy_requests_per_core_s": busy})
    elif calibration.busy_requests_per_core_s is None and isinstance(busy, NoData):
        notes.append(f"the load of busy hours is not known ({busy.reason})")
    required = []
    for metric, rate in rates.items():
        if _suffices(rate, metric, policy, calibration):
            required.append(metric)
        else:
            limit = policy.max_error_ratio if metric is Metric.ERRORS else policy.max_slow_ratio
            held = "not judged" if limit is None else f"held against its limit of {limit:.2%}"
            notes.append(
                f"{metric.value}: {rate:.1f} a minute are too few to compare in "
                f"{policy.horizon_looks} minutes; {held}"
            )
    if not required:  # nothing can be compared: ask for what there is most of, and say it holds
        required = [max(rates, key=lambda metric: rates[metric])]
    policy = policy.model_copy(update={"required": tuple(required)})
    return Judgement(workload, policy, calibration, bound_s, rates, tuple(notes))


def prospects(
    judgement: Judgement, stages: Sequence[Stage], *, bake_looks: int = BAKE_LOOKS
) -> tuple[Prospect, ...]:
    """Minutes each judged stage needs at the measured traffic."""
    judged = [stage for stage in stages if stage.is_judged]
    found = []
    policy = judgement.policy
    policy = policy.model_copy(update={"alpha_harm": policy.alpha_harm / max(len(judged), 1)})
    for stage in judged:
        fleet = stage.sizing.rollout.fleets.get(judgement.workload)
        if fleet is None:
            continue
        share = canary_share(fleet)
        let_in, harm = _minutes(judgement, share, policy)
        last = stage is judged[-1]
        bake: float | NoData = float(policy.warm_up_looks + bake_looks)
        by_bake = not last and (
            isinstance(let_in, NoData) or let_in > policy.warm_up_looks + bake_looks
        )
        found.append(
            Prospect(
                judgement.workload,
                stage.name,
                share,
                bake if by_bake else let_in,
                harm,
                by_bake,
            )
        )
    return tuple(found)


def _minutes(
    judgement: Judgement, share: float, policy: JudgePolicy
) -> tuple[float | NoData, float | NoData]:
    """The slowest metric decides when a canary is let in, the fastest when it is rolled back."""
    let_in: float | NoData = 0.0
    harm: float | NoData = NoData("no metric shows it within the horizon")
    rng = np.random.default_rng(SEED)
    for metric in policy.required:
        rate = max(judgement.rates.get(metric, 0.0), 1e-6)
        fitted = _fitted(judgement.calibration, metric)
        found = outlook(
            rate * share,
            rate * (1 - share),
            fitted,
            policy,
            rng,
            ratios=(SHOWN_RATIO,),
            simulations=SIMULATIONS,
        )
        most = found.promote_most_looks
        if isinstance(most, NoData) or isinstance(let_in, NoData):
            let_in = NoData("not within the horizon")
        else:
            let_in = max(let_in, most + policy.warm_up_looks)
        for item in found.detections:
            if item.ratio == SHOWN_RATIO and not isinstance(item.median_looks, NoData):
                looks = item.median_looks + policy.warm_up_looks
                harm = looks if isinstance(harm, NoData) else min(harm, looks)
    return let_in, harm


def _suffices(rate: float, metric: Metric, policy: JudgePolicy, calibration: Calibration) -> bool:
    """Whether nine in ten good canaries with half of the traffic get in by this metric."""
    if rate <= 0:
        return False
    rng = np.random.default_rng(SEED)
    fitted = _fitted(calibration, metric)
    found = outlook(rate / 2, rate / 2, fitted, policy, rng, ratios=(), simulations=SIMULATIONS)
    return found.traffic_suffices


def _fitted(calibration: Calibration, metric: Metric) -> MetricCalibration:
    return calibration.of(metric) or MetricCalibration(
        metric=metric,
        spread=ASSUMED_NOISE.spread,
        persistence=ASSUMED_NOISE.persistence,
        scatter=ASSUMED_NOISE.scatter,
    )
