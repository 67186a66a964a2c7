"""Shared charges in FOCUS columns, and the same charges split between tenants.

FOCUS 1.3 describes split cost allocation: an origin charge becomes allocated charges whose metrics
add up to the origin's, whose dimensions are the origin's, and which say how they were made
(AllocatedMethodId, AllocatedMethodDetails, AllocatedResourceId, AllocatedResourceName). Rows of
FOCUS 1.0 to 1.3 are read: the columns needed are in all of them.
https://github.com/FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec (data_generator_calculated_split_...)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from rightsizing.decide.tenancy.allocation import AllocationMethod, split
from rightsizing.decide.tenancy.costgame import Shares
from rightsizing.errors import BadTrace

FOCUS_VERSION = "1.3"
SUMMED_COLUMNS = (
    "BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "ConsumedQuantity",
    "PricingQuantity", "CommitmentDiscountQuantity",
)  # fmt: skip
REQUIRED_COLUMNS = ("BilledCost", "EffectiveCost", "BillingCurrency")
ALLOCATED_COLUMNS = (
    "AllocatedMethodId", "AllocatedMethodDetails", "AllocatedResourceId", "AllocatedResourceName",
)  # fmt: skip
_LARGEST_CHARGE = 10**12  # of any currency; beyond is a wrong unit
_SMALLEST_UNIT = Decimal("1e-12")


@dataclass(frozen=True, slots=True)
class FocusCharges:
    """Origin charges: columns in order, and rows of texts; every row has every column."""

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]

    def total(self, column: str = "EffectiveCost") -> Decimal:
        """Sum of a metric over all rows."""
        return sum((_decimal(row.get(column, "")) or Decimal(0) for row in self.rows), Decimal(0))

    @property
    def currency(self) -> str:
        """The one currency of all rows."""
        return self.rows[0]["BillingCurrency"]


def check_charges(
    name: str, columns: Sequence[str], rows: Sequence[Mapping[str, str]]
) -> FocusCharges:
    """Charges that can be split.

    Raises:
        BadTrace: a column is missing, there are no rows, a figure is no number, currencies are
            mixed, or a row was allocated before.
    """
    for column in REQUIRED_COLUMNS:
        if column not in columns:
            raise BadTrace(f"{name} has no column {column}; export the charges in FOCUS 1.0 to 1.3")
    if not rows:
        raise BadTrace(f"{name} holds no charges; give at least one row")
    currencies = sorted({row["BillingCurrency"] for row in rows})
    if len(currencies) > 1:
        raise BadTrace(
            f"{name} mixes the currencies {', '.join(currencies)}; split each currency by itself"
        )
    if not currencies[0].strip():
        raise BadTrace(f"{name} names no currency; fill in BillingCurrency")
    for number, row in enumerate(rows, start=1):
        for column in SUMMED_COLUMNS:
            try:
                value = _decimal(row.get(column, ""))
            except InvalidOperation:
                value = Decimal("NaN")
            if value is not None and not value.is_finite():
                raise BadTrace(
                    f"{name} row {number}: {column} {row[column][:40]!r} is no number; correct it"
                )
            if value is not None and abs(value) > _LARGEST_CHARGE:
                raise BadTrace(
                    f"{name} row {number}: {column} {row[column][:40]} is beyond "
                    f"{_LARGEST_CHARGE:,}; correct it"
                )
        if row.get("AllocatedMethodId"):
            raise BadTrace(
                f"{name} row {number} is already an allocated charge; give the origin charges"
            )
    return FocusCharges(tuple(columns), tuple(dict(row) for row in rows))


def split_charges(
    charges: FocusCharges, names: Sequence[str], method: AllocationMethod, shares: Shares
) -> FocusCharges:
    """One row for each charge and each tenant with a share; every metric adds up exactly."""
    ratios = shares.ratios.tolist()
    found: list[dict[str, str]] = []
    for row in charges.rows:
        parts = {
            column: split(value, ratios, _unit(value))
            for column in SUMMED_COLUMNS
            if (value := _decimal(row.get(column, ""))) is not None
        }
        for index, (name, ratio) in enumerate(zip(names, ratios, strict=True)):
            if ratio <= 0:
                continue
            details = {
                "Elements": [{"AllocatedRatio": ratio, "UsageUnit": "Capacity"}],
                "x_Method": shares.method,
                "x_FocusVersion": FOCUS_VERSION,
            }
            found.append(
                {
                    **row,
                    **{column: f"{amounts[index]:f}" for column, amounts in parts.items()},
                    "AllocatedMethodId": f"rightsizing-{method.value}",
                    "AllocatedMethodDetails": json.dumps(details, sort_keys=True),
                    "AllocatedResourceId": name,
                    "AllocatedResourceName": name,
                }
            )
    new = tuple(column for column in ALLOCATED_COLUMNS if column not in charges.columns)
    return FocusCharges((*charges.columns, *new), tuple(found))


def _decimal(text: str) -> Decimal | None:
    return Decimal(text.strip()) if text.strip() else None


def _unit(value: Decimal) -> Decimal:
    """A unit four places finer than the value is written, so that small charges are split too."""
    exponent = value.as_tuple().exponent
    places = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    return max(Decimal(1).scaleb(-max(places + 4, 6)), _SMALLEST_UNIT)
