"""Whether a cache pays: calls it saves against the node it needs.

Of the settings on the hit curve the one with the largest net saving is taken. Without a price of a
call there is no saving to compare: then the smallest cache is named that comes within one point of
the best hit ratio under the longest time to live allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from rightsizing.catalog.cachenodes import CacheEngine, CacheNode, cheapest_node
from rightsizing.decide.caching.accesslog import AccessLog
from rightsizing.decide.caching.hitcurve import HitCurve, hit_curve, replay
from rightsizing.decide.caching.stackdistance import MOST_EXACT
from rightsizing.model.base import NoData
from rightsizing.units import HOURS_PER_MONTH

NEAR_BEST_RATIO = 0.01
_SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600


@dataclass(frozen=True, slots=True)
class CacheTerms:
    """What is asked: the oldest value that is still good, and money."""

    longest_ttl_s: float
    usd_per_call: Decimal | None  # of what a hit saves; None: not known
    region: str = "us-east-1"
    engine: CacheEngine = CacheEngine.VALKEY
    nodes: int = 1  # 2 with a replica


@dataclass(frozen=True, slots=True)
class CacheSetting:
    """One size and time to live, with its node and its month."""

    ttl_s: float
    size_bytes: float
    hit_ratio: float  # by exact replay where the log is short enough, else by the curve
    node: CacheNode
    node_usd_per_month: Decimal | NoData
    saved_calls_per_month: float
    saved_usd_per_month: Decimal | NoData

    @property
    def net_usd_per_month(self) -> Decimal | NoData:
        """Saved calls less the node."""
        for part in (self.saved_usd_per_month, self.node_usd_per_month):
            if isinstance(part, NoData):
                return part
        assert isinstance(self.saved_usd_per_month, Decimal)
        assert isinstance(self.node_usd_per_month, Decimal)
        return self.saved_usd_per_month - self.node_usd_per_month


@dataclass(frozen=True, slots=True)
class CacheVerdict:
    """The curve, the setting that is best, and whether to take it."""

    curve: HitCurve | NoData
    best: CacheSetting | NoData
    accesses_per_month: float
    worth_it: bool | NoData
    says: str


def judge_cache(log: AccessLog, terms: CacheTerms) -> CacheVerdict:
    """Judge a log in order of time. No traffic and no repetition are verdicts, not errors."""
    if log.accesses == 0:
        none = NoData("the log holds no accesses")
        return CacheVerdict(none, none, 0.0, none, "nothing was accessed, so nothing is decided")
    if log.span_s <= 0:
        none = NoData("all accesses have the same time, so there is no rate")
        return CacheVerdict(none, none, 0.0, none, f"{none.reason}; nothing is decided")
    rate = log.accesses / log.span_s * _SECONDS_PER_MONTH
    curve = hit_curve(log, ttl_s=_ladder(terms.longest_ttl_s))
    if curve.repeated_ratio == 0:
        none = NoData("no key was accessed twice")
        return CacheVerdict(
            curve, none, rate, False, "no key was accessed twice, so a cache would never hit"
        )
    settings = _settings(curve, rate, terms)
    if not settings:
        none = NoData("no node holds even the smallest size on the curve")
        return CacheVerdict(curve, none, rate, none, none.reason)
    best = _best(settings)
    if log.accesses <= MOST_EXACT:
        exact = replay(log, best.size_bytes, best.ttl_s)
        best = _setting(best.ttl_s, best.size_bytes, exact, best.node, rate, terms)
    return _verdict(curve, best, rate)


def _ladder(longest_s: float) -> tuple[float, ...]:
    return (longest_s / 12, longest_s / 4, longest_s / 2, longest_s)


def _settings(curve: HitCurve, rate: float, terms: CacheTerms) -> list[CacheSetting]:
    found = []
    for row, ttl in enumerate(curve.ttl_s):
        for column, size in enumerate(curve.size_bytes):
            node = cheapest_node(size)
            if isinstance(node, CacheNode):
                ratio = float(curve.hit_ratio[row, column])
                found.append(_setting(ttl, size, ratio, node, rate, terms))
    return found


def _setting(  # noqa: PLR0917
    ttl_s: float,
    size_bytes: float,
    hit_ratio: float,
    node: CacheNode,
    rate: float,
    terms: CacheTerms,
) -> CacheSetting:
    price = node.price(terms.region, terms.engine)
    saved_calls = hit_ratio * rate
    return CacheSetting(
        ttl_s,
        size_bytes,
        hit_ratio,
        node,
        price if isinstance(price, NoData) else price.usd_per_hour * HOURS_PER_MONTH * terms.nodes,
        saved_calls,
        NoData("no price of a call was given")
        if terms.usd_per_call is None
        else terms.usd_per_call * Decimal(repr(saved_calls)),
    )


def _best(settings: list[CacheSetting]) -> CacheSetting:
    """Largest net saving; without money the smallest size near the best ratio."""
    with_money = [item for item in settings if isinstance(item.net_usd_per_month, Decimal)]
    if with_money:
        return max(
            with_money,
            key=lambda item: (item.net_usd_per_month, -item.ttl_s, -item.size_bytes),
        )
    most = float(np.max([item.hit_ratio for item in settings]))
    near = [item for item in settings if item.hit_ratio >= most - NEAR_BEST_RATIO]
    return min(near, key=lambda item: (item.size_bytes, item.ttl_s))


def _verdict(curve: HitCurve, best: CacheSetting, rate: float) -> CacheVerdict:
    net = best.net_usd_per_month
    if isinstance(net, NoData):
        says = f"{best.hit_ratio * 100:.1f} % of accesses would hit; {net.reason}"
        return CacheVerdict(curve, best, rate, net, says)
    if net > 0:
        says = f"{best.hit_ratio * 100:.1f} % of accesses would hit, which saves more than the node"
        return CacheVerdict(curve, best, rate, True, says)
    says = f"{best.hit_ratio * 100:.1f} % of accesses would hit, which saves less than the node"
    return CacheVerdict(curve, best, rate, False, says)
