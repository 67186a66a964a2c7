"""Look-ups over small hand-made catalogs."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from rightsizing.catalog.catalog import Catalog, linear_price
from rightsizing.catalog.catalogfile import (
    CatalogFile,
    FamilyPrice,
    FamilySpecification,
    Offerings,
    PriceTable,
    Specifications,
    format_catalog_file,
    read_catalog_file,
)
from rightsizing.catalog.fargate import FARGATE_SIZES
from rightsizing.catalog.specification import shape_of
from rightsizing.errors import CatalogError
from rightsizing.model.base import NoData
from rightsizing.model.price import Price
from rightsizing.model.workload import Architecture

AS_OF = date(2026, 1, 2)


@pytest.fixture
def document() -> CatalogFile:
    """One family of three sizes; the largest breaks the price rule, the smallest is unpriced."""
    return CatalogFile(
        specifications=Specifications(
            source="by hand",
            as_of=AS_OF,
            families={
                "m5": FamilySpecification(
                    architecture=Architecture.X86_64,
                    current_generation=True,
                    sizes={
                        "medium": (1, 1, 4096, 375, None, 1800, None, 0, 0, False),
                        "large": (2, 1, 8192, 750, 650, 3600, None, 0, 0, False),
                        "xlarge": (4, 2, 16384, 1250, 1150, 6000, None, 0, 0, False),
                        "metal": (96, 48, 393216, 25000, 19000, 80000, None, 0, 0, True),
                    },
                )
            },
        ),
        prices=(
            PriceTable(
                region="us-east-1",
                source="list",
                as_of=AS_OF,
                families={
                    "m5": FamilyPrice(
                        of="xlarge",
                        usd=Decimal("0.1925"),
                        decimals=3,
                        exceptions={"metal": Decimal("5.0")},
                        unknown=("medium",),
                    )
                },
            ),
            PriceTable(
                region="nowhere-1",
                source="list",
                as_of=AS_OF,
                types={"m5.large": Decimal("0.2")},
            ),
        ),
        offerings_source="by hand",
        offerings_as_of=AS_OF,
        offerings={"us-east-1": Offerings(whole=("m5",))},
    )


def test_the_rule_is_linear_in_memory_and_rounds_half_up(document: CatalogFile) -> None:
    """0.1925 x 8192 / 16384 = 0.09625, at three decimals 0.096; exceptions are as listed."""
    catalog = Catalog.of(document)
    assert catalog.price("m5.large", "us-east-1") == Price(
        Decimal("0.096"), "us-east-1", "list", AS_OF
    )
    assert catalog.price("m5.metal", "us-east-1") == Price(
        Decimal("5.0"), "us-east-1", "list", AS_OF
    )
    # Half up, as price lists round: 0.0725 / 2 = 0.03625 -> 0.0363.
    assert linear_price(Decimal("0.0725"), 4096, 2048, 4) == Decimal("0.0363")


def test_a_size_the_source_does_not_price_is_unknown(document: CatalogFile) -> None:
    """The rule could give a figure for it; the source did not."""
    assert isinstance(Catalog.of(document).price("m5.medium", "us-east-1"), NoData)


def test_exact_prices_need_no_rule(document: CatalogFile) -> None:
    """A refreshed table lists types; what it does not list is unknown."""
    catalog = Catalog.of(document)
    assert catalog.price("m5.large", "nowhere-1") == Price(
        Decimal("0.2"), "nowhere-1", "list", AS_OF
    )
    assert isinstance(catalog.price("m5.xlarge", "nowhere-1"), NoData)


def test_a_region_without_offerings_offers_what_it_prices(document: CatalogFile) -> None:
    """nowhere-1 has a price for one type, so that one is offered."""
    shapes = Catalog.of(document).shapes("nowhere-1")
    assert [shape.instance_type for shape in shapes] == ["m5.large"]


def test_an_unknown_baseline_is_not_zero(document: CatalogFile) -> None:
    """null in the file becomes NoData with the type's name."""
    baseline = Catalog.of(document).shape("m5.medium").ebs_baseline_bytes_per_s
    assert isinstance(baseline, NoData)
    assert "m5.medium" in baseline.reason


def test_writing_and_reading_keeps_everything(document: CatalogFile, tmp_path: Path) -> None:
    """The text form is complete, and stays reviewable: one family a line."""
    path = tmp_path / "catalog.json"
    text = format_catalog_file(document)
    path.write_text(text, encoding="utf-8")
    assert read_catalog_file(path) == document
    assert sum('"sizes"' in line for line in text.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "damaged at the document"),
        ('{"version": 2}', "damaged at version"),
        ("[]", "damaged at the document"),
    ],
)
def test_a_damaged_file_is_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    """The message names the file, the place and the way out."""
    path = tmp_path / "catalog.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CatalogError, match=says):
        Catalog.load(path)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    """No traceback of OSError reaches the user."""
    with pytest.raises(CatalogError, match="cannot be read"):
        Catalog.load(tmp_path / "absent.json")


def test_a_record_without_memory_is_refused() -> None:
    """A reply of another call is told apart from DescribeInstanceTypes."""
    with pytest.raises(CatalogError, match=r"m5\.large has no ProcessorInfo"):
        shape_of({"InstanceType": "m5.large"})


def test_fargate_grid() -> None:
    """AWS's table: 3, 4, 7, 13, 23, 12 and 12 memory sizes for its seven CPU sizes."""
    counts: dict[int, int] = {}
    for cpu_units, _memory in FARGATE_SIZES:
        counts[cpu_units] = counts.get(cpu_units, 0) + 1
    assert counts == {256: 3, 512: 4, 1024: 7, 2048: 13, 4096: 23, 8192: 12, 16384: 12}
    assert (256, 512) in FARGATE_SIZES
    assert (16384, 122_880) in FARGATE_SIZES
