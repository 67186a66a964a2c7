"""Offers, held commitments and Cost Explorer, in the shapes that botocore's models check."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from botocore.stub import ANY, Stubber

from rightsizing.errors import ConfigError
from rightsizing.measure.awsclients import AwsClients
from rightsizing.measure.commitmentoffers import read_offers
from rightsizing.measure.costexplorer import read_recommendation, read_usage
from rightsizing.measure.offerfile import OfferFile, OfferRecord, RateRecord, read_offer_file
from rightsizing.model.commitment import PaymentOption, PlanKind
from rightsizing.model.hourlyusage import Sku

pytestmark = pytest.mark.usefixtures("aws_credentials")

YEAR = 31_536_000
READ = datetime(2026, 7, 1, tzinfo=UTC)
M5 = Sku("m5.large", "us-east-1", 0.096)


def rate(kind: str, usd: str, usage_type: str = "BoxUsage:m5.large") -> dict[str, object]:
    """One rate of a one-year no-upfront plan."""
    stated = {
        "region": "us-east-1",
        "instanceType": "m5.large",
        "productDescription": "Linux/UNIX",
        "tenancy": "shared",
    }
    return {
        "savingsPlanOffering": {
            "offeringId": f"{kind}-offer",
            "paymentOption": "No Upfront",
            "planType": kind,
            "durationSeconds": YEAR,
            "currency": "USD",
        },
        "rate": usd,
        "unit": "Hrs",
        "usageType": usage_type,
        "operation": "RunInstances",
        "properties": [{"name": name, "value": value} for name, value in stated.items()],
    }


def reserved(**more: object) -> dict[str, object]:
    """Half upfront: $250 and 0.0285 an hour."""
    return {
        "InstanceType": "m5.large",
        "ProductDescription": "Linux/UNIX",
        "Duration": YEAR,
        "FixedPrice": 250.0,
        "UsagePrice": 0.0,
        "RecurringCharges": [{"Amount": 0.0285, "Frequency": "Hourly"}],
        "OfferingType": "Partial Upfront",
        "Scope": "Region",
        "CurrencyCode": "USD",
        **more,
    }


def test_offers_and_holdings() -> None:
    """Two pages of plan rates, one reservation on offer, one of each held."""
    clients = AwsClients("us-east-1")
    with (
        Stubber(clients._client("savingsplans")) as plans,
        Stubber(clients._client("ec2")) as ec2,
    ):
        name = "describe_savings_plans_offering_rates"
        asked = {
            "savingsPlanTypes": ["Compute", "EC2Instance"],
            "products": ["EC2"],
            "filters": ANY,
            "maxResults": 1000,
        }
        first = {"searchResults": [rate("Compute", "0.070")], "nextToken": "more"}
        other = [rate("EC2Instance", "0.061"), rate("Compute", "9", "UnusedBox:m5.large")]
        plans.add_response(name, first, asked)
        plans.add_response(name, {"searchResults": other}, {**asked, "nextToken": "more"})
        ec2.add_response(
            "describe_reserved_instances_offerings",
            {"ReservedInstancesOfferings": [reserved(ReservedInstancesOfferingId="ri-1")]},
        )
        held = {
            "offeringId": "Compute-offer",
            "savingsPlanId": "sp-1",
            "start": "2026-01-01T00:00:00.000Z",
            "end": "2026-12-31T23:59:59.000Z",
            "savingsPlanType": "Compute",
            "paymentOption": "No Upfront",
            "commitment": "1.25",
            "currency": "USD",
            "termDurationInSeconds": YEAR,
        }
        plans.add_response("describe_savings_plans", {"savingsPlans": [held]})
        again = {"searchResults": [rate("Compute", "0.070")]}
        plans.add_response(name, again, {**asked, "savingsPlanOfferingIds": ["Compute-offer"]})
        running = reserved(
            ReservedInstancesId="held-ri",
            InstanceCount=3,
            Start=READ,
            End=READ + timedelta(days=365),
            Scope="Availability Zone",
            AvailabilityZone="us-east-1a",
        )
        ec2.add_response("describe_reserved_instances", {"ReservedInstances": [running]})
        found = read_offers(clients, [M5], READ)
        plans.assert_no_pending_responses()
        ec2.assert_no_pending_responses()
    kinds = {one.kind: one.offer() for one in found.offers}
    assert kinds[PlanKind.COMPUTE_SP].rate(M5) == pytest.approx(0.070)
    assert kinds[PlanKind.COMPUTE_SP].region is None
    assert kinds[PlanKind.EC2_INSTANCE_SP].family == "m5"
    # p = 250 x 3600 / 31,536,000 + 0.0285 = 0.05703881
    assert kinds[PlanKind.REGIONAL_RI].rate(M5) == pytest.approx(250 / 8760 + 0.0285)
    plan, instances = found.held
    assert plan.holding().usd_per_hour == pytest.approx(1.25)
    assert (instances.offer.kind, instances.offer.zone) == (PlanKind.ZONAL_RI, "us-east-1a")
    assert instances.holding().quantity == 3


def test_aws_recommendation() -> None:
    """Strings become decimals; utilisation is a ratio."""
    clients = AwsClients("us-east-1")
    detail = {
        "SavingsPlansDetails": {"Region": "us-east-1", "InstanceFamily": "m5", "OfferingId": "x"},
        "HourlyCommitmentToPurchase": "2.345",
        "EstimatedMonthlySavingsAmount": "410.5",
        "EstimatedAverageUtilization": "97.5",
    }
    name = "get_savings_plans_purchase_recommendation"
    with Stubber(clients._client("ce")) as stub:
        for kind, details in (("COMPUTE_SP", []), ("EC2_INSTANCE_SP", [detail])):
            told = {"SavingsPlansPurchaseRecommendationDetails": details}
            asked = {
                "SavingsPlansType": kind,
                "TermInYears": "ONE_YEAR",
                "PaymentOption": "NO_UPFRONT",
                "LookbackPeriodInDays": "THIRTY_DAYS",
            }
            stub.add_response(name, {"SavingsPlansPurchaseRecommendation": told}, asked)
        found = read_recommendation(clients, 1, PaymentOption.NO_UPFRONT)
    assert found.failures == ()
    assert found.found[0].usd_per_hour == Decimal("2.345")
    assert found.found[0].utilisation == Decimal("0.975")


def test_a_refusal_is_a_sentence_beside_ours() -> None:
    """No permission: nothing is raised."""
    clients = AwsClients("us-east-1")
    with Stubber(clients._client("ce")) as stub:
        for _ in range(2):
            stub.add_client_error(
                "get_savings_plans_purchase_recommendation", "AccessDeniedException"
            )
        found = read_recommendation(clients, 1, PaymentOption.NO_UPFRONT)
    assert "ce:GetSavingsPlansPurchaseRecommendation" in found.failures[0]


def test_hours_of_cost_explorer() -> None:
    """Instance hours by type and region; hours without a type are counted out."""
    clients = AwsClients("us-east-1")

    def group(name: str, hours: str, usd: str) -> dict[str, object]:
        return {
            "Keys": [name, "us-east-1"],
            "Metrics": {
                "UsageQuantity": {"Amount": hours, "Unit": "Hrs"},
                "UnblendedCost": {"Amount": usd, "Unit": "USD"},
            },
        }

    with Stubber(clients._client("ce")) as stub:
        hour = {
            "TimePeriod": {"Start": "2026-06-30T23:00:00Z", "End": "2026-07-01T00:00:00Z"},
            "Groups": [group("m5.large", "4", "0.384"), group("NoInstanceType", "1", "0.1")],
        }
        stub.add_response("get_cost_and_usage", {"ResultsByTime": [hour]})
        found = read_usage(clients, None, READ)
    assert found.usage.quantity.tolist() == [[4]]
    assert found.usage.skus[0].usd_per_unit == pytest.approx(0.096)
    assert "without instance type" in found.notes[0]


def record(**more: object) -> OfferRecord:
    """A compute offer of the file."""
    return OfferRecord(
        offering_id="c",
        kind=PlanKind.COMPUTE_SP,
        term_years=1,
        payment=PaymentOption.NO_UPFRONT,
        rates=(RateRecord(name="m5.large", region="us-east-1", usd_per_unit=Decimal("0.07")),),
        **more,
    )


def test_expired_offers_are_left_out_and_named() -> None:
    """Yesterday's offer cannot be bought."""
    old = record(valid_until=READ - timedelta(days=1))
    offers, notes = OfferFile(source="AWS", read_at=READ, offers=(old, record())).current(READ)
    assert len(offers) == 1
    assert "offer c expired on 2026-06-30" in notes[0]


def test_file_mistakes(tmp_path: Path) -> None:
    """Missing, damaged, or in another currency: one sentence."""
    with pytest.raises(ConfigError, match="cannot be read"):
        read_offer_file(tmp_path / "none.json")
    bad = tmp_path / "bad.json"
    bad.write_text('{"source": "x", "read_at": "2026-01-01T00:00Z", "offers": [{}]}')
    with pytest.raises(ConfigError, match=r"wrong at offers\.0"):
        read_offer_file(bad)
    with pytest.raises(ConfigError, match="priced in EUR"):
        record(currency="EUR").offer()
