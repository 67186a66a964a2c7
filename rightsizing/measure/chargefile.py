"""Billing exports as charges: every line of the invoice, in exact decimals.

FOCUS, CUR 2.0 and a plain table are known by their columns (``chargecolumns``). Identical lines
count once, as in ``billingfile``; how many and how much is left out is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb

from rightsizing.errors import BadTrace
from rightsizing.measure.billingfile import billing_files, quoted
from rightsizing.measure.chargecolumns import MONEY, ChargeColumns, charge_fields
from rightsizing.model.charge import Charge, ChargeCategory
from rightsizing.units import format_usd

_KEYS = (
    "start",
    "workload",
    "service",
    "category",
    "correction",
    "commitment",
    "used",
    "currency",
    "provider",
)
_AMOUNTS = ("list", "contracted", "effective", "billed")


@dataclass(frozen=True, slots=True)
class BilledCharges:
    """Charges by workload and period, and what to know of them."""

    charges: tuple[Charge, ...]
    notes: tuple[str, ...]


def read_charges(path: Path, tag: str = "workload", *, by_day: bool = False) -> BilledCharges:
    """Read a file, or every Parquet and CSV file of a folder, summed by month (or day) and ``tag``.

    Raises BadTrace naming the file and what is wrong: no known columns, no rows, an amount that is
    no number, a line without a date, several currencies or one other than USD.
    """
    files = billing_files(path)
    connection = duckdb.connect()
    try:
        columns = _read(connection, files)
        kind, fields = charge_fields(columns, tag, str(path))
        query = _query(columns.relation, fields, "day" if by_day else "month")
        rows = connection.execute(query).fetchall()
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise BadTrace(f"{path} cannot be read as a bill ({reason})") from None
    finally:
        connection.close()
    return _assemble(rows, str(path), f"{path.name} ({kind})")


def _read(connection: duckdb.DuckDBPyConnection, files: list[Path]) -> ChargeColumns:
    names = [str(one) for one in files]
    parquet = all(name.endswith(".parquet") for name in names)
    reader = "read_parquet" if parquet else "read_csv"
    options = "union_by_name=true" if parquet else "union_by_name=true, all_varchar=true"
    listed = ", ".join(quoted(name) for name in names)
    relation = f"{reader}([{listed}], {options})"
    described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()  # noqa: S608
    spelled = {row[0].lower(): row[0].replace('"', '""') for row in described}
    renamed = ", ".join(
        f'"{name}" AS "{lower.replace(chr(34), chr(34) * 2)}"' for lower, name in spelled.items()
    )
    return ChargeColumns(f"(SELECT {renamed} FROM {relation})", frozenset(spelled))  # noqa: S608


def _query(relation: str, fields: dict[str, str], period: str) -> str:
    """One row a period and kind of charge, identical source lines once."""
    keys = ", ".join(f"{fields[name]} AS {name}" for name in _KEYS)
    amounts = ", ".join(f"{fields[name]} AS {name}_text" for name in _AMOUNTS)
    parsed = ", ".join(f"TRY_CAST({name}_text AS {MONEY}) AS {name}_cost" for name in _AMOUNTS)
    sums = ", ".join(f"sum({name}_cost) AS {name}_cost" for name in _AMOUNTS)
    wrong = " ".join(
        f"WHEN {name}_cost IS NULL THEN '{name} cost ' || coalesce({name}_text, 'empty')"
        for name in _AMOUNTS
    )
    return f"""
        WITH counted AS (SELECT *, count(*) AS copies FROM {relation} AS source GROUP BY ALL),
        named AS (SELECT {keys}, {amounts}, copies FROM counted),
        parsed AS (SELECT *, {parsed} FROM named),
        judged AS (SELECT *, CASE {wrong} END AS wrong,
                          category = 'Usage' AND NOT correction AND effective_cost < 0 AS negative
                   FROM parsed)
        SELECT CAST(date_trunc('{period}', TRY_CAST(start AS TIMESTAMP)) AS DATE) AS start,
               workload, coalesce(service, '') AS service, category, correction, commitment, used,
               currency, provider, {sums}, sum(copies - 1)::BIGINT AS repeated,
               sum((copies - 1) * billed_cost) AS repeated_cost, count(*) AS lines, min(wrong),
               count(*) FILTER (negative) AS negative,
               sum(effective_cost) FILTER (negative) AS negative_cost
        FROM judged
        GROUP BY ALL ORDER BY ALL
    """  # noqa: S608 - names come from the export's own columns, quoted


def _assemble(rows: list[tuple[object, ...]], path: str, source: str) -> BilledCharges:
    if not rows:
        raise BadTrace(f"{path} holds no charges; give at least one row")
    _one_currency({str(row[7]) for row in rows if row[7]}, path)
    repeated, negative = _Tally(), _Tally()
    charges = []
    for row in rows:
        start, workload, service, category, correction, commitment, used = row[:7]
        amounts = [Decimal(str(value or 0)) for value in row[9:13]]
        copies, copied_usd, lines, wrong, below, below_usd = row[13:19]
        if wrong is not None:
            raise BadTrace(f"{path}: {str(wrong)[:60]} is no amount; correct or export it again")
        if not isinstance(start, date):
            raise BadTrace(f"{path} holds charges without a readable date; export it again")
        repeated.add(copies, copied_usd)
        negative.add(below, below_usd)
        charges.append(
            Charge(
                start=start,
                workload=None if workload is None else str(workload),
                service=str(service),
                category=_category(category, path),
                list_usd=amounts[0],
                contracted_usd=amounts[1],
                effective_usd=amounts[2],
                billed_usd=amounts[3],
                source=source,
                provider=str(row[8]),
                correction=bool(correction),
                commitment_id=None if commitment is None else str(commitment),
                used=None if used is None else bool(used),
                lines=int(str(lines)),
            )
        )
    notes = []
    if repeated.lines:
        notes.append(
            f"lines that repeat another one exactly: {repeated.lines:,}; they count once, so "
            f"billed {format_usd(repeated.usd)} is left out"
        )
    if negative.lines:
        notes.append(
            f"negative usage marked neither credit nor correction: {negative.lines:,} lines, "
            f"{format_usd(negative.usd)} in all; it counts, as on the invoice"
        )
    return BilledCharges(tuple(charges), tuple(notes))


class _Tally:
    def __init__(self) -> None:
        self.lines, self.usd = 0, Decimal(0)

    def add(self, lines: object, usd: object) -> None:
        self.lines += int(str(lines or 0))
        self.usd += Decimal(str(usd or 0))


def _category(value: object, path: str) -> ChargeCategory:
    try:
        return ChargeCategory(str(value))
    except ValueError:
        known = ", ".join(ChargeCategory)
        raise BadTrace(
            f"{path}: charge category {str(value)[:40]!r} is not known; FOCUS has {known}"
        ) from None


def _one_currency(found: set[str], path: str) -> None:
    if len(found) > 1:
        raise BadTrace(
            f"{path} mixes the currencies {', '.join(sorted(found))}; amounts of different "
            "currencies cannot be added, give one currency at a time"
        )
    if found and found != {"USD"}:
        raise BadTrace(
            f"{path} bills in {next(iter(found))}; every price here is in USD, export it in USD"
        )
