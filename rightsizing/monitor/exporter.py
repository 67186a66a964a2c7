"""Our own figures as Prometheus metrics. What is not known is absent, never 0.

Names of what is watched are those the generated rules ask for (``prometheusrules``). A round that
is older than ``STALE_ROUNDS`` intervals is not shown any more, so that a monitor that hangs looks
like missing data and not like calm.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rightsizing.model.alerting import Indicator
from rightsizing.monitor.exceedance import ObservedExceedance
from rightsizing.monitor.figures import Figures, SizeFigure
from rightsizing.monitor.prometheusrules import ERRORS, REQUESTS, SLOW_UNITS, UNITS, UP
from rightsizing.monitor.reading import WorkloadReading

STALE_ROUNDS = 5
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ROLLOUT_STATUSES = ("running", "paused", "aborted", "soaking", "finished")
_ONE = ("workload",)


@dataclass(frozen=True, slots=True)
class ExportedState:
    """What one page shows. ``firing``: names of firing rules by workload; None: not evaluated."""

    readings: tuple[WorkloadReading, ...] = ()
    figures: Figures = field(default_factory=Figures)
    observed: tuple[ObservedExceedance, ...] = ()
    firing: tuple[tuple[str, str], ...] | None = None
    rounds: int | None = None


def metrics_page(state: ExportedState) -> bytes:
    """The page in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Shown(state))
    page: bytes = generate_latest(registry)
    return page


class _Shown(Collector):
    """Everything of one state, as metric families."""

    def __init__(self, state: ExportedState) -> None:
        self._state = state

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: names depend on what is known."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Families that have at least one value."""
        families = (*_watched(self._state), *_sized(self._state), *_rolled_out(self._state))
        yield from (family for family in families if family.samples)


def _watched(state: ExportedState) -> Iterator[Metric]:
    gauges = (
        (Indicator.CPU_RATIO.value, "CPU in use, of the limit", "cpu_ratio"),
        (Indicator.MEMORY_RATIO.value, "memory in use, of the limit", "memory_ratio"),
        (Indicator.COST_PER_UNIT_USD.value, "cost of a unit of work", "cost_per_unit_usd"),
        (Indicator.SCAN_SECONDS.value, "length of the last guardian scan", "scan_seconds"),
        (UP, "1: its health check was answered, 0: it was not", "up"),
    )
    for name, meaning, attribute in gauges:
        found = GaugeMetricFamily(name, meaning, labels=_ONE)
        for reading in state.readings:
            _add(found, (reading.workload,), getattr(reading, attribute))
        yield found
    latency = GaugeMetricFamily(
        "rightsizing_workload_latency_mean_seconds", "mean time of a unit of work", labels=_ONE
    )
    for reading in state.readings:
        if reading.latency_mean_ms is not None:
            latency.add_metric((reading.workload,), reading.latency_mean_ms / 1000)
    yield latency
    counters = (
        (UNITS, "units of work done", "units"),
        (SLOW_UNITS, "units of work over the latency bound", "slow_units"),
        (REQUESTS, "requests", "requests"),
        (ERRORS, "requests that failed", "errors"),
    )
    for name, meaning, attribute in counters:
        counted = CounterMetricFamily(name, meaning, labels=_ONE)
        for reading in state.readings:
            _add(counted, (reading.workload,), getattr(reading, attribute))
        yield counted
    if state.rounds is not None:
        yield CounterMetricFamily(
            "rightsizing_monitor_rounds", "rounds since the start", value=state.rounds
        )
    if state.firing is not None:
        firing = GaugeMetricFamily(
            "rightsizing_alert_firing", "1 while the alert fires", labels=("workload", "rule")
        )
        for workload, rule in state.firing:
            firing.add_metric((workload, rule), 1)
        yield firing


def _sized(state: ExportedState) -> Iterator[Metric]:
    kinds = ("workload", "size")
    sizes = {
        name: GaugeMetricFamily(f"rightsizing_{name}", meaning, labels=kinds)
        for name, meaning in (
            ("applied_cpu_cores", "cores of the applied size, of one instance"),
            ("applied_memory_bytes", "memory of the applied size, of one instance"),
            ("recommended_cpu_cores", "cores of the recommended size, of one instance"),
            ("recommended_memory_bytes", "memory of the recommended size, of one instance"),
        )
    }
    info = GaugeMetricFamily(
        "rightsizing_size", "applied and recommended size", labels=("workload", "which", "size")
    )
    money = {
        "saving": GaugeMetricFamily(
            "rightsizing_recommended_saving_usd_per_month",
            "saving of the recommendation, list or own rates",
            labels=_ONE,
        ),
        "cost": GaugeMetricFamily(
            "rightsizing_cost_usd_per_month", "cost of the current size", labels=_ONE
        ),
    }
    predicted = GaugeMetricFamily(
        "rightsizing_predicted_exceedance_seconds_per_month",
        "seconds a month in which demand is above the recommended size",
        labels=("workload", "bound"),
    )
    for item in state.figures.workloads:
        for which, size in (("applied", item.applied), ("recommended", item.recommended)):
            if size is not None:
                _add_size(sizes, which, item.workload, size)
                info.add_metric((item.workload, which, size.text), 1)
        _add(money["saving"], (item.workload,), item.saving_usd_per_month)
        _add(money["cost"], (item.workload,), item.usd_per_month)
        if item.predicted is not None:
            for bound, value in (
                ("mean", item.predicted.minutes_per_month),
                ("lower", item.predicted.lower),
                ("upper", item.predicted.upper),
            ):
                predicted.add_metric((item.workload, bound), value * 60)
    yield from (*sizes.values(), info, *money.values(), predicted)
    exceeded = CounterMetricFamily(
        "rightsizing_observed_exceedance_seconds",
        "time at the CPU limit since the size was applied",
        labels=_ONE,
    )
    watched = CounterMetricFamily(
        "rightsizing_observed_seconds", "watched time since the size was applied", labels=_ONE
    )
    for item_observed in state.observed:
        exceeded.add_metric((item_observed.workload,), item_observed.exceeded_s)
        watched.add_metric((item_observed.workload,), item_observed.watched_s)
    yield from (exceeded, watched)


def _rolled_out(state: ExportedState) -> Iterator[Metric]:
    rollout = state.figures.rollout
    if rollout is not None:
        status = GaugeMetricFamily(
            "rightsizing_rollout_status",
            "1: the newest rollout's status",
            labels=("rollout", "status"),
        )
        for name in ROLLOUT_STATUSES:
            status.add_metric((rollout.rollout, name), float(name == rollout.status))
        yield status
    coverage = GaugeMetricFamily(
        "rightsizing_commitment_coverage_ratio", "demand that commitments cover"
    )
    if state.figures.commitment_coverage_ratio is not None:
        coverage.add_metric((), state.figures.commitment_coverage_ratio)
    yield coverage


def _add_size(
    families: dict[str, GaugeMetricFamily], which: str, workload: str, size: SizeFigure
) -> None:
    _add(families[f"{which}_cpu_cores"], (workload, size.text), size.cores)
    _add(families[f"{which}_memory_bytes"], (workload, size.text), size.memory_bytes)


def _add(
    family: GaugeMetricFamily | CounterMetricFamily,
    labels: tuple[str, ...],
    value: float | None,
) -> None:
    if value is not None:
        family.add_metric(labels, float(value))
