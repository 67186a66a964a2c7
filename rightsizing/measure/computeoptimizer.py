"""What AWS Compute Optimizer recommends, read through boto3 and kept in its own words.

Groups, instances and services are separate listings, each of many pages; botocore knows no
paginators for them, so the token is followed here. What the answer leaves out becomes ``NoData``.
Findings come in two spellings, ``Overprovisioned`` and ``OVER_PROVISIONED``; both are read.

Source of the shapes: botocore's service model ``compute-optimizer`` (API version 2019-11-01).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal

from rightsizing.errors import ActionDenied, RightsizingError, TelemetryError
from rightsizing.measure.awsclients import AwsClients
from rightsizing.model.base import NoData
from rightsizing.model.peeradvice import (
    PeerAdvice,
    PeerFinding,
    PeerOption,
    PeerPreferences,
    PeerReport,
    PeerSize,
    PeerTask,
    PeerType,
    PeerUtilisation,
)
from rightsizing.model.update import Json
from rightsizing.model.workload import WORKLOAD_TAG, WorkloadKind

PEER = "AWS Compute Optimizer"
GROUP_TAG = "aws:autoscaling:groupName"  # set by Auto Scaling on the instances it starts
PAGE_SIZE = 100  # at most 1000; a page of options with projections is large (chosen by us)


def read_compute_optimizer(clients: AwsClients) -> PeerReport:
    """Recommendations of the clients' account and region.

    Never raises for what AWS answers: a listing that could not be read becomes a sentence in
    ``failures``, so that our own recommendation is shown all the same. A refused action leaves the
    other listings; any other failure (not enrolled, no credentials, no such region) ends the
    reading, since they would fail alike.
    """
    if clients.is_local:
        return PeerReport(PEER, (), (f"the local cloud has no {PEER}; compare on an AWS account",))
    advice: list[PeerAdvice] = []
    failures: list[str] = []
    for read in (_groups, _instances, _services):
        try:
            found, refused = read(clients)
        except ActionDenied as error:
            failures.append(str(error))
            continue
        except RightsizingError as error:
            failures.append(str(error))
            break
        advice += found
        failures += refused
    return PeerReport(PEER, tuple(advice), tuple(dict.fromkeys(failures)))


def _groups(clients: AwsClients) -> tuple[list[PeerAdvice], list[str]]:
    def page(**token: str) -> Json:
        return clients.call(
            "compute-optimizer",
            "get_auto_scaling_group_recommendations",
            maxResults=PAGE_SIZE,
            **token,
        )

    return _read(page, "autoScalingGroupRecommendations", _group_advice)


def _instances(clients: AwsClients) -> tuple[list[PeerAdvice], list[str]]:
    def page(**token: str) -> Json:
        return clients.call(
            "compute-optimizer", "get_ec2_instance_recommendations", maxResults=PAGE_SIZE, **token
        )

    return _read(page, "instanceRecommendations", _instance_advice)


def _services(clients: AwsClients) -> tuple[list[PeerAdvice], list[str]]:
    def page(**token: str) -> Json:
        return clients.call(
            "compute-optimizer", "get_ecs_service_recommendations", maxResults=PAGE_SIZE, **token
        )

    return _read(page, "ecsServiceRecommendations", _service_advice)


def _read(
    page: Callable[..., Json], key: str, advice_of: Callable[[Json], PeerAdvice]
) -> tuple[list[PeerAdvice], list[str]]:
    found: list[PeerAdvice] = []
    refused: list[str] = []
    for reply in _pages(page):
        try:
            found += [advice_of(item) for item in reply.get(key, ())]
        except (KeyError, TypeError, ValueError) as error:
            raise TelemetryError(
                f"{PEER} answered {key} in a shape this version cannot read ({error!r})"
            ) from error
        refused += [_refusal(item) for item in reply.get("errors", ())]
    return found, refused


def _pages(page: Callable[..., Json]) -> Iterator[Json]:
    token: str | None = None
    while True:
        reply = page(**({} if token is None else {"nextToken": token}))
        yield reply
        following = reply.get("nextToken")
        if not following or following == token:  # a repeated token would never end
            return
        token = following


def _refusal(error: Json) -> str:
    what, code = error.get("identifier", "a resource"), error.get("code", "no code")
    return f"{PEER} has nothing on {what} ({code}): {error.get('message', '').rstrip('.')}"


def _group_advice(item: Json) -> PeerAdvice:
    return PeerAdvice(
        kind=WorkloadKind.FLEET,
        resource_id=item["autoScalingGroupName"],
        name=None,
        group=item["autoScalingGroupName"],
        workload=None,  # the answer for groups carries no tags
        finding=_finding(item),
        reasons=(),  # nor reason codes
        current=_type_of(item.get("currentConfiguration", {})),
        used=_utilisation(item.get("utilizationMetrics", ())),
        current_risk=_stated(item, "currentPerformanceRisk"),
        lookback_days=_stated(item, "lookBackPeriodInDays"),
        refreshed_at=_stated(item, "lastRefreshTimestamp"),
        preferences=_preferences(item),
        options=_options(
            item.get("recommendationOptions", ()), lambda one: _type_of(one.get("configuration"))
        ),
    )


def _instance_advice(item: Json) -> PeerAdvice:
    tags = _tags(item)
    return PeerAdvice(
        kind=WorkloadKind.HOST,
        resource_id=item["instanceArn"].rpartition("/")[2],
        name=item.get("instanceName"),
        group=tags.get(GROUP_TAG),
        workload=tags.get(WORKLOAD_TAG),
        finding=_finding(item),
        reasons=tuple(item.get("findingReasonCodes", ())),
        current=PeerType((item["currentInstanceType"],)),
        used=_utilisation(item.get("utilizationMetrics", ())),
        current_risk=_stated(item, "currentPerformanceRisk"),
        lookback_days=_stated(item, "lookBackPeriodInDays"),
        refreshed_at=_stated(item, "lastRefreshTimestamp"),
        preferences=_preferences(item),
        options=_options(
            item.get("recommendationOptions", ()), lambda one: PeerType((one["instanceType"],))
        ),
    )


def _service_advice(item: Json) -> PeerAdvice:
    return PeerAdvice(
        kind=WorkloadKind.SERVICE,
        resource_id=item["serviceArn"].rpartition(":service/")[2],
        name=None,
        group=None,
        workload=_tags(item).get(WORKLOAD_TAG),
        finding=_finding(item),
        reasons=tuple(item.get("findingReasonCodes", ())),
        current=_task_of(item.get("currentServiceConfiguration", {})),
        used=_utilisation(item.get("utilizationMetrics", ())),
        current_risk=_stated(item, "currentPerformanceRisk"),
        lookback_days=_stated(item, "lookbackPeriodInDays"),  # spelt so for services only
        refreshed_at=_stated(item, "lastRefreshTimestamp"),
        preferences=_preferences(item),
        options=_options(item.get("serviceRecommendationOptions", ()), _task_of),
    )


def _finding(item: Json) -> PeerFinding:
    word = str(item.get("finding", "")).replace("_", "").lower()
    known = {finding.value.replace(" ", ""): finding for finding in PeerFinding}
    return known.get(word, PeerFinding.UNKNOWN)


def _type_of(configuration: Json | None) -> PeerType:
    """The type of a group's configuration; all of them when the group mixes types."""
    stated = configuration or {}
    single = stated.get("instanceType")
    names = (single,) if single else tuple(stated.get("mixedInstanceTypes", ()))
    if not names:
        raise ValueError("a configuration without an instance type")
    return PeerType(names)


def _task_of(item: Json) -> PeerTask:
    return PeerTask(item.get("cpu"), item.get("memory"))


def _options(
    options: Iterable[Json], size_of: Callable[[Json], PeerSize]
) -> tuple[PeerOption, ...]:
    # Services have no ranks: their order is kept.
    found = [
        PeerOption(
            rank=item.get("rank", place),
            size=size_of(item),
            projected=_utilisation(item.get("projectedUtilizationMetrics", ())),
            performance_risk=_stated(item, "performanceRisk"),
            migration_effort=_stated(item, "migrationEffort"),
            saving_usd_per_month=_saving(item, "savingsOpportunity"),
            saving_after_discounts_usd_per_month=_saving(item, "savingsOpportunityAfterDiscounts"),
        )
        for place, item in enumerate(options, 1)
    ]
    return tuple(sorted(found, key=lambda option: option.rank))


def _utilisation(metrics: Iterable[Json]) -> tuple[PeerUtilisation, ...]:
    found = []
    for item in metrics:
        lower = item.get("value", item.get("lowerBoundValue"))
        upper = item.get("value", item.get("upperBoundValue"))
        if lower is not None and upper is not None:
            statistic = item.get("statistic", "Maximum")
            found.append(PeerUtilisation(item["name"], statistic, lower, upper))
    return tuple(found)


def _saving(option: Json, key: str) -> Decimal | NoData:
    money = (option.get(key) or {}).get("estimatedMonthlySavings")
    if not money or "value" not in money:
        return NoData(f"{PEER} states no saving")
    if money.get("currency", "USD") != "USD":
        return NoData(f"{PEER} states the saving in {money['currency']}")
    return Decimal(str(money["value"]))


def _preferences(item: Json) -> PeerPreferences:
    stated = item.get("effectiveRecommendationPreferences") or {}
    rules = {
        rule.get("metricName"): rule.get("metricParameters") or {}
        for rule in stated.get("utilizationPreferences", ())
    }
    cpu, memory = rules.get("CpuUtilization", {}), rules.get("MemoryUtilization", {})
    return PeerPreferences(
        lookback=_stated(stated, "lookBackPeriod"),
        cpu_threshold=_stated(cpu, "threshold"),
        cpu_headroom=_stated(cpu, "headroom"),
        memory_headroom=_stated(memory, "headroom"),
    )


def _stated(item: Json, key: str) -> Json:
    """The value, or that the answer has none."""
    value = item.get(key)
    return NoData(f"{PEER} states no {key}") if value is None else value


def _tags(item: Json) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in item.get("tags", ())}
