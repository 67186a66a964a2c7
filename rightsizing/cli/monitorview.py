"""What a person sees of the monitor: a table that stays, or a line for each change."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.table import Table

from rightsizing.monitor.alertstate import Phase
from rightsizing.monitor.board import Alert
from rightsizing.monitor.monitor import Round
from rightsizing.monitor.reading import WorkloadReading

_COLOURS = {
    Phase.FIRING: "bold red",
    Phase.PENDING: "yellow",
    Phase.NO_DATA: "magenta",
    Phase.INACTIVE: "green",
}
_ROWS = 40  # as many workloads as a screen holds; those with news come first


def round_table(found: Round) -> Table:
    """KPIs and alerts of each workload, the worst first."""
    table = Table(title=f"{_clock(found.now_ms)} UTC, round {found.number}", title_justify="left")
    for name in ("workload", "CPU", "memory", "cost a unit", "scan", "up", "alerts"):
        table.add_column(name, justify="left" if name in {"workload", "alerts"} else "right")
    by_workload: dict[str, list[Alert]] = {}
    for alert in found.alerts:
        by_workload.setdefault(alert.workload, []).append(alert)
    order = sorted(by_workload, key=lambda key: (-_worst(by_workload[key]), key))
    for workload in order[:_ROWS]:
        reading = found.readings.get(workload, WorkloadReading(workload))
        table.add_row(
            workload,
            _percent(reading.cpu_ratio),
            _percent(reading.memory_ratio),
            "-" if reading.cost_per_unit_usd is None else f"${reading.cost_per_unit_usd:.4f}",
            "-" if reading.scan_seconds is None else f"{reading.scan_seconds:.1f} s",
            {None: "-", True: "yes", False: "NO"}[reading.up],
            _alerts(by_workload[workload]),
        )
    if len(order) > _ROWS:
        table.caption = f"{len(order) - _ROWS} more workloads"
    return table


def change_lines(found: Round, before: Round | None) -> tuple[str, ...]:
    """A line for each alert that changed and each problem that is new, for a log."""
    at = _clock(found.now_ms)
    changes = [
        f"{at} {alert.workload}: {alert.rule.name} {alert.change.value}"
        + ("" if alert.state.value is None else f" at {alert.state.value:.4g}")
        for alert in found.alerts
        if alert.change is not None and alert.state.phase is not Phase.NO_DATA
    ]
    known = () if before is None else before.problems
    new = (f"{at} {problem}" for problem in found.problems if problem not in known)
    return (*changes, *new)


def summary(found: Round) -> dict[str, int]:
    """How many alerts are in each phase."""
    counts = {phase.value: 0 for phase in Phase}
    for alert in found.alerts:
        counts[alert.state.phase.value] += 1
    return counts


def _alerts(alerts: list[Alert]) -> str:
    shown = [
        f"[{_COLOURS[alert.state.phase]}]{alert.rule.name} {alert.state.phase.value}[/]"
        for alert in alerts
        if alert.state.phase in {Phase.FIRING, Phase.PENDING}
    ]
    blind = sum(alert.state.phase is Phase.NO_DATA for alert in alerts)
    if blind:
        shown.append(f"[dim]{blind} without data[/]")
    return ", ".join(shown) or "[green]quiet[/]"


def _worst(alerts: list[Alert]) -> int:
    return max({Phase.FIRING: 2, Phase.PENDING: 1}.get(alert.state.phase, 0) for alert in alerts)


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.1%}"


def _clock(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%H:%M:%S}"
