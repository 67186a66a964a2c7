"""Billing exports: three formats, and every mistake as a sentence with nothing lost."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from rightsizing.errors import BadTrace
from rightsizing.measure.billingfile import read_billing

PLAIN = {"instance_type": "m5.large", "region": "us-east-1", "instances": "2"}


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    """Rows as CSV; columns of all rows."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    return path


def plain(hour: int, **more: str) -> dict[str, str]:
    """One hour of the plain table."""
    return {
        "timestamp": f"2026-01-01 {hour:02d}:00:00",
        **PLAIN,
        "usd_per_hour": "0.096",
        **more,
    }


def cur(hour: int, **more: str) -> dict[str, str]:
    """One line of CUR 2.0."""
    return {
        "line_item_usage_start_date": f"2026-01-01 {hour:02d}:00:00",
        "line_item_line_item_type": "Usage",
        "line_item_usage_type": "BoxUsage:m5.large",
        "line_item_product_code": "AmazonEC2",
        "line_item_operation": "RunInstances",
        "line_item_usage_amount": "1",
        "line_item_resource_id": "i-1",
        "line_item_currency_code": "USD",
        "line_item_usage_account_id": "111",
        "product_instance_type": "m5.large",
        "product_region_code": "eu-west-1",
        "pricing_public_on_demand_cost": "0.107",
        **more,
    }


def test_plain_table(tmp_path: Path) -> None:
    """Two instances for two hours at 0.096."""
    found = read_billing(write(tmp_path / "a.csv", [plain(0), plain(1)]))
    assert found.usage.quantity[:, 0].tolist() == [2, 2]
    assert found.usage.list_usd == pytest.approx(0.384)
    assert found.notes == ()


def test_cur_takes_what_commitments_could_cover(tmp_path: Path) -> None:
    """Covered hours are demand too; spot, tax and refunds are not, and are counted."""
    rows = [
        cur(0),
        cur(0, line_item_line_item_type="SavingsPlanCoveredUsage", line_item_resource_id="i-2"),
        cur(0, line_item_line_item_type="DiscountedUsage", line_item_resource_id="i-3"),
        cur(0, line_item_usage_type="EU-SpotUsage:m5.large", line_item_resource_id="i-4"),
        cur(0, line_item_line_item_type="Tax", line_item_usage_type=""),
        cur(1, line_item_usage_amount="-1", pricing_public_on_demand_cost="-0.107"),
        cur(1),
        cur(0, line_item_operation="RunInstances:0002", pricing_public_on_demand_cost="0.199"),
    ]
    found = read_billing(write(tmp_path / "cur.csv", rows))
    by_platform = {sku.platform: place for place, sku in enumerate(found.usage.skus)}
    assert found.usage.quantity[:, by_platform["Linux/UNIX"]].tolist() == [3, 1]
    assert found.usage.quantity[:, by_platform["Windows"]].tolist() == [1, 0]
    said = "; ".join(found.notes)
    assert "1 lines of kind spot" in said
    assert "1 lines of kind tax" in said
    assert "negative quantity (refunds), -$0.11" in said


def test_focus(tmp_path: Path) -> None:
    """FOCUS with AWS's columns; the price is the list cost over the quantity."""
    row = {
        "ChargePeriodStart": "2026-01-01T00:00:00Z",
        "ChargeCategory": "Usage",
        "PricingCategory": "Committed",
        "CommitmentDiscountStatus": "Used",
        "PricingQuantity": "1",
        "ListCost": "0.384",
        "ServiceName": "Amazon Elastic Compute Cloud",
        "RegionId": "us-east-1",
        "BillingCurrency": "USD",
        "x_UsageType": "BoxUsage:m5.2xlarge",
        "x_Operation": "RunInstances",
        "ResourceId": "i-1",
    }
    unused = {**row, "CommitmentDiscountStatus": "Unused", "ResourceId": ""}
    found = read_billing(write(tmp_path / "focus.csv", [row, unused]))
    assert [(sku.name, sku.usd_per_unit) for sku in found.usage.skus] == [("m5.2xlarge", 0.384)]
    assert found.usage.quantity.tolist() == [[1]]
    assert "kind unused" in found.notes[0]


def test_repeated_lines_count_once(tmp_path: Path) -> None:
    """The same file given twice is the same usage."""
    folder = tmp_path / "exports"
    folder.mkdir()
    for name in ("a.csv", "b.csv"):
        write(folder / name, [cur(0), cur(1)])
    found = read_billing(folder)
    assert found.usage.quantity[:, 0].tolist() == [1, 1]
    assert "2 lines repeat another one exactly" in found.notes[0]


def test_overlapping_figures_add_up_and_are_said(tmp_path: Path) -> None:
    """Two different figures for an hour of a type may be two groups."""
    found = read_billing(write(tmp_path / "a.csv", [plain(0), plain(0, instances="3")]))
    assert found.usage.quantity.tolist() == [[5]]
    assert "given more than once" in found.notes[0]


def test_holes_are_unknown_and_absent_types_are_zero(tmp_path: Path) -> None:
    """Hour 1 has no line at all; hour 2 has none of m5.large."""
    rows = [plain(0), plain(0, instance_type="c5.large"), plain(2, instance_type="c5.large")]
    found = read_billing(write(tmp_path / "a.csv", rows))
    place = [sku.name for sku in found.usage.skus].index("m5.large")
    column = found.usage.quantity[:, place]
    assert np.isnan(column[1])
    assert column[[0, 2]].tolist() == [2, 0]
    assert "1 of 3 hours have no line" in found.notes[0]


def test_a_type_without_price_is_left_out_by_name_of_the_reason(tmp_path: Path) -> None:
    """Its hours are counted in the notes, not lost."""
    rows = [plain(0), plain(0, instance_type="zz9.large", usd_per_hour="")]
    found = read_billing(write(tmp_path / "a.csv", rows))
    assert [sku.name for sku in found.usage.skus] == ["m5.large"]
    assert "1 lines of usage without an on-demand price" in found.notes[0]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([plain(0, currency="USD"), plain(1, currency="EUR")], "bills in EUR and USD"),
        ([plain(0, currency="EUR")], "export the bill in USD"),
        ([{"a": "1", "b": "2"}], "none of the known column sets"),
        ([plain(0, instances="many")], "cannot be read as billing data"),
        ([plain(0, instances="-1")], "no compute usage with an on-demand price"),
        (
            [plain(0), {**plain(0), "timestamp": "1999-01-01 00:00:00"}],
            "at most 43,920",
        ),
    ],
)
def test_mistakes_are_one_sentence(tmp_path: Path, rows, sentence: str) -> None:
    """The file, what is wrong, what to do."""
    with pytest.raises(BadTrace, match=sentence):
        read_billing(write(tmp_path / "a.csv", rows))


def test_missing_and_empty_paths(tmp_path: Path) -> None:
    """Neither is a traceback."""
    with pytest.raises(BadTrace, match="there is no file"):
        read_billing(tmp_path / "none")
    with pytest.raises(BadTrace, match="holds no file"):
        read_billing(tmp_path)


def test_real_focus_sample() -> None:
    """942 anonymised AWS rows: types and prices are found in descriptions."""
    data = os.environ.get("RIGHTSIZING_DATA")
    if data is None:
        pytest.skip("RIGHTSIZING_DATA is not set")
    found = read_billing(Path(data) / "usage/focus_sample_1000.parquet")
    prices = {(sku.name, sku.region): sku.usd_per_unit for sku in found.usage.skus}
    assert prices["c5.2xlarge", "us-east-1"] == pytest.approx(0.34)
    assert prices["m5.large", "eu-west-2"] == pytest.approx(0.111)
