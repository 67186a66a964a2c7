"""What AWS sells and what the account holds: savings plans and reservations, by boto3.

Only rates of the instance types in use are read: a Compute plan has tens of thousands. Source of
the shapes: botocore's service models ``savingsplans`` (2019-06-28) and ``ec2`` (2016-11-15).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal

from rightsizing.errors import TelemetryError
from rightsizing.measure.awsclients import AwsClients
from rightsizing.measure.offerfile import HoldingRecord, OfferFile, OfferRecord, RateRecord
from rightsizing.model.commitment import PaymentOption, PlanKind
from rightsizing.model.hourlyusage import Service, Sku
from rightsizing.model.normalisation import LINUX, SHARED
from rightsizing.model.update import Json

SECONDS_PER_YEAR = 365 * 86_400
SECONDS_PER_HOUR = 3600
_TYPES_PER_CALL = 50  # filter values of one call (chosen by us; AWS takes 200)
_PLAN_KINDS = {"Compute": PlanKind.COMPUTE_SP, "EC2Instance": PlanKind.EC2_INSTANCE_SP}
_PAYMENTS = {
    "No Upfront": PaymentOption.NO_UPFRONT,
    "Partial Upfront": PaymentOption.PARTIAL_UPFRONT,
    "All Upfront": PaymentOption.ALL_UPFRONT,
}
# CreateSavingsPlan: 50 to 99 % of a partial-upfront plan is paid at once; AWS's console takes 50.
_PLAN_UPFRONT = {
    PaymentOption.NO_UPFRONT: Decimal(0),
    PaymentOption.PARTIAL_UPFRONT: Decimal("0.5"),
    PaymentOption.ALL_UPFRONT: Decimal(1),
}


def read_offers(clients: AwsClients, skus: Iterable[Sku], read_at: datetime) -> OfferFile:
    """Offers for the SKUs, and the commitments of the account. Raises as ``AwsClients.call``."""
    wanted = [sku for sku in skus if sku.service is Service.EC2]
    try:
        offers = (*_plans(clients, wanted), *_reservations(clients, wanted))
        held = (*_held_plans(clients, wanted), *_held_reservations(clients))
    except (KeyError, ValueError, ArithmeticError) as error:
        raise TelemetryError(
            f"AWS answered with offers in a shape this version cannot read ({error!r})"
        ) from error
    return OfferFile(source="AWS", read_at=read_at, offers=offers, held=held)


def _plans(clients: AwsClients, skus: list[Sku]) -> Iterator[OfferRecord]:
    found: dict[tuple[str, str | None, str | None], tuple[Json, list[RateRecord]]] = {}
    for rate in _rates(clients, skus, {}):
        parent, record = rate["savingsPlanOffering"], _rate_of(rate)
        family = record.name.partition(".")[0]
        compute = parent["planType"] == "Compute"
        key = (
            parent["offeringId"],
            None if compute else record.region,
            None if compute else family,
        )
        found.setdefault(key, (parent, []))[1].append(record)
    for (offering, where, inside), (parent, rates) in found.items():
        payment = _PAYMENTS[parent["paymentOption"]]
        yield OfferRecord(
            offering_id=offering,
            kind=_PLAN_KINDS[parent["planType"]],
            term_years=round(parent["durationSeconds"] / SECONDS_PER_YEAR),
            payment=payment,
            rates=_distinct(rates),
            upfront_ratio=_PLAN_UPFRONT[payment],
            region=where,
            family=inside,
            currency=parent.get("currency", "USD"),
        )


def _rates(clients: AwsClients, skus: list[Sku], more: Json) -> Iterator[Json]:
    for region in sorted({sku.region for sku in skus}):
        inside = [sku for sku in skus if sku.region == region]
        names = sorted({sku.name for sku in inside})
        platforms = sorted({sku.platform for sku in inside})
        for start in range(0, len(names), _TYPES_PER_CALL):
            filters = [
                {"name": "region", "values": [region]},
                {"name": "instanceType", "values": names[start : start + _TYPES_PER_CALL]},
                {"name": "productDescription", "values": platforms},
                {"name": "tenancy", "values": sorted({sku.tenancy for sku in inside})},
            ]
            token: str | None = None
            while True:
                reply = clients.call(
                    "savingsplans",
                    "describe_savings_plans_offering_rates",
                    savingsPlanTypes=list(_PLAN_KINDS),
                    products=["EC2"],
                    filters=filters,
                    maxResults=1000,
                    **({} if token is None else {"nextToken": token}),
                    **more,
                )
                for item in reply.get("searchResults", ()):
                    # BoxUsage is the plain instance hour; other usage types are reservations' own.
                    if item.get("unit") == "Hrs" and "BoxUsage" in item.get("usageType", ""):
                        yield item
                following = reply.get("nextToken")
                if not following or following == token:
                    break
                token = following


def _rate_of(item: Json) -> RateRecord:
    stated = {one["name"]: one["value"] for one in item.get("properties", ())}
    return RateRecord(
        name=stated["instanceType"],
        region=stated["region"],
        usd_per_unit=Decimal(item["rate"]),
        platform=stated.get("productDescription", LINUX),
        tenancy=stated.get("tenancy", SHARED),
    )


def _distinct(rates: list[RateRecord]) -> tuple[RateRecord, ...]:
    return tuple(sorted(set(rates), key=lambda one: (one.name, one.region, one.platform)))


def _reservations(clients: AwsClients, skus: list[Sku]) -> Iterator[OfferRecord]:
    wanted = {(sku.name, sku.platform) for sku in skus if sku.region == clients.region}
    for name, platform in sorted(wanted):
        for item in clients.pages(
            "ec2",
            "describe_reserved_instances_offerings",
            "ReservedInstancesOfferings",
            InstanceType=name,
            ProductDescription=platform,
            InstanceTenancy="default",
            OfferingClass="standard",
            IncludeMarketplace=False,
            Filters=[{"Name": "scope", "Values": ["Region"]}],
        ):
            if item.get("OfferingType") in _PAYMENTS:
                yield _reservation(item, item["ReservedInstancesOfferingId"], clients.region)


def _reservation(item: Json, offering: str, region: str) -> OfferRecord:
    hours = Decimal(item["Duration"]) / SECONDS_PER_HOUR
    upfront = Decimal(str(item.get("FixedPrice", 0))) / hours
    hourly = Decimal(str(item.get("UsagePrice", 0))) + sum(
        (Decimal(str(one["Amount"])) for one in item.get("RecurringCharges", ())), Decimal(0)
    )
    zonal = item.get("Scope") == "Availability Zone"
    rate = upfront + hourly
    return OfferRecord(
        offering_id=offering,
        kind=PlanKind.ZONAL_RI if zonal else PlanKind.REGIONAL_RI,
        term_years=round(item["Duration"] / SECONDS_PER_YEAR),
        payment=_PAYMENTS[item["OfferingType"]],
        rates=(
            RateRecord(
                name=item["InstanceType"],
                region=region,
                usd_per_unit=rate,
                platform=item["ProductDescription"],
            ),
        ),
        upfront_ratio=upfront / rate,
        region=region,
        instance_type=item["InstanceType"],
        zone=item.get("AvailabilityZone"),
        platform=item["ProductDescription"],
        currency=item.get("CurrencyCode", "USD"),
    )


def _held_plans(clients: AwsClients, skus: list[Sku]) -> Iterator[HoldingRecord]:
    token: str | None = None
    plans: list[Json] = []
    while True:
        reply = clients.call(
            "savingsplans",
            "describe_savings_plans",
            states=["active", "queued", "payment-pending"],
            **({} if token is None else {"nextToken": token}),
        )
        plans += reply.get("savingsPlans", ())
        following = reply.get("nextToken")
        if not following or following == token:
            break
        token = following
    for plan in plans:
        if plan["savingsPlanType"] not in _PLAN_KINDS:
            continue  # SageMaker and database plans cover nothing here
        rates = [
            _rate_of(item)
            for item in _rates(clients, skus, {"savingsPlanOfferingIds": [plan["offeringId"]]})
        ]
        payment = _PAYMENTS[plan["paymentOption"]]
        offer = OfferRecord(
            offering_id=plan["offeringId"],
            kind=_PLAN_KINDS[plan["savingsPlanType"]],
            term_years=round(plan["termDurationInSeconds"] / SECONDS_PER_YEAR),
            payment=payment,
            rates=_distinct(rates),
            upfront_ratio=_PLAN_UPFRONT[payment],
            region=plan.get("region"),
            family=plan.get("ec2InstanceFamily"),
            currency=plan.get("currency", "USD"),
        )
        yield HoldingRecord(
            id=plan["savingsPlanId"],
            offer=offer,
            quantity=Decimal(plan["commitment"]),
            start=plan["start"],
            end=plan["end"],
        )


def _held_reservations(clients: AwsClients) -> Iterator[HoldingRecord]:
    reply = clients.call(
        "ec2",
        "describe_reserved_instances",
        Filters=[{"Name": "state", "Values": ["active", "payment-pending"]}],
    )
    for item in reply.get("ReservedInstances", ()):
        if item.get("OfferingType") in _PAYMENTS:
            yield HoldingRecord(
                id=item["ReservedInstancesId"],
                offer=_reservation(item, item["ReservedInstancesId"], clients.region),
                quantity=Decimal(item["InstanceCount"]),
                start=item["Start"],
                end=item["End"],
            )
