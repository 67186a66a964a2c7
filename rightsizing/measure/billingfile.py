"""Billing exports as hourly usage: CUR 2.0, FOCUS, or a plain table of instance hours.

The format is known by its columns. Only compute usage that a commitment could cover is taken:
on-demand, reserved and savings-plan hours of EC2, Fargate and Lambda; spot, tax, fees and credits
are counted and left out, with their sums in the notes. Identical rows count once.

Columns: AWS Data Exports table dictionary (CUR 2.0), FOCUS 1.0 to 1.2 with AWS's ``x_`` columns.
The plain table has timestamp, instance_type, region, instances, usd_per_hour, and optionally zone,
account, platform, tenancy and workload.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum, unique
from pathlib import Path

import duckdb

from rightsizing.errors import BadTrace
from rightsizing.measure.billingrows import BilledHour, BilledUsage, assemble

SUFFIXES = (".parquet", ".csv", ".csv.gz")
_TYPE = r"([a-z][a-z0-9-]*\.(?:\d*x?large|nano|micro|small|medium|metal[a-z0-9-]*))"
# AWS's operation codes of EC2 and the platforms they stand for.
_PLATFORMS = """
    CASE split_part({operation}, ':', 2)
        WHEN '' THEN 'Linux/UNIX' WHEN '0002' THEN 'Windows'
        WHEN '0010' THEN 'Red Hat Enterprise Linux' WHEN '000g' THEN 'SUSE Linux'
        ELSE 'operation ' || {operation} END
"""


@unique
class BillingFormat(StrEnum):
    """Which columns a file has."""

    CUR = "CUR 2.0"
    FOCUS = "FOCUS"
    PLAIN = "plain"


_MARKS = {
    BillingFormat.CUR: {"line_item_usage_start_date", "line_item_usage_amount"},
    BillingFormat.FOCUS: {"chargeperiodstart", "chargecategory"},
    BillingFormat.PLAIN: {"timestamp", "instance_type", "instances"},
}


@dataclass(frozen=True, slots=True)
class _Source:
    relation: str
    columns: frozenset[str]

    def column(self, name: str, default: str = "NULL") -> str:
        """The column as text, or a default where the export has none."""
        return f'CAST("{name}" AS VARCHAR)' if name in self.columns else default


def read_billing(path: Path) -> BilledUsage:
    """Read a file, or every Parquet and CSV file of a folder and its subfolders.

    Raises BadTrace naming the file and what is wrong with it.
    """
    files = billing_files(path)
    connection = duckdb.connect()
    try:
        source = _source(connection, files)
        kind = _format(source, path)
        query = {
            BillingFormat.CUR: _cur,
            BillingFormat.FOCUS: _focus,
            BillingFormat.PLAIN: _plain,
        }[kind](source)
        rows = [BilledHour(*row) for row in connection.execute(query).fetchall()]
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise BadTrace(f"{path} cannot be read as billing data ({reason})") from None
    finally:
        connection.close()
    found = assemble(rows, str(path))
    again = sum(row.lines > 1 for row in rows)
    if kind is BillingFormat.PLAIN and again:
        note = f"{again:,} hours of a type are given more than once, with other figures; all add up"
        return replace(found, notes=(*found.notes, note))
    return found


def billing_files(path: Path) -> list[Path]:
    """The file itself, or every billing file below a folder. Raises BadTrace without any."""
    if not path.exists():
        raise BadTrace(f"there is no file or folder {path}")
    if not path.is_dir():
        return [path]
    found = sorted(one for one in path.rglob("*") if one.name.endswith(SUFFIXES))
    if not found:
        raise BadTrace(f"the folder {path} holds no file ending in {', '.join(SUFFIXES)}")
    return found


def quoted(name: str) -> str:
    """A file's name for DuckDB: as a string, and as no pattern that would match other files."""
    plain = "".join(f"[{one}]" if one in "*?[" else one for one in name)
    return "'" + plain.replace("'", "''") + "'"


def _source(connection: duckdb.DuckDBPyConnection, files: list[Path]) -> _Source:
    names = [str(one) for one in files]
    parquet = all(name.endswith(".parquet") for name in names)
    reader = "read_parquet" if parquet else "read_csv"
    options = "union_by_name=true" if parquet else "union_by_name=true, all_varchar=true"
    listed = ", ".join(quoted(name) for name in names)
    relation = f"{reader}([{listed}], {options})"
    described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()  # noqa: S608
    spelled = {row[0].lower(): row[0] for row in described}
    renamed = ", ".join(
        '"' + name.replace('"', '""') + '" AS "' + lower.replace('"', '""') + '"'
        for lower, name in spelled.items()
    )
    return _Source(f"(SELECT {renamed} FROM {relation})", frozenset(spelled))  # noqa: S608


def _format(source: _Source, path: Path) -> BillingFormat:
    for kind, marks in _MARKS.items():
        if marks <= source.columns:
            return kind
    raise BadTrace(
        f"{path} has none of the known column sets (CUR 2.0: line_item_usage_start_date ..., "
        f"FOCUS: ChargePeriodStart ..., plain: timestamp, instance_type, instances); it has "
        f"{', '.join(sorted(source.columns)[:6])}"
    )


def _cur(source: _Source) -> str:
    column = source.column
    usage = column("line_item_usage_type", "''")
    product = column("line_item_product_code", "'AmazonEC2'")
    amount = column("line_item_usage_amount")
    line = column("line_item_line_item_type", "'Usage'")
    name = f"""
        CASE WHEN {usage} LIKE '%Fargate%' OR {usage} LIKE '%Lambda%' THEN {usage}
        ELSE coalesce(nullif({column("product_instance_type")}, ''),
                      nullif(regexp_extract({usage}, '{_TYPE}', 1), '')) END
    """
    kind = f"""
        CASE WHEN {usage} LIKE '%SpotUsage%' THEN 'spot'
             WHEN {line} IN
                  ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage')
             THEN 'usage' ELSE lower({line}) END
    """
    return _query(
        source.relation,
        hour=column("line_item_usage_start_date"),
        name=name,
        region=column("product_region_code", column("product_region")),
        zone=column("line_item_availability_zone"),
        account=column("line_item_usage_account_id"),
        platform=_PLATFORMS.format(operation=column("line_item_operation", "'RunInstances'")),
        tenancy=column("product_tenancy", "'Shared'"),
        workload=column("resource_tags_user_workload"),
        quantity=amount,
        usd=column("pricing_public_on_demand_cost"),
        currency=column("line_item_currency_code", "'USD'"),
        kind=kind,
        wanted=(
            f"({usage} LIKE '%BoxUsage%' OR {usage} LIKE '%HeavyUsage%' OR {usage} LIKE "
            f"'%DedicatedUsage%' OR {usage} LIKE '%SpotUsage%' OR {usage} LIKE '%Fargate-%Hours%' "
            f"OR {usage} LIKE '%Lambda-GB-Second%' OR ({product} = 'AmazonEC2' AND "
            f"{line} <> 'Usage'))"
        ),
    )


def _focus(source: _Source) -> str:
    column = source.column
    usage = column("x_usagetype", column("skumeter", "''"))
    described, service = column("chargedescription", "''"), column("servicename", "''")
    text = f"coalesce({usage}, '') || ' ' || coalesce({described}, '')"
    details = column("skupricedetails", column("x_instancetype", "''"))
    quantity = column("pricingquantity", column("consumedquantity"))
    kind = f"""
        CASE WHEN lower({column("pricingcategory", "''")}) IN ('dynamic', 'spot')
                  OR {usage} LIKE '%SpotUsage%' THEN 'spot'
             WHEN lower({column("commitmentdiscountstatus", "''")}) = 'unused' THEN 'unused'
             ELSE lower({column("chargecategory")}) END
    """
    return _query(
        source.relation,
        hour=column("chargeperiodstart"),
        name=f"""coalesce(nullif(regexp_extract({details}, '{_TYPE}', 1), ''),
                          nullif(regexp_extract({text}, '{_TYPE}', 1), ''))""",
        region=column("regionid"),
        zone=column("availabilityzone"),
        account=column("subaccountid"),
        platform=_PLATFORMS.format(operation=column("x_operation", "'RunInstances'")),
        tenancy="'Shared'",
        workload="NULL",
        quantity=quantity,
        usd=column("listcost"),
        currency=column("billingcurrency", "'USD'"),
        kind=kind,
        wanted=(
            f"({service} LIKE '%Elastic Compute Cloud%' AND "
            f"regexp_matches({text} || ' ' || coalesce({details}, ''), '{_TYPE}'))"
        ),
    )


def _plain(source: _Source) -> str:
    column = source.column
    rate = column("usd_per_hour")
    return _query(
        source.relation,
        hour=column("timestamp"),
        name=column("instance_type"),
        region=column("region", "'us-east-1'"),
        zone=column("zone"),
        account=column("account"),
        platform=column("platform", "'Linux/UNIX'"),
        tenancy=column("tenancy", "'shared'"),
        workload=column("workload"),
        quantity=column("instances"),
        usd=f"CAST({rate} AS DOUBLE) * CAST({column('instances')} AS DOUBLE)",
        currency=column("currency", "'USD'"),
        kind="'usage'",
        wanted="true",
    )


def _query(relation: str, *, wanted: str, **columns: str) -> str:
    """One row an hour and SKU, identical source rows once, with how many were repeated."""
    order = (
        "hour",
        "name",
        "region",
        "zone",
        "account",
        "platform",
        "tenancy",
        "workload",
        "currency",
        "kind",
    )
    keys = ", ".join(f"{columns[name]} AS {name}" for name in order)
    return f"""
        WITH counted AS (
            SELECT *, count(*) AS copies FROM {relation} AS source WHERE {wanted} GROUP BY ALL),
        rows AS (
            SELECT {keys}, CAST({columns["quantity"]} AS DOUBLE) AS quantity,
                   CAST({columns["usd"]} AS DOUBLE) AS usd, copies
            FROM counted)
        SELECT epoch_ms(CAST(hour AS TIMESTAMP)) // 3600000 AS hour,
               epoch_ms(CAST(hour AS TIMESTAMP)) % 3600000 = 0 AS whole,
               name, region, nullif(zone, '') AS zone, nullif(account, '') AS account, platform,
               tenancy, nullif(workload, '') AS workload, currency, kind, quantity < 0 AS negative,
               sum(quantity) AS quantity, sum(usd) AS usd, sum(copies - 1)::BIGINT AS repeated,
               count(*) AS lines
        FROM rows GROUP BY ALL ORDER BY ALL
    """  # noqa: S608 - names come from the export's own columns, quoted
