"""Whether a cache or batching pays, as a document and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rightsizing.decide.caching.batching import Batching
from rightsizing.decide.caching.hitcurve import HitCurve
from rightsizing.decide.caching.redisinfo import RedisFigures
from rightsizing.decide.caching.verdict import CacheSetting, CacheVerdict
from rightsizing.model.base import NoData
from rightsizing.model.update import Json
from rightsizing.report.document import (
    Block,
    Bullets,
    Column,
    Document,
    Heading,
    Paragraph,
    Table,
    Tone,
    counted,
    money,
    row,
    share,
)
from rightsizing.report.jsonview import plain

_BYTES_PER_MIB = 1024**2


def caching_page(verdict: CacheVerdict, batches: Sequence[Batching]) -> Document:
    """The verdict first, then the curve and batching."""
    tone = Tone.GOOD if verdict.worth_it is True else Tone.WARNING
    blocks: list[Block] = [
        Heading("Cache", 1),
        Paragraph(f"{verdict.says[:1].upper()}{verdict.says[1:]}.", tone),
    ]
    if isinstance(verdict.best, CacheSetting):
        blocks.append(Bullets(_setting(verdict.best, verdict.accesses_per_month)))
    if isinstance(verdict.curve, HitCurve):
        blocks += _curve(verdict.curve)
    if batches:
        blocks += [Heading("Batching"), _batches(batches)]
    return tuple(blocks)


def caching_json(verdict: CacheVerdict, batches: Sequence[Batching], configuration: Json) -> Json:
    """All figures; the curve as rows of times to live."""
    curve = verdict.curve
    shown: Json = plain(curve) if isinstance(curve, NoData) else _curve_json(curve)
    best = verdict.best
    return {
        "says": verdict.says,
        "worth_it": plain(verdict.worth_it),
        "accesses_per_month": verdict.accesses_per_month,
        "best": plain(best)
        if isinstance(best, NoData)
        else {**plain(best), "net_usd_per_month": plain(best.net_usd_per_month)},
        "curve": shown,
        "batching": [{**plain(item), "saved_ratio": item.saved_ratio} for item in batches],
        "configuration": configuration,
    }


def redis_page(figures: RedisFigures) -> Document:
    """What INFO tells, and what it cannot."""
    ratio = figures.hit_ratio
    looked_up = f"{figures.hits + figures.misses:,} look-ups"
    hits = ratio.reason if isinstance(ratio, NoData) else f"{share(ratio, 1)} of {looked_up}"
    limit = f"{_mib(figures.limit_bytes)} MiB" if figures.limit_bytes else "not set"
    gone = f"{figures.evicted_keys:,} evicted, {figures.expired_keys:,} expired since the start"
    lines = [
        f"Hit ratio: {hits}.",
        f"Memory: {_mib(figures.peak_bytes)} MiB at its peak, limit {limit}.",
        f"{figures.keys:,} keys; {gone}.",
    ]
    if figures.evicted_keys:
        lines.append("Keys are evicted, so a larger cache would hit more; how much needs a log.")
    lines.append("INFO is one point, not a curve: give an access log to choose size and TTL.")
    return (Heading("Cache in use", 1), Bullets(tuple(lines)))


def redis_json(figures: RedisFigures) -> Json:
    """The figures with what follows from them."""
    return {
        **plain(figures),
        "hit_ratio": plain(figures.hit_ratio),
        "lookups_per_month": plain(figures.lookups_per_month),
    }


def _setting(best: CacheSetting, accesses: float) -> tuple[str, ...]:
    node = f"{best.node.node_type}, {money(best.node_usd_per_month)} a month"
    saved = f"{best.saved_calls_per_month:,.0f} of {accesses:,.0f} calls a month saved"
    lines = [
        f"TTL {best.ttl_s:,.0f} s, {_mib(best.size_bytes)} MiB of data: {node}.",
        f"{saved}, worth {money(best.saved_usd_per_month)}.",
    ]
    if not isinstance(best.net_usd_per_month, NoData):
        lines.append(f"Net of the node: {money(best.net_usd_per_month)} a month.")
    return tuple(lines)


def _curve(curve: HitCurve) -> list[Block]:
    columns = (
        Column("TTL, s", right=True),
        *(Column(f"{_mib(size)} MiB", right=True) for size in curve.size_bytes),
    )
    rows = tuple(
        row(f"{ttl:,.0f}", *(share(float(value), 1) for value in ratios))
        for ttl, ratios in zip(curve.ttl_s, curve.hit_ratio, strict=True)
    )
    sampled = (
        "every key"
        if curve.sampled_ratio == 1
        else f"{share(curve.sampled_ratio, 1)} of keys, sampled"
    )
    return [
        Heading("Hit ratio by size and time to live"),
        Table(columns, rows),
        Paragraph(
            f"{share(curve.repeated_ratio, 1)} of accesses repeat a key, the most any cache can "
            f"hit ({sampled}).",
            Tone.QUIET,
        ),
    ]


def _curve_json(curve: HitCurve) -> Json:
    return {
        "ttl_s": list(curve.ttl_s),
        "size_bytes": list(curve.size_bytes),
        "hit_ratio": curve.hit_ratio.tolist(),
        "working_set_bytes": curve.working_set_bytes,
        "repeated_ratio": curve.repeated_ratio,
        "sampled_ratio": curve.sampled_ratio,
    }


def _batches(batches: Sequence[Batching]) -> Table:
    columns = (
        Column("window, s", right=True),
        Column("calls", right=True),
        Column("saved", right=True),
        Column("mean wait, s", right=True),
        Column("95 % wait, s", right=True),
    )
    rows = tuple(
        row(
            f"{item.window_s:g}",
            f"{item.calls:,}",
            share(item.saved_ratio, 1),
            f"{item.mean_wait_s:.3f}",
            f"{item.p95_wait_s:.3f}",
        )
        for item in batches
    )
    title = f"{counted(batches[0].requests, 'request')}, at most {batches[0].most_requests} a batch"
    return Table(columns, rows, title)


def _mib(size_bytes: float) -> str:
    return f"{size_bytes / _BYTES_PER_MIB:,.2f}"
