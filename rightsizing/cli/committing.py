"""The commitment use cases: from usage and offers to advice, or to a replay."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rightsizing.catalog.catalog import Catalog
from rightsizing.cli.live import aws_clients, now
from rightsizing.cli.session import Session
from rightsizing.decide.commitments.catalogoffers import catalog_offers
from rightsizing.decide.commitments.hindsight import hindsight_cost
from rightsizing.decide.commitments.optimum import PoolPrices
from rightsizing.decide.commitments.peerrules import PEER_RULES, BuyingRule
from rightsizing.decide.commitments.purchase import PurchaseRule
from rightsizing.decide.commitments.replay import Replay, replay
from rightsizing.decide.commitments.sizing import after_sizing
from rightsizing.errors import CatalogError, ConfigError, TelemetryError
from rightsizing.measure.awsclients import AwsClients
from rightsizing.measure.billingfile import read_billing
from rightsizing.measure.costexplorer import read_usage
from rightsizing.measure.offerfile import read_offer_file
from rightsizing.measure.progress import Progress, ProgressListener
from rightsizing.model.base import NoData
from rightsizing.model.hourlyusage import Usage
from rightsizing.model.offer import HOURS_PER_YEAR, Holding, Offer

HOURS_PER_DAY = 24
LEAST_HISTORY_DAYS = 28


@dataclass(frozen=True, slots=True)
class Market:
    """What can be bought and what is held, with what to know of it."""

    offers: tuple[Offer, ...]
    held: tuple[Holding, ...]
    notes: tuple[str, ...]


def usage_of(session: Session, path: Path | None) -> tuple[Usage, tuple[str, ...]]:
    """Usage of a billing export, or of Cost Explorer when no path is given."""
    if path is not None:
        found = read_billing(path)
    else:
        found = read_usage(aws_clients(session), None, now())
    return found.usage, found.notes


def clients_of(session: Session, usage: Usage) -> AwsClients:
    """Clients of the stack's region; outside a project, of the region with most SKUs in use."""
    if session.in_project:
        return aws_clients(session)
    regions = [sku.region for sku in usage.skus]
    return AwsClients(max(sorted(set(regions)), key=regions.count))


def market_of(session: Session, usage: Usage, offers_file: Path | None) -> Market:
    """Offers of a file, or the catalog's list prices."""
    if offers_file is not None:
        document = read_offer_file(offers_file)
        offers, notes = document.current(now())
        return Market(offers, tuple(item.holding() for item in document.held), notes)
    offers = catalog_offers(session.catalog, usage.skus)
    note = (
        "offers are the catalog's list prices, without Compute plans and offering ids; "
        "`rightsize commit offers` reads AWS's own"
    )
    return Market(offers, (), (note,))


def sized(session: Session, usage: Usage) -> tuple[Usage, tuple[str, ...]]:
    """The usage after the stack's release. Raises ConfigError when the stack has none."""
    release = session.sizing.release
    if release is None:
        raise ConfigError(
            f"stack {session.stack_name} has no release to size the usage by; run `rightsize plan`"
        )
    found = after_sizing(usage, release, lambda name, region: _price(session.catalog, name, region))
    moved = ", ".join(found.moved) or "no workload of the usage"
    return found.usage, (f"after sizing by release {release.short_id}: {moved}", *found.notes)


def prices_of(usage: Usage, market: Market, rule: PurchaseRule) -> PoolPrices:
    """Ratios by pool from the offers of the rule's term, any payment; 1 where none covers it."""
    names, _ = usage.pools()
    own = np.array(
        [
            min((_ratio(usage, offer, name) for offer in _own(market, rule)), default=1.0)
            for name in names
        ]
    )
    compute = [one for one in market.offers if one.kind.value == "compute-sp"]
    ratios = [_ratio(usage, one, None) for one in compute if one.term_years == rule.term_years]
    return PoolPrices(np.minimum(own, 1.0), min([1.0, *ratios]))


def replays_of(
    usage: Usage,
    prices: PoolPrices,
    rule: PurchaseRule,
    history_days: int,
    listener: ProgressListener,
) -> tuple[tuple[Replay, ...], float | None]:
    """Our rule and others over the usage, and the hindsight cost where every hour is known."""
    if history_days < LEAST_HISTORY_DAYS:
        raise ConfigError(f"--history-days {history_days} must be at least {LEAST_HISTORY_DAYS}")
    _, demand = usage.pools()
    start = history_days * HOURS_PER_DAY
    if start >= len(demand):
        raise TelemetryError(
            f"the usage has {len(demand) // HOURS_PER_DAY} days, {history_days} are history; "
            "nothing is left to score, give a longer export or fewer --history-days"
        )
    if (prices.own >= 1).all() and prices.compute >= 1:
        raise ConfigError("no offer covers any of this usage at a discount; give --offers")
    term_hours = rule.term_years * HOURS_PER_YEAR
    found: list[Replay] = []
    rules: tuple[BuyingRule, ...] = (rule, *PEER_RULES)
    for number, one in enumerate(rules):
        listener(Progress(f"replaying {one.name}", number, len(rules) + 1))
        found.append(replay(demand, prices, one, start, term_hours=term_hours))
    listener(Progress("hindsight", len(rules), len(rules) + 1))
    scored = demand[start:]
    if np.isnan(scored).any():
        return tuple(found), None
    return tuple(found), hindsight_cost(scored, prices, term_hours=term_hours)


def _own(market: Market, rule: PurchaseRule) -> list[Offer]:
    return [
        one
        for one in market.offers
        if one.kind.value in ("regional-ri", "ec2-instance-sp")
        and one.term_years == rule.term_years
    ]


def _ratio(usage: Usage, offer: Offer, pool: str | None) -> float:
    """Mean ratio over what the offer covers; 1 unless that is all of the pool."""
    inside = [sku for sku in usage.skus if pool is None or sku.pool == pool]
    if not inside or not all(offer.covers(sku) for sku in inside):
        return 1.0
    return float(np.mean([offer.rate(sku) / sku.usd_per_unit for sku in inside]))


def _price(catalog: Catalog, name: str, region: str) -> float | None:
    try:
        price = catalog.price(name, region)
    except CatalogError:
        return None
    return None if isinstance(price, NoData) else float(price.usd_per_hour)
