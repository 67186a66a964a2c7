"""Refreshing the catalog from replies shaped as AWS sends them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rightsizing.catalog.catalog import Catalog
from rightsizing.catalog.catalogfile import BUNDLED_CATALOG, CatalogFile, read_catalog_file
from rightsizing.errors import CatalogError, RightsizingError, Throttled
from rightsizing.measure.pricelist import refresh_catalog
from rightsizing.measure.progress import Progress, ignore_progress
from rightsizing.model.base import NoData
from rightsizing.model.price import Price
from rightsizing.model.workload import Architecture

TODAY = date(2026, 11, 23)

M5_LARGE = {
    "InstanceType": "m5.large",
    "CurrentGeneration": True,
    "BareMetal": False,
    "BurstablePerformanceSupported": False,
    "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]},
    "VCpuInfo": {"DefaultVCpus": 2, "DefaultCores": 1},
    "MemoryInfo": {"SizeInMiB": 8192},
    "NetworkInfo": {"NetworkCards": [{"BaselineBandwidthInGbps": 0.75}]},
    "EbsInfo": {
        "EbsOptimizedInfo": {"BaselineBandwidthInMbps": 650, "BaselineIops": 3600},
    },
}
MAC = {**M5_LARGE, "InstanceType": "mac2.metal"}
MAC["ProcessorInfo"] = {"SupportedArchitectures": ["arm64_mac"]}


def on_demand(usd: str, unit: str = "Hrs") -> dict[str, Any]:
    """The OnDemand terms of a product."""
    dimension = {"unit": unit, "pricePerUnit": {"USD": usd}}
    return {"SKU.JRTC": {"priceDimensions": {"SKU.JRTC.6YS6": dimension}}}


def product(attributes: dict[str, str], terms: dict[str, Any]) -> str:
    """One entry of PriceList, which is a string of JSON."""
    return json.dumps(
        {
            "product": {"attributes": attributes},
            "terms": terms,
            "publicationDate": "2026-11-20T10:00:00Z",
        }
    )


RESERVED = {
    "SKU.A": {
        "termAttributes": {
            "LeaseContractLength": "1yr",
            "OfferingClass": "standard",
            "PurchaseOption": "Partial Upfront",
        },
        "priceDimensions": {
            "x": {"unit": "Quantity", "pricePerUnit": {"USD": "219"}},
            "y": {"unit": "Hrs", "pricePerUnit": {"USD": "0.0250"}},
        },
    }
}


class Replies:
    """Stands where AwsClients does: answers of one region, or an error."""

    def __init__(self, ec2: list[str], ecs: list[str], error: RightsizingError | None = None):
        self.lists = {"AmazonEC2": ec2, "AmazonECS": ecs}
        self.error = error
        self.filters: list[Any] = []

    def pages(self, service: str, operation: str, key: str, **given: Any) -> Iterator[Any]:
        if self.error is not None:
            raise self.error
        if (service, operation, key) == ("ec2", "describe_instance_types", "InstanceTypes"):
            yield from (M5_LARGE, MAC)
            return
        assert (service, operation, key) == ("pricing", "get_products", "PriceList")
        self.filters.append(given["Filters"])
        yield from self.lists[given["ServiceCode"]]


@pytest.fixture
def replies() -> Replies:
    """A region with one type, one commitment, both Fargate rates, and things to leave out."""
    return Replies(
        ec2=[
            product(
                {"instanceType": "m5.large", "regionCode": "eu-west-1"},
                {"OnDemand": on_demand("0.1070000000"), "Reserved": RESERVED},
            ),
            product({"instanceType": "m5"}, {"OnDemand": on_demand("5.0")}),
            product({"instanceType": "mac2.metal"}, {"OnDemand": on_demand("0.65")}),
        ],
        ecs=[
            product({"usagetype": "EU-Fargate-vCPU-Hours:perCPU"}, {"OnDemand": on_demand("0.04")}),
            product({"usagetype": "EU-Fargate-GB-Hours"}, {"OnDemand": on_demand("0.0044")}),
            product({"usagetype": "EU-Fargate-ARM-GB-Hours"}, {"OnDemand": on_demand("0.003")}),
            product(
                {"usagetype": "EU-Fargate-Windows-vCPU-Hours:perCPU"},
                {"OnDemand": on_demand("0.09")},
            ),
        ],
    )


@pytest.fixture
def base() -> CatalogFile:
    """The bundled catalog."""
    return read_catalog_file(BUNDLED_CATALOG)


def test_prices_of_a_region_are_replaced(
    replies: Replies, base: CatalogFile, tmp_path: Path
) -> None:
    """On-demand, commitment and Fargate rates come from the list, with its publication date."""
    path = tmp_path / "catalog.json"
    result = refresh_catalog(
        lambda region: replies, ["eu-west-1"], path, ignore_progress, base=base, today=TODAY
    )  # type: ignore[arg-type, return-value]
    assert result.complete
    catalog = Catalog.load(path)
    assert catalog.price("m5.large", "eu-west-1") == Price(
        Decimal("0.1070000000"), "eu-west-1", "AWS Price List API", date(2026, 11, 20)
    )
    # 219 / 8,760 + 0.025 = 0.05
    reserved = catalog.price("m5.large", "eu-west-1", "1y standard partial-upfront")
    assert isinstance(reserved, Price)
    assert reserved.usd_per_hour == Decimal("0.05")
    rates = catalog.fargate_rates("eu-west-1")
    assert not isinstance(rates, NoData)
    assert rates.usd_per_core_month == Decimal("29.2")  # 0.04 x 730
    # Only one of the two ARM rates was listed, so nothing is known.
    assert isinstance(catalog.fargate_rates("eu-west-1", Architecture.ARM64), NoData)


def test_what_the_list_does_not_price_becomes_unknown(
    replies: Replies, base: CatalogFile, tmp_path: Path
) -> None:
    """An old price of the same region does not outlive the refresh; other regions keep theirs."""
    path = tmp_path / "catalog.json"
    before = Catalog.of(base)
    assert isinstance(before.price("c5.large", "eu-west-1"), Price)
    refresh_catalog(
        lambda region: replies, ["eu-west-1"], path, ignore_progress, base=base, today=TODAY
    )  # type: ignore[arg-type, return-value]
    after = Catalog.load(path)
    assert isinstance(after.price("c5.large", "eu-west-1"), NoData)
    assert after.price("c5.large", "us-east-1") == before.price("c5.large", "us-east-1")
    assert [shape.instance_type for shape in after.shapes("eu-west-1")] == ["m5.large"]


def test_sizes_not_seen_follow_their_family(
    replies: Replies, base: CatalogFile, tmp_path: Path
) -> None:
    """m5.large is now listed as current, so the other m5 sizes are too."""
    path = tmp_path / "catalog.json"
    refresh_catalog(
        lambda region: replies, ["eu-west-1"], path, ignore_progress, base=base, today=TODAY
    )  # type: ignore[arg-type, return-value]
    assert Catalog.load(path).shape("m5.xlarge").current_generation


def test_a_region_that_fails_is_named_and_keeps_its_prices(
    replies: Replies, base: CatalogFile, tmp_path: Path
) -> None:
    """One throttled region does not spoil the others."""
    path = tmp_path / "catalog.json"
    clients = {"eu-west-1": replies, "us-west-2": Replies([], [], Throttled("still throttled"))}
    result = refresh_catalog(
        clients.__getitem__, list(clients), path, ignore_progress, base=base, today=TODAY
    )  # type: ignore[arg-type]
    assert not result.complete
    assert result.failures == ("us-west-2 was not refreshed: still throttled",)
    assert Catalog.load(path).price("m5.large", "us-west-2") == Catalog.of(base).price(
        "m5.large", "us-west-2"
    )


def test_nothing_is_written_when_no_region_answers(base: CatalogFile, tmp_path: Path) -> None:
    """The error is the region's own, and the old file stays."""
    path = tmp_path / "catalog.json"
    path.write_text("old", encoding="utf-8")
    silent = Replies([], [], Throttled("still throttled"))
    with pytest.raises(Throttled):
        refresh_catalog(
            lambda region: silent, ["eu-west-1"], path, ignore_progress, base=base, today=TODAY
        )  # type: ignore[arg-type, return-value]
    assert path.read_text(encoding="utf-8") == "old"


def test_an_empty_list_is_a_failure(base: CatalogFile, tmp_path: Path) -> None:
    """A wrong region code answers with no products; that is not a catalog without prices."""
    with pytest.raises(CatalogError, match="holds no Linux instance prices for 'eu-wset-1'"):
        refresh_catalog(
            lambda region: Replies([], []),
            ["eu-wset-1"],
            tmp_path / "catalog.json",
            ignore_progress,
            base=base,
            today=TODAY,
        )  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    "terms",
    [
        {"OnDemand": on_demand("0.0000000000")},
        {"OnDemand": {}},
        {},
        {"OnDemand": on_demand("free")},
        {"OnDemand": on_demand("0.1", unit="Quantity")},
    ],
)
def test_a_product_without_a_plain_price_is_left_out(
    replies: Replies, base: CatalogFile, tmp_path: Path, terms: dict[str, Any]
) -> None:
    """A price of zero, none, or in another unit is unknown, and counted as skipped."""
    path = tmp_path / "catalog.json"
    replies.lists["AmazonEC2"].insert(0, "not json")
    replies.lists["AmazonEC2"].append(product({"instanceType": "m5.large"}, terms))
    result = refresh_catalog(
        lambda region: replies, ["eu-west-1"], path, ignore_progress, base=base, today=TODAY
    )  # type: ignore[arg-type, return-value]
    assert result.skipped == 2  # the text that is no JSON, and this product
    price = Catalog.load(path).price("m5.large", "eu-west-1")
    assert isinstance(price, Price)
    assert price.usd_per_hour == Decimal("0.107")


def test_progress_is_told(replies: Replies, base: CatalogFile, tmp_path: Path) -> None:
    """One step a region, and the end."""
    steps: list[Progress] = []
    refresh_catalog(
        lambda region: replies,
        ["eu-west-1", "eu-west-2"],
        tmp_path / "catalog.json",
        steps.append,
        base=base,
        today=TODAY,
    )  # type: ignore[arg-type, return-value]
    assert [step.done for step in steps] == [0, 1, 2]
    assert {step.total for step in steps} == {2}


def test_an_unwritable_folder_is_one_sentence(
    replies: Replies, base: CatalogFile, tmp_path: Path
) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(CatalogError, match="cannot be written"):
        refresh_catalog(
            lambda region: replies,
            ["eu-west-1"],
            tmp_path / "file" / "catalog.json",
            ignore_progress,
            base=base,
            today=TODAY,
        )  # type: ignore[arg-type, return-value]
