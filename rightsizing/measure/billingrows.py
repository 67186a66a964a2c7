"""Billed hours assembled into an hours x SKUs table, with a sentence for everything left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from rightsizing.errors import BadTrace
from rightsizing.model.hourlyusage import Service, Sku, Usage
from rightsizing.model.normalisation import LINUX, SHARED
from rightsizing.units import format_usd

USAGE = "usage"
_PriceKey = tuple[str | None, str | None, str | None, str | None]
_LARGEST = 1e12  # units or dollars in an hour; beyond is a wrong unit
MAX_HOURS = 5 * 8_784  # longer spans are a wrong date


@dataclass(frozen=True, slots=True)
class BilledHour:
    """One hour of one SKU and kind of charge, summed over its lines."""

    hour: int | None  # since 1970-01-01 00:00 UTC
    whole: bool | None
    name: str | None
    region: str | None
    zone: str | None
    account: str | None
    platform: str | None
    tenancy: str | None
    workload: str | None
    currency: str | None
    kind: str | None
    negative: bool | None
    quantity: float | None
    usd: float | None  # on-demand list cost
    repeated: int
    lines: int


@dataclass(frozen=True, slots=True)
class BilledUsage:
    """Usage that commitments can cover, and what else the export held."""

    usage: Usage
    notes: tuple[str, ...]


def assemble(rows: Sequence[BilledHour], source: str) -> BilledUsage:
    """Build the table. Raises BadTrace when nothing usable is left or currencies are mixed."""
    _one_currency(rows, source)
    notes = _Notes()
    quantities: dict[tuple[Sku, int], float] = defaultdict(float)
    dollars: dict[_PriceKey, list[float]] = defaultdict(lambda: [0.0, 0.0])
    kept: list[tuple[BilledHour, _PriceKey]] = []
    for row in rows:
        notes.repeated += row.repeated
        reason = _refusal(row)
        if reason is not None:
            notes.leave_out(reason, row)
            continue
        key = (row.name, row.region, row.platform, row.tenancy)
        if row.usd is not None and row.usd > 0:
            dollars[key][0] += row.usd
            dollars[key][1] += row.quantity or 0.0
        kept.append((row, key))
    for row, key in kept:
        usd, units = dollars.get(key, (0.0, 0.0))
        if not units and not row.quantity:
            continue  # nothing ran: there is no price, and none is needed
        if not units:
            notes.leave_out("lines of usage without an on-demand price", row)
            continue
        assert row.hour is not None
        assert row.quantity is not None
        quantities[_sku(row, usd / units), row.hour] += row.quantity
    if not quantities:
        raise BadTrace(
            f"{source} holds no compute usage with an on-demand price"
            + "".join(f"; {sentence}" for sentence in notes.sentences())
        )
    usage, holes = _table(quantities, source)
    return BilledUsage(usage, (*notes.sentences(), *holes))


def _one_currency(rows: Sequence[BilledHour], source: str) -> None:
    found = sorted({row.currency for row in rows if row.currency})
    if len(found) > 1:
        raise BadTrace(
            f"{source} bills in {' and '.join(found)}; amounts of different currencies cannot be "
            "added, give one currency at a time"
        )
    if found and found[0] != "USD":
        raise BadTrace(
            f"{source} bills in {found[0]}; AWS prices its offers in USD, export the bill in USD"
        )


def _refusal(row: BilledHour) -> str | None:
    if row.kind != USAGE:
        return f"lines of kind {row.kind}"
    if row.hour is None or not row.whole:
        return "lines without a start" if row.hour is None else "lines that start within an hour"
    if row.quantity is None or np.isnan(row.quantity):
        return "lines without a quantity"
    if not (abs(row.quantity) <= _LARGEST and abs(row.usd or 0.0) <= _LARGEST):
        return f"lines with a quantity or cost that is no number up to {_LARGEST:g}"
    if row.negative:
        return "lines of negative quantity (refunds)"
    return None if row.name and row.region else "lines without instance type or region"


class _Notes:
    def __init__(self) -> None:
        self.repeated = 0
        self._left: dict[str, list[float]] = {}

    def leave_out(self, reason: str, row: BilledHour) -> None:
        """Count what is not in the table, and its money."""
        tally = self._left.setdefault(reason, [0, 0.0])
        tally[0] += row.lines
        if row.usd is not None and abs(row.usd) <= _LARGEST:
            tally[1] += row.usd

    def sentences(self) -> tuple[str, ...]:
        """One each, with counts and list cost."""
        found = [
            f"left out: {int(count):,} {reason}, {format_usd(Decimal(str(round(usd, 6))))} at list"
            for reason, (count, usd) in sorted(self._left.items())
        ]
        if self.repeated:
            found.insert(0, f"{self.repeated:,} lines repeat another one exactly and count once")
        return tuple(found)


def _sku(row: BilledHour, usd_per_unit: float) -> Sku:
    name, tenancy = str(row.name), (row.tenancy or SHARED).lower()
    service = Service.EC2
    if "Fargate" in name:
        service = Service.FARGATE
    elif "Lambda" in name:
        service = Service.LAMBDA
    return Sku(
        name=name,
        region=str(row.region),
        usd_per_unit=round(usd_per_unit, 9),
        service=service,
        platform=row.platform or LINUX,
        tenancy=SHARED if tenancy in {"shared", "default", ""} else tenancy,
        zone=row.zone,
        account=row.account,
        workload=row.workload,
    )


def _table(quantities: dict[tuple[Sku, int], float], source: str) -> tuple[Usage, tuple[str, ...]]:
    skus = sorted({sku for sku, _ in quantities}, key=repr)
    hours = sorted({hour for _, hour in quantities})
    span = hours[-1] - hours[0] + 1
    if span > MAX_HOURS:
        raise BadTrace(
            f"{source} spans {span:,} hours, at most {MAX_HOURS:,} (5 years) are read; "
            "one of its dates is wrong, or give less"
        )
    table = np.full((span, len(skus)), np.nan)
    table[np.array(hours) - hours[0]] = 0.0  # an hour with any line is known; others are holes
    place = {sku: index for index, sku in enumerate(skus)}
    for (sku, hour), quantity in quantities.items():
        table[hour - hours[0], place[sku]] = quantity
    holes = span - len(hours)
    notes = (
        (f"{holes:,} of {span:,} hours have no line at all; they count as unknown, not as 0",)
        if holes
        else ()
    )
    return Usage(tuple(skus), table, hours[0]), notes
