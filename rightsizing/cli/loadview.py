"""A load test's report on the terminal and as JSON."""

from __future__ import annotations

import math

from rich.console import Group, RenderableType
from rich.table import Table

from rightsizing.load.figures import Interval
from rightsizing.load.report import ERRORS, P50, P99, THROUGHPUT, LoadReport
from rightsizing.model.update import Json

_TITLES = {P50: "p50", P99: "p99", ERRORS: "failed", THROUGHPUT: "answered a second"}
_OLD_AND_NEW = ("old", "new")


def load_text(report: LoadReport) -> RenderableType:
    """A table of the figures with their intervals, and the verdict."""
    table = Table("figure")
    names = _OLD_AND_NEW if len(report.targets) == len(_OLD_AND_NEW) else ("target",)
    for name in names:
        table.add_column(name, justify="right")
    if report.ratios:
        table.add_column("new / old", justify="right")
    for key, title in _TITLES.items():
        cells = [_shown(key, target.figures[key]) for target in report.targets]
        if report.ratios:
            cells.append(_shown_ratio(key, report.ratios[key]))
        table.add_row(title, *cells)
    lines = [f"{name}: {target.url}" for name, target in zip(names, report.targets, strict=True)]
    sent = (
        f"{report.requests} requests in {report.duration_s:.0f} s, {report.rate_rps:g} a second; "
        f"{sum(target.failed for target in report.targets)} failed; the generator was at most "
        f"{report.lateness_p99_ms:.1f} ms late (99 %)"
    )
    verdict = f"{report.verdict.value}: " + "; ".join(report.reasons)
    return Group(*lines, table, sent, "In brackets: 95 % intervals.", verdict)


def load_json(report: LoadReport) -> Json:
    """The same figures; null where there is none."""
    return {
        "verdict": report.verdict.value,
        "reasons": list(report.reasons),
        "duration_s": report.duration_s,
        "rate_rps": report.rate_rps,
        "requests": report.requests,
        "generator_late_p99_ms": _finite(report.lateness_p99_ms),
        "targets": [
            {
                "url": target.url,
                "requests": target.requests,
                "failed": target.failed,
                "not_sent": target.not_sent,
                "p50_ms": _interval(target.figures[P50]),
                "p99_ms": _interval(target.figures[P99]),
                "error_ratio": _interval(target.figures[ERRORS]),
                "throughput_rps": _interval(target.figures[THROUGHPUT]),
            }
            for target in report.targets
        ],
        "new_over_old": {
            "p50": _interval(report.ratios[P50]),
            "p99": _interval(report.ratios[P99]),
            "throughput": _interval(report.ratios[THROUGHPUT]),
            "error_ratio_difference": _interval(report.ratios[ERRORS]),
        }
        if report.ratios
        else None,
    }


def _shown(key: str, found: Interval) -> str:
    if key == ERRORS:
        return _with_range(found, "{:.2%}")
    return _with_range(found, "{:.1f} ms" if key in {P50, P99} else "{:.1f}")


def _shown_ratio(key: str, found: Interval) -> str:
    return _with_range(found, "{:+.2%}" if key == ERRORS else "x{:.2f}")


def _with_range(found: Interval, form: str) -> str:
    if not math.isfinite(found.estimate):
        return "not measured"
    low, high = form.format(found.low), form.format(found.high)
    return f"{form.format(found.estimate)} ({low} to {high})"


def _interval(found: Interval) -> Json:
    return {
        "estimate": _finite(found.estimate),
        "low": _finite(found.low),
        "high": _finite(found.high),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
