"""The use case of trying the judge on a service's own past: read, deal into arms, replay, keep."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from rightsizing.cli.live import aws_clients, now, now_ms
from rightsizing.cli.session import Session
from rightsizing.errors import ConfigError
from rightsizing.measure.minutefile import read_minutes
from rightsizing.measure.minutemetrics import measured_minutes
from rightsizing.measure.minutestore import stored_minutes
from rightsizing.measure.progress import Progress, ProgressListener, Window
from rightsizing.model.base import NoData
from rightsizing.model.servicepast import MINUTE_S, ServicePast
from rightsizing.model.verdict import Calibration, JudgePolicy, Metric
from rightsizing.report.canarybacktest import (
    CanaryBacktest,
    MetricFigures,
    Rate,
    RatioFigures,
    TrafficOutlook,
)
from rightsizing.rollout.calibrationfile import StoredCalibration, write_calibration
from rightsizing.rollout.judge.calibration import (
    Detection,
    Replay,
    Share,
    busy_load,
    calibrate,
)
from rightsizing.rollout.judge.outlook import outlook
from rightsizing.rollout.judge.past import ArmsPast
from rightsizing.rollout.stages import ALL, DEFAULT_SHARES

FOUND_BY_MOST = 0.5
BUSY_QUANTILE = 0.999
_FIGURE = {Metric.ERRORS: "errors", Metric.SLOW: "slow"}
_PREFERRED = ((Metric.ERRORS, Metric.SLOW), (Metric.ERRORS, Metric.LATENCY_P99), (Metric.ERRORS,))


def read_past(
    session: Session,
    path: Path | None,
    workload: str | None,
    *,
    cloudwatch_days: int | None,
    latency_bound_s: float | None,
    listener: ProgressListener,
) -> ServicePast:
    """The service's past from a file, from CloudWatch, or from the stack's store.

    Raises:
        ConfigError: nothing, or more than one thing, says where the past is.
        TelemetryError: the source cannot be read, or holds nothing of the workload.
    """
    if path is not None and cloudwatch_days is not None:
        raise ConfigError("PATH and --cloudwatch both say where the past is; give one of them")
    if path is not None:
        listener(Progress(f"reading {path.name}", 0, 0))
        return read_minutes(path)
    if workload is None:
        raise ConfigError("say whose past: a PATH, or --workload for the store or --cloudwatch")
    if cloudwatch_days is None:
        return stored_minutes(session.store, workload)
    window = Window.last_days(cloudwatch_days, now_ms())
    return measured_minutes(
        aws_clients(session), workload, window, latency_bound_s=latency_bound_s, progress=listener
    )


def policy_for(
    arms: ArmsPast, metrics: Sequence[str], *, alpha: float, margin: float, looks: int
) -> JudgePolicy:
    """What the judge is to hold. Without ``metrics``: the usual ones among those measured.

    Raises ConfigError for a metric that the past does not hold, or when it holds none.
    """
    measured = {*arms.counts, *arms.gauges}
    wanted = tuple(Metric(name) for name in metrics)
    lacking = [metric.value for metric in wanted if metric not in measured]
    if lacking:
        held = ", ".join(sorted(metric.value for metric in measured)) or "no metric"
        raise ConfigError(f"the past holds {held}, not {', '.join(lacking)}")
    if not wanted:
        wanted = next((item for item in _PREFERRED if measured.issuperset(item)), ())
    if not wanted:
        raise ConfigError(
            "the past holds no errors, without which no canary is judged; add a column errors, or "
            "name what it holds with --metric"
        )
    return JudgePolicy(required=wanted, alpha_harm=alpha, margin=margin, horizon_looks=looks)


def try_judge(
    past: ServicePast,
    arms: ArmsPast,
    policy: JudgePolicy,
    *,
    workload: str,
    stages: int,
    seed: int,
    listener: ProgressListener,
) -> CanaryBacktest:
    """Replay the past as A/A and A/B; nothing is written.

    Args:
        policy: of one judged stage that may use all of alpha.
        stages: judged stages of a rollout, which share it; the minutes ahead are of one of them.
    """
    rng = np.random.default_rng(seed)
    busy = busy_load(past.requests_per_core_s())
    calibration, replays = calibrate(
        {metric: arms.counts[metric] for metric in policy.compared if metric in arms.counts},
        {metric: arms.gauges[metric] for metric in policy.compared if metric in arms.gauges},
        policy,
        busy_requests_per_core_s=None if isinstance(busy, NoData) else busy,
        rng=rng,
        advance=lambda done, total: listener(Progress("replaying the past", done, total)),
    )
    if not arms.is_real:
        # its noise is not that of two arms a minute apart, so nobody may be judged by it
        calibration = Calibration(
            busy_requests_per_core_s=calibration.busy_requests_per_core_s,
            refusals=(*arms.stand_in, *calibration.refusals),
        )
    listener(Progress("minutes at the measured traffic", 0, 0))
    notes = list(past.notes)
    outlooks = []
    of_stage = policy.model_copy(update={"alpha_harm": policy.alpha_harm / stages})
    for replay in replays:
        if not any(item.rolled_back.value >= FOUND_BY_MOST for item in replay.detections[1:]):
            notes.append(
                f"{replay.metric.value}: equal arms differ so much that not even the largest harm "
                "tried is found in most replays; set an absolute limit, or judge by another metric"
            )
        found = _outlooks(past, replay, of_stage, rng)
        if isinstance(found, NoData):
            notes.append(found.reason)
        else:
            outlooks += found
    used = past.cpu_share[np.isfinite(past.cpu_share)]
    return CanaryBacktest(
        workload=workload,
        source=past.source,
        start=_utc(past.start_ms),
        end=_utc(past.end_ms),
        step_s=past.step_s,
        halves=arms.halves,
        requests_per_minute=past.per_minute("requests"),
        busy_cpu_share=float(np.quantile(used, BUSY_QUANTILE))
        if len(used)
        else NoData("CPU was not measured"),
        policy=policy,
        stages=stages,
        metrics=tuple(_figures(replay, _look_minutes(past, arms)) for replay in replays),
        outlooks=tuple(outlooks),
        calibration=calibration,
        notes=tuple(notes),
        written=None,
    )


def keep_calibration(session: Session, found: CanaryBacktest) -> Path:
    """Write the calibration beside the stack's records, where a rollout finds it."""
    stored = StoredCalibration(
        workload=found.workload,
        made_at=now(),
        source=found.source,
        start_ms=round(found.start.timestamp() * 1000),
        end_ms=round(found.end.timestamp() * 1000),
        policy=found.policy,
        calibration=found.calibration,
    )
    return write_calibration(session.stack.record_dir, stored)


def _look_minutes(past: ServicePast, arms: ArmsPast) -> float:
    """Minutes a look takes: two steps where even and odd ones stand in for arms."""
    alternating = arms.halves[0] == arms.halves[1]
    return past.step_s / MINUTE_S * (2 if alternating else 1)


def _figures(replay: Replay, look_minutes: float) -> MetricFigures:
    return MetricFigures(
        metric=replay.metric,
        fitted=replay.fitted,
        false_alarms=_rate(replay.false_alarms),
        wrong_promotions=_rate(replay.wrong_promotions),
        by_ratio=tuple(
            RatioFigures(
                ratio=item.ratio,
                rolled_back=_rate(item.rolled_back),
                promoted=_rate(item.promoted),
                median_minutes=_minutes(item.median_looks, look_minutes),
            )
            for item in replay.detections
        ),
    )


def _outlooks(
    past: ServicePast, replay: Replay, policy: JudgePolicy, rng: np.random.Generator
) -> list[TrafficOutlook] | NoData:
    """At each share of a default rollout that is judged. Only events can be counted ahead."""
    figure = _FIGURE.get(replay.metric)
    if figure is None:
        return []
    events = past.per_minute(figure)
    if isinstance(events, NoData):
        return events
    if events == 0:
        return NoData(
            f"{replay.metric.value}: none in the whole past, so no verdict can follow from them; a "
            "canary that has any is still rolled back"
        )
    found = []
    for percent in DEFAULT_SHARES[:-1]:
        share = percent / ALL
        ahead = outlook(events * share, events * (1 - share), replay.fitted, policy, rng)
        found.append(
            TrafficOutlook(
                metric=replay.metric,
                canary_share=share,
                events_per_minute=events,
                promote_half=ahead.promote_median_looks,
                promote_most=ahead.promote_most_looks,
                detect_minutes=tuple(_detected(item) for item in ahead.detections[1:]),
            )
        )
    return found


def _detected(item: Detection) -> tuple[float, float | NoData]:
    return item.ratio, item.median_looks


def _rate(share: Share) -> Rate:
    low, high = share.interval
    return Rate(share.hits, share.trials, low, high)


def _minutes(looks: float | NoData, look_minutes: float) -> float | NoData:
    return looks if isinstance(looks, NoData) else looks * look_minutes


def _utc(moment_ms: int) -> datetime:
    return datetime.fromtimestamp(moment_ms / 1000, UTC)
