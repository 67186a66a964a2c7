"""A ledger in FOCUS columns: one row a charge, with every column FOCUS 1.2 makes mandatory.

A charge here is already a sum over its period, so its quantity is one period; unit prices, which a
sum does not have, stay empty. Tags carry the workload. ``measure.chargefile`` reads it back to the
same ledger. https://focus.finops.org/focus-specification/v1-2/
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import date, timedelta

from rightsizing.model.charge import Charge, ChargeCategory
from rightsizing.plan.ledger import Ledger

FOCUS_VERSION = "1.2"
COLUMNS = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodEnd",
    "ChargePeriodStart", "CommitmentDiscountId", "CommitmentDiscountStatus", "ContractedCost",
    "EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity", "PricingUnit",
    "ProviderName", "PublisherName", "ServiceCategory", "ServiceName", "Tags",
)  # fmt: skip
_PRICED = (ChargeCategory.USAGE, ChargeCategory.PURCHASE)


def focus_csv(ledger: Ledger, account: str = "") -> str:
    """The ledger as CSV text with a header. ``account``: BillingAccountId, where known."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(focus_rows(ledger, account))
    return text.getvalue()


def focus_rows(ledger: Ledger, account: str = "") -> Iterator[dict[str, str]]:
    """Rows of texts, in the order of the ledger; amounts with all their digits."""
    for charge in ledger.charges:
        yield _row(charge, account)


def _row(charge: Charge, account: str) -> dict[str, str]:
    month = charge.start.replace(day=1)
    next_month = _next_month(month)
    status = {None: "", True: "Used", False: "Unused"}[charge.used]
    priced = charge.category in _PRICED and not charge.correction
    return {
        "BilledCost": f"{charge.billed_usd:f}",
        "BillingAccountId": account,
        "BillingAccountName": "",
        "BillingCurrency": "USD",
        "BillingPeriodEnd": _instant(next_month),
        "BillingPeriodStart": _instant(month),
        "ChargeCategory": charge.category.value,
        "ChargeClass": "Correction" if charge.correction else "",
        "ChargeDescription": f"{charge.name}: {charge.lines} lines of {charge.source}",
        "ChargePeriodEnd": _instant(next_month),
        "ChargePeriodStart": _instant(charge.start),
        "CommitmentDiscountId": charge.commitment_id or "",
        "CommitmentDiscountStatus": status,
        "ContractedCost": f"{charge.contracted_usd:f}",
        "EffectiveCost": f"{charge.effective_usd:f}",
        "InvoiceIssuerName": charge.provider,
        "ListCost": f"{charge.list_usd:f}",
        "PricingQuantity": "1" if priced else "",
        "PricingUnit": "Months" if priced else "",
        "ProviderName": charge.provider,
        "PublisherName": charge.provider,
        "ServiceCategory": "Other",
        "ServiceName": charge.service,
        "Tags": json.dumps({"workload": charge.workload} if charge.workload else {}),
    }


def _next_month(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def _instant(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"
