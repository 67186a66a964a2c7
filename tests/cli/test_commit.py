"""``rightsize commit`` on generated usage: advice, held commitments, replay, mistakes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from rightsizing.cli.main import run
from rightsizing.measure.offerfile import HoldingRecord, OfferFile, OfferRecord, RateRecord
from rightsizing.model.commitment import CommitmentPlan, PaymentOption, PlanKind

TYPES = {"m5.large": ("0.096", "0.061"), "c5.xlarge": ("0.17", "0.107")}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that belongs to no project, as the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_usage(days: int = 180, instances: int = 10) -> None:
    """A constant fleet of two types."""
    lines = ["timestamp,instance_type,region,instances,usd_per_hour"]
    start = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    for hour in range(days * 24):
        stamp = datetime.fromtimestamp(start + hour * 3600, UTC).strftime("%Y-%m-%d %H:00:00")
        lines += [f"{stamp},{name},us-east-1,{instances},{usd}" for name, (usd, _) in TYPES.items()]
    Path("usage.csv").write_text("\n".join(lines) + "\n")


def write_offers(**held: HoldingRecord) -> None:
    """A reservation of m5.large, a Compute plan for both types."""
    Path("offers.json").write_text(
        OfferFile(
            source="test",
            read_at=datetime(2026, 7, 1, tzinfo=UTC),
            offers=(reservation(), compute()),
            held=tuple(held.values()),
        ).model_dump_json()
    )


def reservation() -> OfferRecord:
    """1 year, no upfront."""
    rate = RateRecord(name="m5.large", region="us-east-1", usd_per_unit=Decimal("0.061"))
    return OfferRecord(
        offering_id="ri-m5",
        kind=PlanKind.REGIONAL_RI,
        term_years=1,
        payment=PaymentOption.NO_UPFRONT,
        rates=(rate,),
        region="us-east-1",
        instance_type="m5.large",
    )


def compute() -> OfferRecord:
    """27 % off."""
    rates = tuple(
        RateRecord(name=name, region="us-east-1", usd_per_unit=Decimal(usd) * Decimal("0.73"))
        for name, (usd, _) in TYPES.items()
    )
    return OfferRecord(
        offering_id="sp-compute",
        kind=PlanKind.COMPUTE_SP,
        term_years=1,
        payment=PaymentOption.NO_UPFRONT,
        rates=rates,
    )


def said(capsys: pytest.CaptureFixture[str], *arguments: str, exit_code: int = 0) -> str:
    """Standard output of a command that ends with this code."""
    assert run(["commit", *arguments]) == exit_code
    return capsys.readouterr().out


def test_advice(capsys: pytest.CaptureFixture[str]) -> None:
    """Reservations with their command, a plan for the other family, money that adds up."""
    write_usage()
    write_offers()
    told = said(
        capsys,
        *("recommend", "usage.csv", "--offers", "offers.json", "--out", "plan.json", "--json"),
    )
    data = json.loads(told)
    first, second = data["purchases"]
    count = int(first["quantity"])
    assert first["kind"] == "regional-ri"
    assert 8 <= count <= 10
    assert f"--reserved-instances-offering-id ri-m5 --instance-count {count}" in first["command"]
    assert Decimal(first["usd_per_hour"]) == count * Decimal("0.061")
    assert second["kind"] == "compute-sp"
    assert second["command"] is None
    # 672 hours x 10 x (0.096 + 0.17); what is bought is used in full by a constant fleet.
    assert Decimal(data["before"]["total_usd"]) == Decimal("1787.52")
    saved = Decimal(data["before"]["total_usd"]) - Decimal(data["after"]["total_usd"])
    committed = Decimal(second["usd_per_hour"])
    expected = 672 * (count * Decimal("0.035") + committed / Decimal("0.73") - committed)
    assert saved == pytest.approx(expected, abs=Decimal("0.01"))
    plan = CommitmentPlan.model_validate_json(Path("plan.json").read_text())
    assert [item.offering_id for item in plan.decisions] == ["ri-m5", "sp-compute"]


def test_what_is_held_is_not_bought_again(capsys: pytest.CaptureFixture[str]) -> None:
    """Ten reservations in force cover m5; one that ends soon is said to be renewed then."""
    write_usage()
    held = HoldingRecord(
        id="held",
        offer=reservation(),
        quantity=Decimal(10),
        start=datetime(2026, 1, 1, tzinfo=UTC),
        end=datetime(2026, 8, 1, tzinfo=UTC),
    )
    write_offers(held=held)
    told = said(capsys, "recommend", "usage.csv", "--offers", "offers.json", "--json")
    data = json.loads(told)
    assert [item["kind"] for item in data["purchases"]] == ["compute-sp"]
    assert any("held ends in 32 days" in note for note in data["notes"])


def test_a_commitment_larger_than_usage_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Fifty held, ten used: nothing more of it, and a sentence."""
    write_usage(days=60)
    held = HoldingRecord(
        id="too-large",
        offer=reservation(),
        quantity=Decimal(50),
        start=datetime(2026, 1, 1, tzinfo=UTC),
        end=datetime(2028, 1, 1, tzinfo=UTC),
    )
    write_offers(held=held)
    told = said(capsys, "recommend", "usage.csv", "--offers", "offers.json", "--json")
    notes = json.loads(told)["notes"]
    assert any("too-large is used by 20%: it is larger than the usage" in note for note in notes)


def test_list_prices_stand_in_without_offers(capsys: pytest.CaptureFixture[str]) -> None:
    """The catalog's 1-year prices, without offering ids and so without commands."""
    write_usage(days=60)
    told = said(capsys, "recommend", "usage.csv", "--payment", "all-upfront")
    assert "regional-ri" in told
    assert "purchase-reserved-instances-offering" not in told
    assert "list prices" in told


def test_replay(capsys: pytest.CaptureFixture[str]) -> None:
    """Our rule and the others, none above the hindsight saving."""
    write_usage()
    write_offers()
    told = said(
        capsys, "backtest", "usage.csv", "--offers", "offers.json", "--history-days", "60", "--json"
    )
    data = json.loads(told)
    assert data["rules"][0]["rule"] == "ours"
    assert all(rule["cost_usd"] >= data["hindsight_usd"] - 0.01 for rule in data["rules"])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["recommend", "none.csv"], 1),
        (["recommend", "usage.csv", "--loss-aversion", "0"], 2),
        (["recommend", "usage.csv", "--offers", "none.json"], 2),
        (["recommend", "usage.csv", "--sized"], 2),
        (["backtest", "usage.csv", "--history-days", "500", "--offers", "offers.json"], 1),
        (["backtest", "usage.csv", "--history-days", "3", "--offers", "offers.json"], 2),
    ],
)
def test_mistakes(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int) -> None:
    """One sentence and the exit code of its kind."""
    write_usage(days=40)
    write_offers()
    assert run(["commit", *arguments]) == code
    errors = capsys.readouterr().err
    assert errors.startswith("error: ")
    assert "Traceback" not in errors


def test_too_little_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """A fortnight is no ground for a year."""
    write_usage(days=14)
    assert run(["commit", "recommend", "usage.csv"]) == 1
    assert "336 recorded hours, a year's commitment needs at least 672" in capsys.readouterr().err


def test_terms_together(capsys: pytest.CaptureFixture[str]) -> None:
    """The programme saves, within the budget."""
    write_usage(days=60)
    told = said(capsys, "mix", "usage.csv", "--upfront-budget", "2000", "--json")
    data = json.loads(told)
    assert data["upfront_usd"] <= 2000.01
    assert data["expected_usd"] < data["on_demand_usd"]
