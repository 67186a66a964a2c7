"""The bundled catalog against its sources and against figures published elsewhere."""

from __future__ import annotations

import gzip
import json
import os
from decimal import Decimal
from pathlib import Path

import moto
import pyarrow.parquet as pq
import pytest

from rightsizing.catalog.catalog import ON_DEMAND, Catalog
from rightsizing.catalog.catalogfile import BUNDLED_CATALOG
from rightsizing.catalog.specification import shape_of
from rightsizing.errors import CatalogError
from rightsizing.model.base import NoData
from rightsizing.model.price import Price
from rightsizing.units import to_cents, usd_per_month

DATA = os.environ.get("RIGHTSIZING_DATA")
_SPECIFIED = json.loads(BUNDLED_CATALOG.read_text(encoding="utf-8"))["specifications"]["families"]
_KNOWN = frozenset(
    f"{family}.{size}" for family, entry in _SPECIFIED.items() for size in entry["sizes"]
)
needs_data = pytest.mark.skipif(not DATA, reason="RIGHTSIZING_DATA is not set")


EXACT_FIELDS = (
    "vcpus",
    "physical_cores",
    "memory_mib",
    "architecture",
    "burstable",
    "current_generation",
    "gpu_count",
    "local_storage_gb",
    "bare_metal",
)
BASELINE_FIELDS = (
    "network_baseline_bytes_per_s",
    "ebs_baseline_bytes_per_s",
    "ebs_baseline_ops_per_s",
    "baseline_cpu_ratio",
)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """The bundled catalog, loaded once."""
    return Catalog.load()


def _listed(file: str) -> list[dict[str, object]]:
    assert DATA is not None
    return pq.read_table(Path(DATA) / "prices" / file).to_pylist()


@needs_data
def test_every_on_demand_price_is_rebuilt_exactly(catalog: Catalog) -> None:
    """Price of one size plus rule plus exceptions gives every price of every source table."""
    checked = 0
    for row in _listed("ec2_ondemand.parquet"):
        if row["os"] != "linux":
            continue
        region, name = str(row["region"]), str(row["instance_type"])
        if region not in catalog.regions() or name not in _KNOWN:
            continue
        price = catalog.price(name, region)
        if isinstance(price, NoData) or price.source != row["src"]:
            continue  # an older source of the same region
        if str(price.as_of) != str(row["as_of"])[:10]:
            continue
        assert price.usd_per_hour == Decimal(repr(row["price_hour"])), (name, region)
        checked += 1
    assert checked > 7_000


@needs_data
def test_every_listed_type_is_priced_in_us_east_1(catalog: Catalog) -> None:
    """The newest source's prices of known types are all there, and no price is invented."""
    listed = {
        row["instance_type"]
        for row in _listed("ec2_ondemand.parquet")
        if row["region"] == "us-east-1" and row["src"] == "karpenter-provider-aws"
    }
    shapes = {shape.instance_type for shape in catalog.shapes("us-east-1")}
    priced = {name for name in shapes if isinstance(catalog.price(name, "us-east-1"), Price)}
    assert priced == listed & shapes


@needs_data
@pytest.mark.parametrize(
    ("option", "source", "offering", "years"),
    [
        ("3y standard all-upfront", "Netflix service-capacity-modeling", "standard", 3),
        ("3y ec2-instance-sp all-upfront", "Netflix service-capacity-modeling",
         "ec2_instance_sp", 3),
        ("1y standard all-upfront", "LeanerCloud/ec2-instances-info", "standard", 1),
    ],
)  # fmt: skip
def test_commitment_rates_are_rebuilt_within_a_hundredth_of_a_cent(
    catalog: Catalog, option: str, source: str, offering: str, years: int
) -> None:
    """Upfront sums are whole dollars, so an hourly figure is exact to $0.0001 only."""
    checked = 0
    for row in _listed("ec2_reserved_and_sp.parquet"):
        found = (row["src"], row["offering"], row["term_years"], row["os"], row["payment"])
        if found != (source, offering, years, "linux", "all") or row["region"] != "us-east-1":
            continue
        name = str(row["instance_type"])
        if name not in _KNOWN or row["effective_hour"] is None:
            continue
        price = catalog.price(name, "us-east-1", option)
        assert isinstance(price, Price), name
        difference = abs(price.usd_per_hour - Decimal(repr(row["effective_hour"])))
        assert difference <= Decimal("0.00015"), name  # 0.0001 and its own rounding
        checked += 1
    assert checked > 300


def test_specifications_equal_the_source_they_were_packed_from(catalog: Catalog) -> None:
    """Packing by family and unpacking loses nothing of moto's DescribeInstanceTypes."""
    packed = Path(moto.__file__).parent / "ec2" / "resources" / "instance_types.json.gz"
    records = json.loads(gzip.decompress(packed.read_bytes()))
    compared = 0
    for record in records.values():
        shape = shape_of(record)
        if shape is None or shape.instance_type not in _KNOWN:
            continue
        kept = catalog.shape(shape.instance_type)
        for field in EXACT_FIELDS:
            assert getattr(kept, field) == getattr(shape, field), (shape.instance_type, field)
        for field in BASELINE_FIELDS:
            wanted, got = getattr(shape, field), getattr(kept, field)
            if isinstance(wanted, NoData):
                assert isinstance(got, NoData), (shape.instance_type, field)
            else:
                assert got == pytest.approx(wanted, rel=1e-6), (shape.instance_type, field)
        compared += 1
    assert compared > 1_200


@pytest.mark.parametrize(
    ("instance_type", "usd_a_month"),
    [("r6g.large", "73.58"), ("c7g.2xlarge", "211.70"), ("c5.2xlarge", "248.20")],
)
def test_prices_of_the_reference_case(
    catalog: Catalog, instance_type: str, usd_a_month: str
) -> None:
    """us-east-1 list of 2026-07, 730 hours: the figures the reference case quotes."""
    price = catalog.price(instance_type, "us-east-1")
    assert isinstance(price, Price)
    assert to_cents(usd_per_month(price.usd_per_hour)) == Decimal(usd_a_month)
    assert str(price.as_of) == "2026-07-20"


@pytest.mark.parametrize(
    ("instance_type", "ratio"),
    [
        ("t3.nano", 0.05),  # 6 credits an hour / (60 x 2 vCPUs)
        ("t3.large", 0.30),
        ("t4g.2xlarge", 0.40),
        ("t2.xlarge", 0.225),
        ("t2.2xlarge", 0.17),  # 81.6 / (60 x 8)
        ("m7i-flex.large", 0.40),
    ],
)
def test_baselines_of_burstable_and_flex_types(
    catalog: Catalog, instance_type: str, ratio: float
) -> None:
    """AWS publishes these as percentages; the catalog derives them from credits."""
    assert catalog.shape(instance_type).baseline_cpu_ratio == pytest.approx(ratio)


def test_a_new_burstable_family_without_credit_table_has_no_baseline(catalog: Catalog) -> None:
    """t8i is burstable by name; without its credits it must not look like a full-speed type."""
    shape = catalog.shape("t8i.small")
    assert shape.burstable
    assert isinstance(shape.baseline_cpu_ratio, NoData)


def test_network_and_ebs_are_baselines(catalog: Catalog) -> None:
    """m5.large: 0.75 Gbit/s and 650 Mbit/s for good, not "up to" 10 and 4.75 Gbit/s."""
    shape = catalog.shape("m5.large")
    assert shape.network_baseline_bytes_per_s == pytest.approx(0.75e9 / 8)
    assert shape.ebs_baseline_bytes_per_s == pytest.approx(650e6 / 8)
    assert shape.ebs_baseline_ops_per_s == 3600


def test_an_unlisted_price_is_unknown(catalog: Catalog) -> None:
    """Neither zero nor a guess: a type without a price says which source lacks it."""
    price = catalog.price("r9g.large", "us-east-1")
    assert isinstance(price, NoData)
    assert "r9g.large" in price.reason
    other = catalog.price("m5.large", "eu-central-2")
    assert isinstance(other, NoData)
    assert "eu-central-2" in other.reason


def test_every_known_price_is_positive(catalog: Catalog) -> None:
    """No rule or exception yields zero, in any region and purchase option."""
    for region in catalog.regions():
        for option in catalog.options(region):
            for shape in catalog.shapes(region):
                price = catalog.price(shape.instance_type, region, option)
                assert isinstance(price, NoData) or price.usd_per_hour > 0


def test_sizes_of_a_name_have_the_same_vcpus(catalog: Catalog) -> None:
    """An xlarge has four vCPUs and an nxlarge 4n, generations and families alike."""
    different = set()
    for shape in catalog.shapes("us-east-1"):
        size = shape.instance_type.split(".")[1]
        if size.endswith("xlarge") and not shape.bare_metal:
            times = int(size.removesuffix("xlarge") or 1)
            if shape.vcpus != 4 * times:
                different.add(shape.instance_type)
    # Sold with more memory for fewer cores, or before the rule existed.
    assert {name.split(".")[0] for name in different} <= {
        "c1", "c3", "c4", "g4dn", "i2", "m1", "m2", "m3", "m4", "r3", "r4", "x1", "x1e", "x2iezn",
        "g7", "i3", "m6g", "x8aedz", "z1d",
    }  # fmt: skip


def test_an_unknown_name_is_answered_with_near_ones(catalog: Catalog) -> None:
    """A typing slip in a type or a region names what was probably meant."""
    with pytest.raises(CatalogError, match=r"'m5\.lrge' is not in the catalog.*m5\.large"):
        catalog.shape("m5.lrge")
    with pytest.raises(CatalogError, match=r"'us-esat-1' is not in the catalog.*us-east-1"):
        catalog.shapes("us-esat-1")


def test_a_region_offers_only_what_its_source_lists(catalog: Catalog) -> None:
    """Offers are by region: every us-east-1 name is a shape, and regions differ."""
    virginia = {shape.instance_type for shape in catalog.shapes("us-east-1")}
    jakarta = {shape.instance_type for shape in catalog.shapes("ap-southeast-3")}
    assert "m5.large" in jakarta
    assert virginia - jakarta
    assert catalog.offers("m5.large", "ap-southeast-3")
    assert not catalog.offers("nothing.large", "us-east-1")


def test_fargate_rates_are_of_a_month(catalog: Catalog) -> None:
    """$0.04048 a vCPU-hour and $0.004445 a GiB-hour, 730 hours; other regions unknown."""
    rates = catalog.fargate_rates("us-east-1")
    assert not isinstance(rates, NoData)
    assert rates.usd_per_core_month == Decimal("29.5504")  # 0.04048 x 730
    assert rates.usd_per_gib_month == Decimal("3.24485")  # 0.004445 x 730
    assert isinstance(catalog.fargate_rates("eu-west-1"), NoData)


def test_the_file_stays_small() -> None:
    """Rules instead of lists: under 200 KB."""
    assert BUNDLED_CATALOG.stat().st_size < 200_000


def test_commitments_are_below_on_demand(catalog: Catalog) -> None:
    """A three-year commitment of a current family costs less than on-demand does."""
    for name in ("m5.large", "c7g.xlarge", "r6i.4xlarge"):
        on_demand = catalog.price(name, "us-east-1", ON_DEMAND)
        committed = catalog.price(name, "us-east-1", "3y standard all-upfront")
        assert isinstance(on_demand, Price)
        assert isinstance(committed, Price)
        assert committed.usd_per_hour < on_demand.usd_per_hour
