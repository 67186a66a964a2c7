"""One charge of a bill, at list price, amortised and as invoiced: what a ledger consists of.

The three amounts and their names are FOCUS's (ListCost, EffectiveCost, BilledCost): list is usage
at public on-demand price, effective spreads upfront payments over the usage they cover, billed is
what the invoice of the period says. Amounts are exact and may be negative (credits, corrections).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum, unique


@unique
class ChargeCategory(StrEnum):
    """FOCUS's ChargeCategory."""

    USAGE = "Usage"
    PURCHASE = "Purchase"
    TAX = "Tax"
    CREDIT = "Credit"
    ADJUSTMENT = "Adjustment"


@dataclass(frozen=True, slots=True)
class Charge:
    """Lines of a bill that agree in everything but their amounts, summed.

    ``start`` is the first day of the period (a month or a day) they are summed over, ``workload``
    the value of the tag, ``used`` whether a commitment was used (None: no commitment is involved),
    ``source`` the file and format they were read from.
    """

    start: date
    workload: str | None
    service: str
    category: ChargeCategory
    list_usd: Decimal
    contracted_usd: Decimal
    effective_usd: Decimal
    billed_usd: Decimal
    source: str
    correction: bool = False
    commitment_id: str | None = None
    used: bool | None = None
    lines: int = 1
    provider: str = "AWS"

    @property
    def name(self) -> str:
        """The workload; where no tag says, the service in brackets."""
        return self.workload or f"({self.service or 'no service'})"
