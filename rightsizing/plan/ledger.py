"""The ledger: one set of charges, seen at list price, amortised, and as billed.

    list       usage at public on-demand price
    effective  upfront payments spread over the usage they cover; what a workload really costs
    billed     what the invoices of the month say; what leaves the account

A ledger is as complete as its charges: nothing is estimated, and its totals are sums of entries.
All amounts are exact ``Decimal`` US dollars; rounding to cents is left to whoever shows them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from rightsizing.errors import BadTrace
from rightsizing.model.charge import Charge, ChargeCategory

ZERO = Decimal(0)
_SAVABLE = (ChargeCategory.USAGE, ChargeCategory.PURCHASE)


@dataclass(frozen=True, slots=True)
class Amounts:
    """The same charges three ways."""

    list_usd: Decimal = ZERO
    effective_usd: Decimal = ZERO
    billed_usd: Decimal = ZERO

    def plus(self, charge: Charge) -> Amounts:
        """With a charge added."""
        return Amounts(
            self.list_usd + charge.list_usd,
            self.effective_usd + charge.effective_usd,
            self.billed_usd + charge.billed_usd,
        )


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One workload in one month. ``sources`` are the files its ``lines`` were read from."""

    month: date
    workload: str
    amounts: Amounts
    lines: int
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CommitmentUse:
    """What a commitment's payments were used for: amortised dollars, used and unused."""

    commitment_id: str
    used_usd: Decimal
    unused_usd: Decimal

    @property
    def utilisation(self) -> Decimal | None:
        """Used share, 0-1; None when nothing was amortised."""
        both = self.used_usd + self.unused_usd
        return self.used_usd / both if both else None


@dataclass(frozen=True, slots=True)
class MonthToSave:
    """A month's effective cost by workload, and the rest: taxes, credits, net refunds."""

    month: date
    costs: Mapping[str, Decimal]
    rest_usd: Decimal


@dataclass(frozen=True, slots=True)
class Ledger:
    """Charges, and notes on what they leave out."""

    charges: tuple[Charge, ...]
    notes: tuple[str, ...] = ()

    @property
    def months(self) -> tuple[date, ...]:
        """First days of the months with charges, in order."""
        return tuple(sorted({item.start.replace(day=1) for item in self.charges}))

    @property
    def total(self) -> Amounts:
        """Everything."""
        return _summed(self.charges)

    def lines(self) -> tuple[LedgerLine, ...]:
        """By month and workload, the dearest first within a month."""
        groups: dict[tuple[date, str], list[Charge]] = defaultdict(list)
        for item in self.charges:
            groups[item.start.replace(day=1), item.name].append(item)
        found = [
            LedgerLine(
                month,
                name,
                _summed(items),
                sum(item.lines for item in items),
                tuple(sorted({item.source for item in items})),
            )
            for (month, name), items in groups.items()
        ]
        return tuple(
            sorted(found, key=lambda line: (line.month, -line.amounts.effective_usd, line.workload))
        )

    def since(self, first: date) -> Ledger:
        """Only charges of periods that start on ``first`` or later. Raises BadTrace for none."""
        kept = tuple(item for item in self.charges if item.start >= first)
        if not kept:
            last = max(item.start for item in self.charges)
            raise BadTrace(f"no charges since {first}; the last period begins on {last}")
        return Ledger(kept, self.notes)

    def month_to_save(self, month: date) -> MonthToSave:
        """What savings of a month are taken from. Raises BadTrace for a month without charges."""
        if month not in self.months:
            known = ", ".join(f"{item:%Y-%m}" for item in self.months)
            raise BadTrace(f"the bill has no charges in {month:%Y-%m}; it has {known[:120]}")
        costs: dict[str, Decimal] = defaultdict(Decimal)
        everything = ZERO
        for item in self.charges:
            if item.start.replace(day=1) != month:
                continue
            everything += item.effective_usd
            if item.category in _SAVABLE:
                costs[item.name] += item.effective_usd
        kept = {name: cost for name, cost in costs.items() if cost >= 0}
        return MonthToSave(month, kept, everything - sum(kept.values(), ZERO))

    def commitments(self) -> tuple[CommitmentUse, ...]:
        """Every commitment that usage or unused fees name, by id."""
        used: dict[str, Decimal] = defaultdict(Decimal)
        unused: dict[str, Decimal] = defaultdict(Decimal)
        for item in self.charges:
            if item.commitment_id is not None and item.used is not None:
                (used if item.used else unused)[item.commitment_id] += item.effective_usd
        names = sorted({*used, *unused})
        return tuple(CommitmentUse(name, used[name], unused[name]) for name in names)


def make_ledger(charges: Iterable[Charge], notes: tuple[str, ...] = ()) -> Ledger:
    """A ledger in order of time and name. Raises BadTrace when there are no charges."""
    found = tuple(sorted(charges, key=lambda item: (item.start, item.name, repr(item))))
    if not found:
        raise BadTrace("there are no charges to put into a ledger; give a bill")
    return Ledger(found, notes)


def _summed(charges: Iterable[Charge]) -> Amounts:
    total = Amounts()
    for item in charges:
        total = total.plus(item)
    return total
