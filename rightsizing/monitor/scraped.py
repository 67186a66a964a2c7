"""Looks at a workload's own metrics page, in Prometheus' text format.

    units, slow units    a latency histogram: its count, and what is not in the bucket of the bound
    errors               a counter of failed units
    cost a unit, scan    gauges

Which metric is which is configuration; the defaults are those of the reference workload. A page
that does not answer means the workload is down, which is a reading, not a failure of the source.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import requests
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from pydantic import Field

from rightsizing.model.alerting import SLOW_UNIT_S
from rightsizing.model.base import FrozenModel
from rightsizing.monitor.reading import Readings, WorkloadReading

TIMEOUT_S = 5.0
LARGEST_PAGE_BYTES = 10 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024


class ScrapeTarget(FrozenModel):
    """A workload's page and the names of its metrics."""

    workload: str = Field(description="workload key")
    url: str = Field(pattern=r"^https?://", description="address of its metrics page")
    latency_histogram: str | None = Field(
        default="unit_latency_seconds", description="histogram of seconds a unit of work"
    )
    slow_above_s: float = Field(
        default=SLOW_UNIT_S, gt=0, description="a unit is slow above this bucket's bound, s"
    )
    errors_counter: str | None = Field(
        default="unit_errors_total", description="counter of failed units"
    )
    cost_gauge: str | None = Field(
        default="cost_per_unit_usd", description="gauge of US dollars a unit"
    )
    scan_gauge: str | None = Field(
        default="guardian_scan_seconds", description="gauge of seconds of the last scan"
    )


@dataclass(frozen=True, slots=True)
class _Worked:
    """Units of work done so far, and the time they took together."""

    at_s: float
    units: float
    spent_s: float


class ScrapedSource:
    """Some workloads' metrics pages."""

    name = "metrics pages"

    def __init__(
        self, targets: Iterable[ScrapeTarget], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._targets = tuple(targets)
        self._session = requests.Session()
        self._clock = clock
        self._worked: dict[str, _Worked] = {}

    def look(self) -> Readings:
        """Read every page once; one that does not answer is a workload that is down."""
        found, missing = [], []
        for target in self._targets:
            try:
                page = self._page(target.url)
                found.append(self._with_rates(reading_of(page, target), page, target))
            except (OSError, ValueError) as error:  # requests' errors are OSErrors
                host = urlsplit(target.url).netloc.rpartition("@")[2]
                missing.append(f"{target.workload}: {host} gave no metrics ({_kind(error)})")
                found.append(WorkloadReading(target.workload, up=False))
        return Readings(tuple(found), tuple(missing))

    def _with_rates(
        self, reading: WorkloadReading, page: str, target: ScrapeTarget
    ) -> WorkloadReading:
        """With mean latency and units a second between the previous look and this one."""
        spent_s = _total_seconds(page, target)
        before = self._worked.pop(target.workload, None)
        if reading.units is None or spent_s is None:
            return reading
        now = self._worked[target.workload] = _Worked(self._clock(), reading.units, spent_s)
        if before is None or now.units < before.units or now.at_s <= before.at_s:
            return reading  # the first look, or its process began anew
        units = now.units - before.units
        latency_ms = (now.spent_s - before.spent_s) / units * 1000 if units else None
        rate = units / (now.at_s - before.at_s)
        return replace(reading, latency_mean_ms=latency_ms, units_per_s=rate)

    def _page(self, url: str) -> str:
        with self._session.get(
            url, timeout=TIMEOUT_S, stream=True, allow_redirects=False
        ) as answer:
            if answer.status_code != 200:
                raise ValueError(f"status {answer.status_code}")
            body = bytearray()
            for chunk in answer.iter_content(_CHUNK_BYTES):
                body += chunk
                if len(body) > LARGEST_PAGE_BYTES:
                    raise ValueError(f"the page is larger than {LARGEST_PAGE_BYTES:,} bytes")
        return body.decode("utf-8", errors="strict")


def reading_of(page: str, target: ScrapeTarget) -> WorkloadReading:
    """The reading a page gives.

    Raises:
        ValueError: the page is not in the text format, or the histogram has no bucket at the bound.
    """
    samples: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            samples.setdefault(sample.name, []).append(sample)
    units = slow = None
    if target.latency_histogram is not None:
        units = _sum(samples.get(f"{target.latency_histogram}_count"))
        buckets = samples.get(f"{target.latency_histogram}_bucket")
        if units is not None and buckets:
            slow = units - _within(buckets, target)
    return WorkloadReading(
        workload=target.workload,
        up=True,
        units=units,
        slow_units=slow,
        requests=units,
        errors=_sum(samples.get(target.errors_counter or "")),
        cost_per_unit_usd=_largest(samples.get(target.cost_gauge or "")),
        scan_seconds=_largest(samples.get(target.scan_gauge or "")),
    )


def _total_seconds(page: str, target: ScrapeTarget) -> float | None:
    if target.latency_histogram is None:
        return None
    name = f"{target.latency_histogram}_sum"
    return _sum(
        [
            sample
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            if sample.name == name
        ]
    )


def _within(buckets: list[Sample], target: ScrapeTarget) -> float:
    inside = [item.value for item in buckets if float(item.labels["le"]) == target.slow_above_s]
    if not inside:
        bounds = sorted({float(item.labels["le"]) for item in buckets})
        raise ValueError(
            f"{target.latency_histogram} has no bucket at {target.slow_above_s:g} s, only "
            f"{', '.join(f'{bound:g}' for bound in bounds)}"
        )
    return sum(inside)


def _sum(samples: list[Sample] | None) -> float | None:
    known = [item.value for item in samples or () if math.isfinite(item.value)]
    return sum(known) if known else None


def _largest(samples: list[Sample] | None) -> float | None:
    known = [item.value for item in samples or () if math.isfinite(item.value)]
    return max(known) if known else None


def _kind(error: Exception) -> str:
    """Without an address, which may hold a token."""
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return str(error)[:160]
    return type(error).__name__
