# ruff: noqa: INP001, a script, not a package
"""Rebuild ``rightsizing/catalog/data/catalog.json`` from its dated sources.

    RIGHTSIZING_DATA=... python tools/build_catalog.py [output]

Specifications and offerings come from moto's bundled copy of DescribeInstanceTypes and
DescribeInstanceTypeOfferings (Apache-2.0), prices from the dated tables under
``$RIGHTSIZING_DATA/prices``. A price table keeps, for each family, the price of one size, and every
size that the rule "linear in memory" does not give exactly as an exception.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

import moto
import pyarrow.parquet as pq

from rightsizing.catalog.catalog import Catalog, linear_price
from rightsizing.catalog.catalogfile import (
    BUNDLED_CATALOG,
    CatalogFile,
    FamilyPrice,
    FargateTable,
    Offerings,
    PriceTable,
    Specifications,
    format_catalog_file,
)
from rightsizing.catalog.compaction import families_of, offerings_of
from rightsizing.catalog.specification import shape_of
from rightsizing.model.shape import InstanceShape
from rightsizing.model.workload import Architecture

MOTO = Path(moto.__file__).parent / "ec2" / "resources"
# moto's files carry no date; its 5.2.5 release was packed on this day.
MOTO_AS_OF = date(2026, 10, 27)
MOST_DECIMALS = 6
DEFAULT_DECIMALS = 4  # of FamilyPrice; preferred, as it is left out of the file
# General, compute, memory, burstable and storage families, and GPU families for whoever runs one.
# Left out: HDD storage (d), high-memory metal (u), training and inference (p, trn, inf, dl), HPC,
# video, FPGA, Mac.
FAMILIES = re.compile(r"^(a|c|g|i|m|r|t|x|z)\d")
# Commitments bought upfront are whole dollars spread over the term, so the hourly figure of a small
# size is rounded; a size within this of the rule is not an exception.
COMMITMENT_TOLERANCE_USD = Decimal("0.0001")

# (option, source in the table, as_of, what the catalog calls it). Newest on-demand source first:
# a region keeps the newest only, so that one table has one date.
ON_DEMAND_SOURCES = (
    ("karpenter-provider-aws", date(2026, 7, 20)),
    ("cortexlabs/cortex", date(2022, 9, 3)),
)
COMMITMENTS = (
    ("3y standard all-upfront", "Netflix service-capacity-modeling", "standard", 3, "all"),
    ("3y ec2-instance-sp all-upfront", "Netflix service-capacity-modeling", "ec2_instance_sp", 3,
     "all"),
    ("1y standard all-upfront", "LeanerCloud/ec2-instances-info", "standard", 1, "all"),
)  # fmt: skip
# infracost's golden files give cost / quantity, rounded (0.0404795 and 0.0044452); these are the
# list figures they stand for. The arm64 rates have no dated source here, so they stay unknown.
FARGATE = FargateTable(
    region="us-east-1",
    architecture=Architecture.X86_64,
    source="infracost golden files, rounded to the list figure",
    as_of=date(2025, 7, 7),
    usd_per_vcpu_hour=Decimal("0.04048"),
    usd_per_gib_hour=Decimal("0.004445"),
)


def main(output: Path) -> None:
    """Write the catalog and print how well the rule fits."""
    prices = Path(os.environ["RIGHTSIZING_DATA"]) / "prices"
    records = json.loads(gzip.decompress((MOTO / "instance_types.json.gz").read_bytes()))
    shapes = [
        shape
        for shape in map(shape_of, records.values())
        if shape is not None and FAMILIES.match(shape.family)
    ]
    known = {shape.instance_type: shape for shape in shapes}
    tables = [*on_demand_tables(prices, known), *commitment_tables(prices, known)]
    source = f"moto {version('moto')} bundled"
    catalog = CatalogFile(
        specifications=Specifications(
            source=f"{source} DescribeInstanceTypes (Apache-2.0)",
            as_of=MOTO_AS_OF,
            families=families_of(shapes),
        ),
        prices=tuple(tables),
        fargate=(FARGATE,),
        offerings_source=f"{source} DescribeInstanceTypeOfferings (Apache-2.0)",
        offerings_as_of=MOTO_AS_OF,
        offerings=offerings(known),
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(format_catalog_file(catalog), encoding="utf-8")
    Catalog.load(output)
    for table in tables:
        families = table.families.values()
        exceptions = sum(len(family.exceptions) for family in families)
        sys.stdout.write(
            f"{table.region:16} {table.option:32} {table.as_of} "
            f"{len(table.families):4} families {exceptions:4} exceptions\n"
        )
    sys.stdout.write(f"{output}: {output.stat().st_size:,} bytes, {len(shapes)} types\n")


def on_demand_tables(prices: Path, known: Mapping[str, InstanceShape]) -> Iterable[PriceTable]:
    """One Linux on-demand table a region, from its newest complete source."""
    found: dict[tuple[str, str, date], dict[str, Decimal]] = defaultdict(dict)
    for row in pq.read_table(prices / "ec2_ondemand.parquet").to_pylist():
        if row["os"] == "linux" and row["instance_type"] in known:
            key = (row["region"], row["src"], _date(row["as_of"]))
            found[key][row["instance_type"]] = Decimal(repr(row["price_hour"]))
    for region in sorted({key[0] for key in found}):
        for source, as_of in ON_DEMAND_SOURCES:
            listed = found.get((region, source, as_of))
            if listed:
                yield table_of(region, "on-demand", source, as_of, listed, known, Decimal(0))
                break


def commitment_tables(prices: Path, known: Mapping[str, InstanceShape]) -> Iterable[PriceTable]:
    """Effective hourly commitment rates of us-east-1."""
    rows = pq.read_table(prices / "ec2_reserved_and_sp.parquet").to_pylist()
    for option, source, offering, years, payment in COMMITMENTS:
        chosen = [
            row
            for row in rows
            if (row["src"], row["offering"], row["term_years"], row["payment"])
            == (source, offering, years, payment)
            and (row["os"], row["region"]) == ("linux", "us-east-1")
            and row["instance_type"] in known
            and row["effective_hour"] is not None
        ]
        listed = {
            row["instance_type"]: Decimal(repr(row["effective_hour"])).quantize(Decimal("1e-6"))
            for row in chosen
        }
        as_of = _date(chosen[0]["as_of"])
        yield table_of("us-east-1", option, source, as_of, listed, known, COMMITMENT_TOLERANCE_USD)


def table_of(  # noqa: PLR0917
    region: str,
    option: str,
    source: str,
    as_of: date,
    listed: Mapping[str, Decimal],
    known: Mapping[str, InstanceShape],
    tolerance_usd: Decimal,
) -> PriceTable:
    """Compress listed prices into a rule a family."""
    families: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for name, usd in listed.items():
        families[known[name].family][name] = usd
    return PriceTable(
        region=region,
        option=option,
        source=source,
        as_of=as_of,
        families={
            family: fit_family(family, prices, known, tolerance_usd)
            for family, prices in sorted(families.items())
        },
    )


def fit_family(
    family: str,
    listed: Mapping[str, Decimal],
    known: Mapping[str, InstanceShape],
    tolerance_usd: Decimal,
) -> FamilyPrice:
    """The reference size and rounding that leave the fewest exceptions; ties: larger size."""
    best: tuple[int, int, int, int, str, dict[str, Decimal]] | None = None
    for reference in sorted(listed):
        for decimals in range(3, MOST_DECIMALS + 1):
            broken = {
                name.split(".", 1)[1]: usd
                for name, usd in sorted(listed.items())
                if abs(
                    linear_price(
                        listed[reference],
                        known[reference].memory_mib,
                        known[name].memory_mib,
                        decimals,
                    )
                    - usd
                )
                > tolerance_usd
            }
            rank = (
                len(broken),
                abs(decimals - DEFAULT_DECIMALS),
                decimals,
                -known[reference].memory_mib,
                reference,
                broken,
            )
            if best is None or rank[:5] < best[:5]:
                best = rank
    assert best is not None
    _, _, decimals, _, reference, broken = best
    sizes = {shape.instance_type for shape in known.values() if shape.family == family}
    return FamilyPrice(
        of=reference.split(".", 1)[1],
        usd=listed[reference],
        decimals=decimals,
        exceptions=broken,
        unknown=tuple(sorted(name.split(".", 1)[1] for name in sizes - set(listed))),
    )


def offerings(known: Mapping[str, InstanceShape]) -> dict[str, Offerings]:
    """Types by region, whole families named once."""
    found = {}
    for path in sorted((MOTO / "instance_type_offerings" / "region").glob("*.json.gz")):
        listed = json.loads(gzip.decompress(path.read_bytes()))
        names = [entry["InstanceType"] for entry in listed]
        found[path.name.removesuffix(".json.gz")] = offerings_of(names, known.values())
    return found


def _date(value: object) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value)[:10])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else BUNDLED_CATALOG)
