"""Cost Explorer by boto3: its own savings-plan recommendation, and hourly usage where it is on.

All numbers of the answers are strings. Source of the shapes: botocore's service model ``ce``
(2017-10-25). Each request costs $0.01.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from rightsizing.errors import RightsizingError, TelemetryError
from rightsizing.measure.awsclients import AwsClients
from rightsizing.measure.billingrows import USAGE, BilledHour, BilledUsage, assemble
from rightsizing.model.commitment import PaymentOption, PlanKind
from rightsizing.model.commitmentpeer import PeerCommitment, PeerCommitments
from rightsizing.model.hourlyusage import Sku
from rightsizing.model.normalisation import LINUX, SHARED
from rightsizing.model.update import Json

LOOKBACK_DAYS = 30
HOURLY_DAYS = 14  # Cost Explorer keeps hours for so long, when they are switched on
_TYPES = {PlanKind.COMPUTE_SP: "COMPUTE_SP", PlanKind.EC2_INSTANCE_SP: "EC2_INSTANCE_SP"}
_TERMS = {1: "ONE_YEAR", 3: "THREE_YEARS"}


def read_recommendation(
    clients: AwsClients, term_years: int, payment: PaymentOption
) -> PeerCommitments:
    """AWS's own advice from the last 30 days; never raises for what AWS answers."""
    if clients.is_local:
        sentence = "the local cloud has no Cost Explorer; compare on an AWS account"
        return PeerCommitments(LOOKBACK_DAYS, (), (sentence,))
    found: list[PeerCommitment] = []
    failures: list[str] = []
    for kind, name in _TYPES.items():
        try:
            found += _details(clients, kind, name, term_years, payment)
        except RightsizingError as error:
            failures.append(str(error))
    return PeerCommitments(LOOKBACK_DAYS, tuple(found), tuple(dict.fromkeys(failures)))


def _details(
    clients: AwsClients, kind: PlanKind, name: str, term_years: int, payment: PaymentOption
) -> list[PeerCommitment]:
    found: list[PeerCommitment] = []
    token: str | None = None
    while True:
        reply = clients.call(
            "ce",
            "get_savings_plans_purchase_recommendation",
            SavingsPlansType=name,
            TermInYears=_TERMS[term_years],
            PaymentOption=payment.value.replace("-", "_").upper(),
            LookbackPeriodInDays="THIRTY_DAYS",
            **({} if token is None else {"NextPageToken": token}),
        )
        told = reply.get("SavingsPlansPurchaseRecommendation", {})
        for item in told.get("SavingsPlansPurchaseRecommendationDetails", ()):
            try:
                found.append(_advice(kind, item))
            except (KeyError, ArithmeticError) as error:
                raise TelemetryError(
                    f"Cost Explorer answered in a shape this version cannot read ({error!r})"
                ) from error
        following = reply.get("NextPageToken")
        if not following or following == token:
            return found
        token = following


def _advice(kind: PlanKind, item: Json) -> PeerCommitment:
    details = item.get("SavingsPlansDetails", {})
    return PeerCommitment(
        kind=kind,
        region=details.get("Region") or None,
        family=details.get("InstanceFamily") or None,
        usd_per_hour=Decimal(item["HourlyCommitmentToPurchase"]),
        saving_usd_per_month=Decimal(item.get("EstimatedMonthlySavingsAmount", "0")),
        utilisation=Decimal(item.get("EstimatedAverageUtilization", "0")) / 100,
    )


def read_usage(
    clients: AwsClients, skus: dict[tuple[str, str], Sku] | None, now: datetime
) -> BilledUsage:
    """Hourly EC2 instance hours of the last 14 days.

    Args:
        clients: whose account is asked.
        skus: prices by type and region, where Cost Explorer's own cost is not the list price;
            None: its unblended cost stands for it, which is right only without commitments.
        now: end of the hours, aware.
    """
    end = now.replace(minute=0, second=0, microsecond=0)
    start = end - timedelta(days=HOURLY_DAYS)
    rows: list[BilledHour] = []
    token: str | None = None
    while True:
        reply = clients.call(
            "ce",
            "get_cost_and_usage",
            TimePeriod={
                "Start": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "End": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
            Granularity="HOURLY",
            Metrics=["UsageQuantity", "UnblendedCost"],
            GroupBy=[
                {"Type": "DIMENSION", "Key": "INSTANCE_TYPE"},
                {"Type": "DIMENSION", "Key": "REGION"},
            ],
            Filter={
                "Dimensions": {
                    "Key": "SERVICE",
                    "Values": ["Amazon Elastic Compute Cloud - Compute"],
                }
            },
            **({} if token is None else {"NextPageToken": token}),
        )
        for hour in reply.get("ResultsByTime", ()):
            rows += [_hour(hour, group, skus) for group in hour.get("Groups", ())]
        following = reply.get("NextPageToken")
        if not following or following == token:
            break
        token = following
    return assemble(rows, "Cost Explorer")


def _hour(hour: Json, group: Json, skus: dict[tuple[str, str], Sku] | None) -> BilledHour:
    name, region = group["Keys"]
    quantity = float(group["Metrics"]["UsageQuantity"]["Amount"])
    cost = group["Metrics"]["UnblendedCost"]
    usd = float(cost["Amount"])
    known = None if skus is None else skus.get((name, region))
    if known is not None:
        usd = quantity * known.usd_per_unit
    begun = datetime.fromisoformat(hour["TimePeriod"]["Start"])
    return BilledHour(
        hour=int(begun.timestamp() // 3600),
        whole=True,
        name=name if "." in name else None,  # NoInstanceType
        region=region,
        zone=None,
        account=None,
        platform=LINUX,
        tenancy=SHARED,
        workload=None,
        currency=cost.get("Unit", "USD"),
        kind=USAGE,
        negative=quantity < 0,
        quantity=quantity,
        usd=usd,
        repeated=0,
        lines=1,
    )
