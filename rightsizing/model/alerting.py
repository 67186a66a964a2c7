"""Alert rules: what is watched, from which value on, and for how long it has to last.

One definition for every place that watches: our own monitor, the generated Prometheus rules, and
the CloudWatch alarms of the Pulumi program. Sources: the case's KPI table for CPU, memory, latency
and cost; burn rates from the Site Reliability Workbook, chapter 5, table 5-8 (2 % of a 30-day error
budget in an hour, 5 % in six hours, 10 % in three days).
"""

from __future__ import annotations

from enum import StrEnum, unique
from typing import Self

from pydantic import Field, model_validator

from rightsizing.model.base import FrozenModel

CPU_ALERT_RATIO = 0.90
CPU_ALERT_FOR_S = 300
MEMORY_ALERT_RATIO = 0.90
MEMORY_ALERT_FOR_S = 120
SLOW_UNIT_S = 0.100
SLOW_UNITS_ALERT_RATIO = 0.10
COST_PER_UNIT_ALERT_USD = 0.05
SCAN_ALERT_S = 30.0
UPTIME_OBJECTIVE_RATIO = 0.999
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400


@unique
class Indicator(StrEnum):
    """What a rule is about. The value is the name of the metric, with Prometheus' base units."""

    CPU_RATIO = "rightsizing_workload_cpu_ratio"
    MEMORY_RATIO = "rightsizing_workload_memory_ratio"
    SLOW_UNITS_RATIO = "rightsizing_workload_slow_units_ratio"
    ERROR_RATIO = "rightsizing_workload_error_ratio"
    COST_PER_UNIT_USD = "rightsizing_workload_cost_per_unit_usd"
    SCAN_SECONDS = "rightsizing_workload_scan_seconds"
    DOWN_RATIO = "rightsizing_workload_down_ratio"

    @property
    def is_windowed(self) -> bool:
        """Whether the value is a share of what happened in a window, not the newest reading."""
        return self in _WINDOWED


_WINDOWED = frozenset({Indicator.SLOW_UNITS_RATIO, Indicator.ERROR_RATIO, Indicator.DOWN_RATIO})


@unique
class Severity(StrEnum):
    """Whether someone is woken."""

    PAGE = "page"
    TICKET = "ticket"


class AlertRule(FrozenModel):
    """An indicator above a value, lastingly.

    It fires once the indicator has been above ``above`` for ``for_s`` seconds without a break, and
    resolves ``keep_firing_s`` after it was last above. A windowed indicator is a share over
    ``window_s``; with ``short_window_s`` it has to be above over that window too, which ends the
    alert soon after the trouble ends.
    """

    name: str = Field(pattern=r"^[A-Z][A-Za-z0-9]{0,63}$", description="unique, in camel case")
    indicator: Indicator = Field(description="what is watched")
    above: float = Field(ge=0, description="fires above this value, in the indicator's unit")
    for_s: int = Field(default=0, ge=0, le=7 * DAY_S, description="how long it has to last, s")
    keep_firing_s: int = Field(
        default=0, ge=0, le=DAY_S, description="how long it goes on firing after the last breach, s"
    )
    window_s: int | None = Field(
        default=None, ge=MINUTE_S, le=30 * DAY_S, description="window of a share, s"
    )
    short_window_s: int | None = Field(
        default=None, ge=MINUTE_S, le=DAY_S, description="window that has to agree, s"
    )
    severity: Severity = Field(default=Severity.TICKET, description="page or ticket")
    meaning: str = Field(default="", max_length=200, description="one sentence for people")

    @model_validator(mode="after")
    def _window_fits_indicator(self) -> Self:
        if self.indicator.is_windowed and self.window_s is None:
            raise ValueError(f"rule {self.name} is about a share and needs window_s")
        if not self.indicator.is_windowed and (self.window_s or self.short_window_s):
            raise ValueError(f"rule {self.name} is about a newest value, which has no window_s")
        return self


def default_rules(
    *, error_max_ratio: float | None = None, uptime_ratio: float = UPTIME_OBJECTIVE_RATIO
) -> tuple[AlertRule, ...]:
    """The rules of the KPI table.

    Args:
        error_max_ratio: the workload's objective for failed requests, 0-1; None: no such rule.
        uptime_ratio: the objective for uptime, 0-1, from which burn rates follow.
    """
    rules = [
        AlertRule(
            name="CpuHigh",
            indicator=Indicator.CPU_RATIO,
            above=CPU_ALERT_RATIO,
            for_s=CPU_ALERT_FOR_S,
            severity=Severity.PAGE,
            meaning="CPU above 90 % of its limit for more than 5 minutes",
        ),
        AlertRule(
            name="MemoryHigh",
            indicator=Indicator.MEMORY_RATIO,
            above=MEMORY_ALERT_RATIO,
            for_s=MEMORY_ALERT_FOR_S,
            severity=Severity.PAGE,
            meaning="memory above 90 % of its limit for more than 2 minutes",
        ),
        AlertRule(
            name="UnitsSlow",
            indicator=Indicator.SLOW_UNITS_RATIO,
            above=SLOW_UNITS_ALERT_RATIO,
            window_s=5 * MINUTE_S,  # the table gives none; the CPU rule's span, chosen by us
            severity=Severity.PAGE,
            meaning="more than 10 % of units of work took over 100 ms in 5 minutes",
        ),
        AlertRule(
            name="CostPerUnitHigh",
            indicator=Indicator.COST_PER_UNIT_USD,
            above=COST_PER_UNIT_ALERT_USD,
            meaning="a unit of work costs more than $0.05",
        ),
        AlertRule(
            name="GuardianScanSlow",
            indicator=Indicator.SCAN_SECONDS,
            above=SCAN_ALERT_S,
            meaning="the last guardian scan took more than 30 s",
        ),
        *_burn_rules(uptime_ratio),
    ]
    if error_max_ratio is not None and error_max_ratio < 1:
        rules.append(
            AlertRule(
                name="ErrorsHigh",
                indicator=Indicator.ERROR_RATIO,
                above=error_max_ratio,
                window_s=5 * MINUTE_S,
                severity=Severity.PAGE,
                meaning=f"more than {error_max_ratio:.2%} of requests failed in 5 minutes",
            )
        )
    return tuple(rules)


def _burn_rules(uptime_ratio: float) -> tuple[AlertRule, ...]:
    budget = 1 - uptime_ratio
    return tuple(
        AlertRule(
            name=name,
            indicator=Indicator.DOWN_RATIO,
            above=min(rate * budget, 1.0),
            for_s=MINUTE_S,  # one missed look after a start is no outage; chosen by us
            window_s=window_s,
            short_window_s=short_s,
            severity=severity,
            meaning=f"the uptime budget burns {rate:g} times too fast over {window_s // HOUR_S} h",
        )
        for name, rate, window_s, short_s, severity in (
            ("UptimeBurnFast", 14.4, HOUR_S, 5 * MINUTE_S, Severity.PAGE),
            ("UptimeBurnSlow", 6.0, 6 * HOUR_S, 30 * MINUTE_S, Severity.PAGE),
            ("UptimeBurnLong", 1.0, 3 * DAY_S, 6 * HOUR_S, Severity.TICKET),
        )
    )
