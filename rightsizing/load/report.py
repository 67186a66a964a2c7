"""A load test's report: figures of each target, and of two their comparison and verdict. Pure.

Regressed: an interval lies wholly beyond the margin. Passed: every interval lies wholly within it.
Neither: inconclusive, which is said and never taken for a pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rightsizing.load.figures import (
    LEAST_BLOCKS,
    RULE_OF_THREE,
    Blocks,
    Figure,
    Interval,
    blocks_of,
    intervals,
    not_sent,
)
from rightsizing.load.generator import lateness_ms
from rightsizing.load.samples import Samples
from rightsizing.model.loadrecord import LoadVerdict

MARGIN = 0.10  # relative, of latency and throughput
ERROR_MARGIN = 0.005  # absolute, of the share of failed requests
LATE_SHARE = 0.5  # of the 99th percentile: a generator this late hides what the target does
P50, P99, ERRORS, THROUGHPUT = "p50", "p99", "errors", "throughput"


@dataclass(frozen=True, slots=True)
class TargetReport:
    """What one target did. Latencies in ms, throughput in answered requests a second."""

    url: str
    requests: int
    failed: int
    not_sent: int
    figures: Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class Objectives:
    """Absolute limits; None: none. Margins are shares (0-1)."""

    margin: float = MARGIN
    error_margin: float = ERROR_MARGIN
    max_p99_ms: float | None = None
    max_error_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class LoadReport:
    """The whole test. ``ratios`` is empty for one target: new over old, errors as new minus old."""

    targets: tuple[TargetReport, ...]
    ratios: Mapping[str, Interval]
    duration_s: float
    rate_rps: float
    lateness_p99_ms: float
    verdict: LoadVerdict
    reasons: tuple[str, ...]

    @property
    def requests(self) -> int:
        """Measured requests of all targets."""
        return sum(target.requests for target in self.targets)


def load_report(
    samples: Samples,
    urls: Sequence[str],
    rate_rps: float,
    objectives: Objectives,
    rng: np.random.Generator,
) -> LoadReport:
    """Report on one target, or on two as old and new."""
    blocks = [blocks_of(samples, index) for index in range(len(urls))]
    targets = tuple(
        _target(samples, index, url, blocks[index], rng) for index, url in enumerate(urls)
    )
    ratios = _ratios(blocks[0], blocks[1], rng) if len(urls) == 2 else {}
    late = lateness_ms(samples)
    over = list(_over(targets, objectives))
    # lateness only ever makes figures worse: it can hide a difference, or break an absolute limit
    is_late = late > LATE_SHARE * targets[-1].figures[P99].estimate
    worse = [*_regressions(ratios, objectives), *(() if is_late else over)]
    open_ = list(_open(samples, blocks, targets, ratios, objectives=objectives))
    if is_late and (ratios or over):
        open_.insert(0, f"the generator itself was up to {late:.1f} ms late; use a faster machine")
    if samples.interrupted:
        verdict, reasons = LoadVerdict.INTERRUPTED, [*worse, "ended before its time", *open_]
    elif worse and min(item.count for item in blocks) >= LEAST_BLOCKS:
        verdict, reasons = LoadVerdict.REGRESSED, worse
    elif open_:
        verdict, reasons = LoadVerdict.INCONCLUSIVE, [*open_, *worse]
    else:
        verdict, reasons = LoadVerdict.PASSED, [_within(objectives, compared=bool(ratios))]
    return LoadReport(targets, ratios, samples.measured_s, rate_rps, late, verdict, tuple(reasons))


def _target(
    samples: Samples, index: int, url: str, blocks: Blocks, rng: np.random.Generator
) -> TargetReport:
    own = samples.of_target(index)
    found = intervals(_figures(blocks), blocks.count, rng)
    requests = int(blocks.ok.sum() + blocks.failed.sum())
    if requests and not blocks.failed.sum():
        found[ERRORS] = Interval(0.0, 0.0, RULE_OF_THREE / requests)
    return TargetReport(
        url=url,
        requests=int(own.sum()),
        failed=int((own & samples.failed).sum()),
        not_sent=not_sent(samples, index),
        figures=found,
    )


def _figures(blocks: Blocks) -> dict[str, Figure]:
    return {
        P50: lambda weights: blocks.quantile(0.5, weights),
        P99: lambda weights: blocks.quantile(0.99, weights),
        ERRORS: blocks.error_ratio,
        THROUGHPUT: blocks.throughput_rps,
    }


def _ratios(old: Blocks, new: Blocks, rng: np.random.Generator) -> dict[str, Interval]:
    """New over old; failures as a difference. Blocks next to each other are drawn together."""
    pairs = min(old.count, new.count)
    before, after = _figures(_first(old, pairs)), _figures(_first(new, pairs))

    def quotient(name: str) -> Figure:
        return lambda weights: _divided(after[name](weights), before[name](weights))

    figures: dict[str, Figure] = {name: quotient(name) for name in (P50, P99, THROUGHPUT)}
    figures[ERRORS] = lambda weights: after[ERRORS](weights) - before[ERRORS](weights)
    found = intervals(figures, pairs, rng)
    requests = int(new.ok.sum() + new.failed.sum())
    if requests and not new.failed.sum():  # no failure seen is not none at all
        seen = found[ERRORS]
        found[ERRORS] = Interval(seen.estimate, seen.low, max(seen.high, RULE_OF_THREE / requests))
    return found


def _first(blocks: Blocks, count: int) -> Blocks:
    if blocks.count == count:
        return blocks
    kept = blocks.block < count
    return Blocks(
        blocks.latency_ms[kept],
        blocks.block[kept],
        blocks.ok[:count],
        blocks.failed[:count],
        blocks.block_s,
    )


def _divided(new: float, old: float) -> float:
    return new / old if old > 0 else float("nan")


def _regressions(ratios: Mapping[str, Interval], objectives: Objectives) -> Iterator[str]:
    if not ratios:
        return
    most = 1 + objectives.margin
    for name in (P50, P99):
        if ratios[name].low > most:
            yield f"{name} x{ratios[name].estimate:.2f}, at least x{ratios[name].low:.2f}"
    if ratios[THROUGHPUT].high < 1 - objectives.margin:
        yield (
            f"throughput x{ratios[THROUGHPUT].estimate:.2f}, at most x{ratios[THROUGHPUT].high:.2f}"
        )
    if ratios[ERRORS].low > objectives.error_margin:
        yield (
            f"{ratios[ERRORS].estimate:.2%} more requests fail, at least {ratios[ERRORS].low:.2%}"
        )


def _over(targets: Sequence[TargetReport], objectives: Objectives) -> Iterator[str]:
    """Absolute limits that the newest target is shown to break."""
    found = targets[-1].figures
    if objectives.max_p99_ms is not None and found[P99].low > objectives.max_p99_ms:
        yield f"p99 is {found[P99].estimate:.0f} ms, at most {objectives.max_p99_ms:g} allowed"
    limit = objectives.max_error_ratio
    if limit is not None and found[ERRORS].low > limit:
        yield f"{found[ERRORS].estimate:.2%} of requests fail, at most {limit:.2%} allowed"


def _open(
    samples: Samples,
    blocks: Sequence[Blocks],
    targets: Sequence[TargetReport],
    ratios: Mapping[str, Interval],
    *,
    objectives: Objectives,
) -> Iterator[str]:
    """What is not shown to be within its limit."""
    fewest = min(item.count for item in blocks)
    if fewest < LEAST_BLOCKS:
        yield f"{fewest} blocks a target are too few to tell, {LEAST_BLOCKS} are needed"
    lost = sum(target.not_sent for target in targets)
    if lost:
        yield f"{lost} requests were not sent, because too many were under way"
    figures = targets[-1].figures
    if ratios:
        for name in (P50, P99):
            if not ratios[name].high <= 1 + objectives.margin:
                yield f"{name} may be x{ratios[name].high:.2f} of the old"
        if not ratios[THROUGHPUT].low >= 1 - objectives.margin:
            yield f"throughput may be x{ratios[THROUGHPUT].low:.2f} of the old"
        if not ratios[ERRORS].high <= objectives.error_margin:
            yield f"{ratios[ERRORS].high:.2%} more requests may fail"
    if objectives.max_p99_ms is not None and not figures[P99].high <= objectives.max_p99_ms:
        yield f"p99 may be {figures[P99].high:.0f} ms"
    limit = objectives.max_error_ratio
    if limit is not None and not figures[ERRORS].high <= limit:
        yield f"{figures[ERRORS].high:.2%} of requests may fail"
    if not len(samples.status):
        yield "nothing was sent"


def _within(objectives: Objectives, *, compared: bool) -> str:
    parts = []
    if compared:
        parts.append(
            f"latency and throughput are within {objectives.margin:.0%} of the old, failures "
            f"within {objectives.error_margin:.1%} of all requests"
        )
    if objectives.max_p99_ms is not None:
        parts.append(f"p99 is within {objectives.max_p99_ms:g} ms")
    if objectives.max_error_ratio is not None:
        parts.append(f"at most {objectives.max_error_ratio:.2%} of requests fail")
    return "; ".join(parts) or "all requests were sent; no limit was given to hold them against"
