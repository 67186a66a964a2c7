"""What success is measured by: a KPI and the band it has to stay in.

Criteria come from a workload's own objectives (``Slos``) or from a case's KPI table; both are
judged by ``check`` in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

from rightsizing.model.workload import Slos
from rightsizing.plan.case import Case, Kpi

_UNITS = {
    Kpi.CPU_MEAN_24H_PCT: "%",
    Kpi.MEMORY_PCT: "%",
    Kpi.LATENCY_MEAN_MS: "ms",
    Kpi.LATENCY_P99_MS: "ms",
    Kpi.ERROR_RATIO: "of requests",
    Kpi.COST_PER_UNIT_USD: "USD",
    Kpi.UPTIME_PCT: "%",
    Kpi.OTHER: "",
}


@dataclass(frozen=True, slots=True)
class Criterion:
    """One KPI and its band, both ends included; None leaves an end open."""

    name: str
    kpi: Kpi
    unit: str
    minimum: float | None
    maximum: float | None

    @property
    def limit(self) -> str:
        """The band in words."""
        unit = f" {self.unit}" if self.unit else ""
        if self.minimum is not None and self.maximum is not None:
            return f"{self.minimum:g}-{self.maximum:g}{unit}"
        if self.maximum is not None:
            return f"at most {self.maximum:g}{unit}"
        return f"at least {self.minimum:g}{unit}"

    @property
    def sentence(self) -> str:
        """``CPU, 24-hour average: 60-80 %``."""
        return f"{self.name}: {self.limit}"


def criteria_of_slos(slos: Slos) -> tuple[Criterion, ...]:
    """The criteria a workload's owner declared; empty when none was."""
    bands: tuple[tuple[str, Kpi, float | None, float | None], ...] = (
        (
            "CPU, 24-hour average",
            Kpi.CPU_MEAN_24H_PCT,
            slos.cpu_mean_min_pct,
            slos.cpu_mean_max_pct,
        ),
        ("memory, average and peak", Kpi.MEMORY_PCT, slos.memory_min_pct, slos.memory_max_pct),
        ("latency, mean", Kpi.LATENCY_MEAN_MS, None, slos.latency_mean_max_ms),
        ("latency, 99th percentile", Kpi.LATENCY_P99_MS, None, slos.latency_p99_max_ms),
        ("errors", Kpi.ERROR_RATIO, None, slos.error_max_ratio),
    )
    return tuple(
        Criterion(name, kpi, _UNITS[kpi], minimum, maximum)
        for name, kpi, minimum, maximum in bands
        if minimum is not None or maximum is not None
    )


def criteria_of_case(case: Case, phase: int) -> tuple[Criterion, ...]:
    """The case's KPI table as it holds at ``phase``."""
    return tuple(
        Criterion(
            item.name,
            item.kpi,
            item.unit,
            None if item.minimum is None else float(item.minimum),
            None if item.maximum is None else float(item.maximum),
        )
        for item in case.kpis
        if item.from_phase <= phase
    )
