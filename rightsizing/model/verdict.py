"""What a canary judge is shown, what it is told to hold, and what it answers.

A look is one interval (a minute, as a rule) in which two arms of the same age served side by side:
the baseline on the old size, the canary on the new one. The evidence is every look so far, the
policy and the calibration; a verdict carries its evidence, so it can be computed again from itself
alone. None in an arm's look means "not measured", which is never the same as 0.
"""

from __future__ import annotations

from enum import StrEnum, unique

from pydantic import Field

from rightsizing.model.base import FrozenModel


@unique
class Metric(StrEnum):
    """What the canary is judged by."""

    ERRORS = "errors"  # failed requests, per request
    SLOW = "slow"  # requests over the latency bound, per request
    LATENCY_P99 = "latency_p99"  # gauge: one figure a look
    LATENCY_MEAN = "latency_mean"  # gauge
    CPU = "cpu"  # share of the canary's own limit, judged against its ceiling
    MEMORY = "memory"  # share of the canary's own limit, judged against its ceiling


COUNT_METRICS = frozenset({Metric.ERRORS, Metric.SLOW})
CEILING_METRICS = frozenset({Metric.CPU, Metric.MEMORY})


@unique
class Decision(StrEnum):
    """What to do with the traffic."""

    ROLL_BACK = "roll_back"
    PROMOTE = "promote"
    CONTINUE = "continue"  # keep the weight and look again
    HOLD = "hold"  # keep the weight; a person decides


@unique
class Quality(StrEnum):
    """Whether the data may be judged at all, worst first."""

    NO_DATA = "no_data"
    STALE = "stale"
    CLOCK_SKEW = "clock_skew"
    UNBALANCED = "unbalanced"
    BASELINE_BAD = "baseline_bad"
    TOO_FEW = "too_few"
    LOAD_NOT_COVERED = "load_not_covered"
    GOOD = "good"

    @property
    def blocks_rollback(self) -> bool:
        """The comparison itself means nothing; only tripwires may act."""
        return self not in {Quality.TOO_FEW, Quality.LOAD_NOT_COVERED, Quality.GOOD}

    @property
    def blocks_promotion(self) -> bool:
        """Only good data promotes."""
        return self is not Quality.GOOD


@unique
class Tripwire(StrEnum):
    """Events that need no statistics."""

    OUT_OF_MEMORY = "out_of_memory"
    CRASH_LOOP = "crash_loop"
    UNHEALTHY = "unhealthy"
    NO_TRAFFIC = "no_traffic"
    SUSTAINED_CPU = "sustained_cpu"
    SUSTAINED_MEMORY = "sustained_memory"


class ArmLook(FrozenModel):
    """One arm in one look. Counts are of the look itself, not running totals."""

    requests: int | None = Field(default=None, ge=0)
    errors: int | None = Field(default=None, ge=0)
    slow: int | None = Field(default=None, ge=0, description="requests over the latency bound")
    latency_p99_ms: float | None = Field(default=None, gt=0)
    latency_mean_ms: float | None = Field(default=None, gt=0)
    cpu_share: float | None = Field(default=None, ge=0, description="of the limit, 0-1")
    memory_share: float | None = Field(default=None, ge=0, description="of the limit, 0-1")
    capacity_cores: float | None = Field(default=None, gt=0)
    restarts: int = Field(default=0, ge=0)
    oom_kills: int = Field(default=0, ge=0)
    healthy_targets: int | None = Field(default=None, ge=0)
    expected_targets: int | None = Field(default=None, ge=0)
    clock_ms: int | None = Field(default=None, description="the arm's own clock at the look's end")

    def events(self, metric: Metric) -> int | None:
        """Count of a count metric; None when not measured."""
        return self.errors if metric is Metric.ERRORS else self.slow

    def gauge(self, metric: Metric) -> float | None:
        """Figure of a latency gauge, ms; None when not measured."""
        return self.latency_p99_ms if metric is Metric.LATENCY_P99 else self.latency_mean_ms


class Look(FrozenModel):
    """Both arms over the same interval."""

    start_ms: int = Field(description="since 1970-01-01 UTC, by the metrics' own clock")
    length_s: int = Field(default=60, gt=0)
    canary_weight: float = Field(
        default=0.5, gt=0, lt=1, description="the canary's share of both arms' traffic, as set"
    )
    baseline: ArmLook
    canary: ArmLook

    @property
    def end_ms(self) -> int:
        """End of the interval."""
        return self.start_ms + self.length_s * 1000


class JudgePolicy(FrozenModel):
    """What the judge is told to hold. Shares are 0-1.

    CPU and memory limits are the case's alerts (over 90 % for 5 and 2 minutes) and the top of its
    target band for CPU (80 %) and memory (85 %).
    """

    required: tuple[Metric, ...] = Field(default=(Metric.ERRORS, Metric.SLOW), min_length=1)
    alpha_harm: float = Field(default=0.05, gt=0, lt=0.5, description="false roll-backs a rollout")
    # 0.7 %, so that a noise fitted a little too small still keeps wrong promotions under 1 %
    alpha_promote: float = Field(default=0.007, gt=0, lt=0.5, description="wrong promotions")
    margin: float = Field(default=1.25, gt=1, description="a canary this much worse is not let in")
    horizon_looks: int = Field(default=120, ge=1, description="then an undecided rollout holds")
    warm_up_looks: int = Field(default=3, ge=0, description="first looks, not compared")
    min_requests: int = Field(default=100, ge=1, description="of each arm, to promote")
    max_error_ratio: float | None = Field(default=None, gt=0, lt=1, description="absolute")
    max_slow_ratio: float | None = Field(default=None, gt=0, lt=1, description="absolute")
    max_latency_p99_ms: float | None = Field(default=None, gt=0, description="absolute")
    max_latency_mean_ms: float | None = Field(default=None, gt=0, description="absolute")
    cpu_ceiling: float = Field(default=0.80, gt=0, description="most mean CPU to promote")
    memory_ceiling: float = Field(default=0.85, gt=0, description="most peak memory to promote")
    cpu_alert: float = Field(default=0.90, gt=0)
    cpu_alert_s: int = Field(default=300, gt=0)
    memory_alert: float = Field(default=0.90, gt=0)
    memory_alert_s: int = Field(default=120, gt=0)
    min_load_coverage: float = Field(default=0.9, ge=0, description="of busy-hour load per core")
    stale_after_s: int = Field(default=180, gt=0)
    max_clock_skew_s: int = Field(default=60, gt=0)
    balance_alpha: float = Field(default=1e-4, gt=0, lt=1)
    balance_tolerance: float = Field(default=0.1, ge=0, description="of the weight, never blamed")
    crash_loop_restarts: int = Field(default=3, ge=1)
    unhealthy_looks: int = Field(default=2, ge=1)
    no_traffic_looks: int = Field(default=3, ge=1)

    @property
    def compared(self) -> tuple[Metric, ...]:
        """The required metrics that are compared between arms; the rest have ceilings."""
        return tuple(metric for metric in self.required if metric not in CEILING_METRICS)

    @property
    def absolute_limits(self) -> tuple[tuple[Metric, float], ...]:
        """Absolute objectives that are set: shares of requests, and latencies in ms."""
        limits = (
            (Metric.ERRORS, self.max_error_ratio),
            (Metric.SLOW, self.max_slow_ratio),
            (Metric.LATENCY_P99, self.max_latency_p99_ms),
            (Metric.LATENCY_MEAN, self.max_latency_mean_ms),
        )
        return tuple((metric, limit) for metric, limit in limits if limit is not None)

    @property
    def harm_tests(self) -> int:
        """Tests among which ``alpha_harm`` is shared equally: relative and absolute ones."""
        return max(1, len(self.compared) + len(self.absolute_limits))

    @property
    def alpha_each(self) -> float:
        """False-alarm share of one harm test."""
        return self.alpha_harm / self.harm_tests


class MetricCalibration(FrozenModel):
    """How two equal arms of this service differ by themselves, in one metric.

    The log of their ratio is a first-order autoregression: ``spread`` is its standard deviation,
    ``persistence`` its correlation from one look to the next; ``scatter`` is what is not carried
    over. ``harm_evidence`` is the e-value at which harm counts as shown at ``alpha`` within
    ``horizon_looks``; beyond them, for a smaller alpha, and without one, it is at least 1 / alpha.
    ``safe_evidence`` is the least at which safety counts as shown; 1 / alpha where that is more.
    """

    metric: Metric
    spread: float = Field(ge=0)
    persistence: float = Field(ge=0, lt=1)
    scatter: float = Field(default=0.0, ge=0)
    harm_evidence: float | None = Field(default=None, gt=1)
    safe_evidence: float | None = Field(default=None, gt=1)
    alpha: float | None = Field(default=None, gt=0, lt=1, description="what the figure holds")
    horizon_looks: int = Field(default=120, ge=1)

    def harm_evidence_at(self, alpha: float, looks: int) -> float:
        """The e-value that shows harm at ``alpha`` after ``looks`` looks."""
        if self.harm_evidence is None or self.alpha is None:
            return 1 / alpha
        if looks <= self.horizon_looks and alpha >= self.alpha:
            return self.harm_evidence
        return max(self.harm_evidence, 1 / alpha)

    def safe_evidence_at(self, alpha: float) -> float:
        """The e-value that shows safety at ``alpha``."""
        return max(self.safe_evidence or 0.0, 1 / alpha)


class Calibration(FrozenModel):
    """What is known of the service before the rollout. Empty: assumed noise, manual mode only."""

    metrics: tuple[MetricCalibration, ...] = ()
    busy_requests_per_core_s: float | None = Field(
        default=None, gt=0, description="the service's own busy hours, requests a core and second"
    )
    automatic: bool = Field(default=False, description="the A/A replay allows automatic mode")
    refusals: tuple[str, ...] = Field(default=(), description="why automatic mode is refused")

    def of(self, metric: Metric) -> MetricCalibration | None:
        """The calibration of one metric; None when there is none."""
        return next((item for item in self.metrics if item.metric is metric), None)


class Evidence(FrozenModel):
    """All a verdict follows from."""

    looks: tuple[Look, ...]
    policy: JudgePolicy = JudgePolicy()
    calibration: Calibration = Calibration()
    now_ms: int = Field(description="time of the verdict, by the metrics' own clock")


class MetricTest(FrozenModel):
    """One test as it stands. Evidence is an e-value's natural logarithm; None: no such side."""

    metric: Metric
    test: str = Field(description="relative, absolute or ceiling")
    looks: int = Field(ge=0, description="looks with data in both arms, after the warm-up")
    canary_events: float | None = None
    canary_exposure: float | None = None
    baseline_events: float | None = None
    baseline_exposure: float | None = None
    estimate: float | None = Field(default=None, description="canary / baseline, or the figure")
    low: float | None = Field(default=None, description="lower end of the confidence sequence")
    high: float | None = Field(default=None, description="upper end; None: not bounded yet")
    log_harm: float | None = None
    log_harm_needed: float | None = None
    log_safe: float | None = None
    log_safe_needed: float | None = None
    harmed: bool = False
    safe: bool = False


class Verdict(FrozenModel):
    """The answer, with all it was computed from."""

    decision: Decision
    reason: str
    quality: Quality
    quality_reason: str
    tripwires: tuple[Tripwire, ...]
    tests: tuple[MetricTest, ...]
    alpha_each: float
    load_coverage: float | None
    evidence: Evidence
