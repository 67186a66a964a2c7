"""What the columns of a billing export mean: FOCUS, CUR 2.0 or a plain table, as SQL expressions.

FOCUS states the amounts. CUR 2.0 does not state the amortised one; it is put together as AWS's
guide to amortised cost does ("Understanding your amortized reservation / Savings Plans data"):

    covered by a reservation   reservation_effective_cost
    covered by a plan          savings_plan_savings_plan_effective_cost
    fee of a reservation       its unused part: amortised upfront and recurring
    fee of a plan              commitment to date - commitment used
    upfront fee, negation      0
    everything else            unblended cost

FOCUS columns are of versions 1.0 to 1.2. A plain table has month, workload, list_usd, effective_usd
and billed_usd, and optionally service, provider, category and currency.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rightsizing.errors import BadTrace

MONEY = "DECIMAL(38, 12)"  # FOCUS and CUR state at most ten to twelve decimals
_COVERED = "('DiscountedUsage', 'SavingsPlanCoveredUsage')"
_MARKS = {
    "CUR 2.0": {"line_item_usage_start_date", "line_item_unblended_cost"},
    "FOCUS": {"chargeperiodstart", "chargecategory", "billedcost", "effectivecost"},
    "plain": {"month", "workload", "list_usd", "effective_usd", "billed_usd"},
}


@dataclass(frozen=True, slots=True)
class ChargeColumns:
    """Columns by lower-case name; ``relation`` is what to select from."""

    relation: str
    names: frozenset[str]

    def text(self, name: str, default: str = "NULL") -> str:
        """A column as text, NULL where empty; a default where the export has none."""
        if name not in self.names:
            return default
        text = f'CAST("{name}" AS VARCHAR)'
        return f"CASE WHEN upper(trim({text})) IN ('', 'NULL') THEN NULL ELSE {text} END"


def charge_fields(columns: ChargeColumns, tag: str, path: str) -> tuple[str, dict[str, str]]:
    """The format's name, and an SQL expression (text) for each field of a charge.

    Raises BadTrace for columns of no known format.
    """
    fields = {"CUR 2.0": _cur, "FOCUS": _focus, "plain": _plain}
    for kind, marks in _MARKS.items():
        if marks <= columns.names:
            return kind, fields[kind](columns, tag)
    raise BadTrace(
        f"{path} is no bill: it has none of the known column sets (CUR 2.0: "
        "line_item_unblended_cost ..., FOCUS: BilledCost, EffectiveCost ..., plain: month, "
        f"workload, list_usd, effective_usd, billed_usd); it has "
        f"{', '.join(sorted(columns.names)[:6])}"
    )


def _tag(column: str, tag: str) -> str:
    """The value of a tag in a map or in JSON, written as text by DuckDB."""
    pattern = rf"(?:^|[{{,\"\s])(?:user[:_])?{re.escape(tag)}\"?\s*[:=]\s*\"?([^\",}}]*)"
    quoted = pattern.replace("'", "''")
    return f"nullif(trim(regexp_extract({column}, '{quoted}', 1)), '')"


def _focus(columns: ChargeColumns, tag: str) -> dict[str, str]:
    text = columns.text
    return {
        "start": text("chargeperiodstart"),
        "workload": _tag(text("tags"), tag),
        "service": text("servicename", "''"),
        "category": text("chargecategory"),
        "correction": f"coalesce({text('chargeclass')} = 'Correction', false)",
        "commitment": text("commitmentdiscountid"),
        "used": f"lower({text('commitmentdiscountstatus')}) = 'used'",
        "currency": text("billingcurrency", "'USD'"),
        "provider": text("providername", "'AWS'"),
        "list": f"coalesce({text('listcost')}, {text('effectivecost')})",
        "contracted": f"coalesce({text('contractedcost')}, {text('effectivecost')})",
        "effective": text("effectivecost"),
        "billed": text("billedcost"),
    }


def _cur(columns: ChargeColumns, tag: str) -> dict[str, str]:
    text = columns.text
    line = text("line_item_line_item_type", "'Usage'")
    unblended = text("line_item_unblended_cost")

    def added(one: str, two: str, sign: str = "+") -> str:
        parts = (f"coalesce(CAST({text(name)} AS {MONEY}), 0)" for name in (one, two))
        return f"CAST({sign.join(parts)} AS VARCHAR)"

    unused_reservation = added(
        "reservation_unused_amortized_upfront_fee_for_billing_period",
        "reservation_unused_recurring_fee",
    )
    unused_plan = added(
        "savings_plan_total_commitment_to_date", "savings_plan_used_commitment", "-"
    )
    arn, plan_arn = (
        text("reservation_reservation_a_r_n"),
        text("savings_plan_savings_plan_a_r_n"),
    )
    plain_tag = text(f"resource_tags_user_{tag}".lower())
    effective = f"""
        CASE {line} WHEN 'DiscountedUsage' THEN {text("reservation_effective_cost")}
             WHEN 'SavingsPlanCoveredUsage'
             THEN {text("savings_plan_savings_plan_effective_cost")}
             WHEN 'RIFee' THEN {unused_reservation}
             WHEN 'SavingsPlanRecurringFee' THEN {unused_plan}
             WHEN 'SavingsPlanUpfrontFee' THEN '0' WHEN 'SavingsPlanNegation' THEN '0'
             WHEN 'Fee' THEN CASE WHEN {arn} IS NULL THEN {unblended} ELSE '0' END
             ELSE {unblended} END
    """
    at_list = f"""
        CASE WHEN {line} = 'Usage' OR {line} IN {_COVERED}
             THEN coalesce({text("pricing_public_on_demand_cost")}, {unblended}) ELSE '0' END
    """
    category = f"""
        CASE WHEN {line} IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage',
                             'SavingsPlanNegation') THEN 'Usage'
             WHEN {line} LIKE '%Fee' THEN 'Purchase' WHEN {line} = 'Tax' THEN 'Tax'
             WHEN {line} IN ('Credit', 'Refund') THEN 'Credit' ELSE 'Adjustment' END
    """
    return {
        "start": text("line_item_usage_start_date"),
        "workload": f"coalesce({plain_tag}, {_tag(text('resource_tags'), tag)})",
        "service": text("line_item_product_code", "''"),
        "category": category,
        "correction": f"{line} = 'SavingsPlanNegation'",
        "commitment": f"coalesce({arn}, {plan_arn})",
        "used": f"CASE WHEN {line} IN {_COVERED} THEN true "
        f"WHEN {line} IN ('RIFee', 'SavingsPlanRecurringFee') THEN false END",
        "currency": text("line_item_currency_code", "'USD'"),
        "provider": "'AWS'",
        "list": at_list,
        "contracted": at_list,
        "effective": effective,
        "billed": unblended,
    }


def _plain(columns: ChargeColumns, tag: str) -> dict[str, str]:
    del tag  # the table names its workloads itself
    text = columns.text
    month = text("month")
    return {
        "start": f"CASE WHEN length({month}) = 7 THEN {month} || '-01' ELSE {month} END",
        "workload": text("workload"),
        "service": text("service", "''"),
        "category": text("category", "'Usage'"),
        "correction": "false",
        "commitment": "NULL",
        "used": "NULL",
        "currency": text("currency", "'USD'"),
        "provider": text("provider", "'AWS'"),
        "list": text("list_usd"),
        "contracted": text("list_usd"),
        "effective": text("effective_usd"),
        "billed": text("billed_usd"),
    }
