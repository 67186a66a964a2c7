"""CloudWatch metric alarm and dashboard.

Rules from hashicorp/terraform-provider-aws, internal/service/cloudwatch: metric_alarm.go,
dashboard.go.
"""

from __future__ import annotations

from botocore.exceptions import ClientError

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.aws.faults import absent, ignoring_absent
from rightsizing.embedded.aws.rules import in_order, updatable
from rightsizing.embedded.aws.tags import (
    TAG_MOVES,
    TAG_OUTPUTS,
    TAGS,
    from_list,
    stale_keys,
    tag_list,
    tag_state,
    wanted_tags,
)
from rightsizing.embedded.plugin.schema import Naming, Property, ResourceType, given
from rightsizing.embedded.plugin.values import Properties
from rightsizing.model.update import Json

_SOURCE = "hashicorp/terraform-provider-aws internal/service/"

# Pulumi property -> parameter of PutMetricAlarm and field of DescribeAlarms
_ALARM = {
    "comparisonOperator": "ComparisonOperator",
    "evaluationPeriods": "EvaluationPeriods",
    "datapointsToAlarm": "DatapointsToAlarm",
    "metricName": "MetricName",
    "namespace": "Namespace",
    "period": "Period",
    "statistic": "Statistic",
    "extendedStatistic": "ExtendedStatistic",
    "unit": "Unit",
    "alarmDescription": "AlarmDescription",
    "actionsEnabled": "ActionsEnabled",
    "alarmActions": "AlarmActions",
    "okActions": "OKActions",
    "insufficientDataActions": "InsufficientDataActions",
    "treatMissingData": "TreatMissingData",
    "thresholdMetricId": "ThresholdMetricId",
}


def _dimensions(mapping: Properties) -> list[Properties]:
    return [{"Name": name, "Value": value} for name, value in sorted(mapping.items())]


def _query(item: Properties) -> Properties:
    metric = item.get("metric")
    return given(
        Id=item["id"],
        Expression=item.get("expression"),
        Label=item.get("label"),
        ReturnData=item.get("returnData"),
        Period=item.get("period"),
        MetricStat=metric
        and given(
            Metric=given(
                MetricName=metric["metricName"],
                Namespace=metric.get("namespace"),
                Dimensions=_dimensions(metric.get("dimensions", {})),
            ),
            Period=metric["period"],
            Stat=metric["stat"],
            Unit=metric.get("unit"),
        ),
    )


def _read_query(item: Json) -> Properties:
    stat = item.get("MetricStat")
    return given(
        id=item["Id"],
        expression=item.get("Expression"),
        label=item.get("Label"),
        returnData=item.get("ReturnData"),
        period=item.get("Period"),
        metric=stat
        and given(
            metricName=stat["Metric"]["MetricName"],
            namespace=stat["Metric"].get("Namespace"),
            dimensions={
                entry["Name"]: entry["Value"] for entry in stat["Metric"].get("Dimensions", ())
            },
            period=stat["Period"],
            stat=stat["Stat"],
            unit=stat.get("Unit"),
        ),
    )


def _put_alarm(api: AwsApi, inputs: Properties) -> str:
    queries = inputs.get("metricQueries")
    threshold = inputs.get("threshold")
    api.client("cloudwatch").put_metric_alarm(
        AlarmName=inputs["name"],
        Tags=tag_list(api, inputs),
        **{key: inputs[name] for name, key in _ALARM.items() if inputs.get(name) not in (None, "")},
        **given(
            Threshold=None if threshold is None else float(threshold),
            Dimensions=_dimensions(inputs["dimensions"]) if "dimensions" in inputs else None,
            Metrics=[_query(item) for item in queries] if queries else None,
        ),
    )
    return str(inputs["name"])


def _read_alarm(api: AwsApi, name: str, known: Properties) -> Properties | None:
    cloudwatch = api.client("cloudwatch")
    found = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    if not found:
        return None
    alarm = found[0]
    tags = cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
    return given(
        arn=alarm["AlarmArn"],
        name=alarm["AlarmName"],
        threshold=alarm.get("Threshold"),
        dimensions={item["Name"]: item["Value"] for item in alarm.get("Dimensions", ())},
        metricQueries=[_read_query(item) for item in alarm.get("Metrics", ())],
        **{name: alarm.get(key) for name, key in _ALARM.items()},
        **tag_state(api, known, from_list(tags)),
    )


def _update_alarm(api: AwsApi, name: str, inputs: Properties, changed: frozenset[str]) -> None:
    cloudwatch = api.client("cloudwatch")
    _put_alarm(api, inputs)
    if "tags" not in changed:
        return
    arn = api.arn("cloudwatch", f"alarm:{name}")
    live = from_list(cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"])
    if stale := stale_keys(wanted_tags(api, inputs), live):
        cloudwatch.untag_resource(ResourceARN=arn, TagKeys=stale)
    if tags := tag_list(api, inputs):
        cloudwatch.tag_resource(ResourceARN=arn, Tags=tags)


def _delete_alarm(api: AwsApi, name: str, known: Properties) -> None:
    with ignoring_absent():
        # Moto keeps the tags of a deleted alarm for the next one of that name.
        if keys := list(known.get("tagsAll", ())):
            arn = api.arn("cloudwatch", f"alarm:{name}")
            api.client("cloudwatch").untag_resource(ResourceARN=arn, TagKeys=keys)
        api.client("cloudwatch").delete_alarms(AlarmNames=[name])


def _put_dashboard(api: AwsApi, inputs: Properties) -> str:
    api.client("cloudwatch").put_dashboard(
        DashboardName=inputs["dashboardName"], DashboardBody=inputs["dashboardBody"]
    )
    return str(inputs["dashboardName"])


def _read_dashboard(api: AwsApi, name: str, _known: Properties) -> Properties | None:
    try:
        dashboard = api.client("cloudwatch").get_dashboard(DashboardName=name)
    except ClientError as error:
        if absent(error):
            return None
        raise
    return {
        "dashboardArn": dashboard["DashboardArn"],
        "dashboardName": dashboard["DashboardName"],
        "dashboardBody": dashboard["DashboardBody"],
    }


def _update_dashboard(
    api: AwsApi, _name: str, inputs: Properties, _changed: frozenset[str]
) -> None:
    _put_dashboard(api, inputs)


def _delete_dashboard(api: AwsApi, name: str, _known: Properties) -> None:
    with ignoring_absent():
        api.client("cloudwatch").delete_dashboards(DashboardNames=[name])


TYPES = in_order(
    ResourceType(
        pulumi_type="aws:cloudwatch/metricAlarm:MetricAlarm",
        source=_SOURCE + "cloudwatch/metric_alarm.go",
        properties={
            "name": Property(replaces=True, computed=True),
            **updatable(*_ALARM),
            "comparisonOperator": Property(required=True),
            "evaluationPeriods": Property(required=True),
            "threshold": Property(),
            "dimensions": Property(),
            "metricQueries": Property(unordered=True),
            "actionsEnabled": Property(default=True),
            "treatMissingData": Property(default="missing"),
            **{
                name: Property(unordered=True)
                for name in ("alarmActions", "okActions", "insufficientDataActions")
            },
            **TAGS,
        },
        outputs=("arn", *TAG_OUTPUTS),
        naming=Naming(),
        moves=TAG_MOVES,
        create=_put_alarm,
        read=_read_alarm,
        update=_update_alarm,
        delete=_delete_alarm,
    ),
    ResourceType(
        pulumi_type="aws:cloudwatch/dashboard:Dashboard",
        source=_SOURCE + "cloudwatch/dashboard.go",
        properties={
            "dashboardName": Property(replaces=True, required=True),
            "dashboardBody": Property(required=True, document=True),
        },
        outputs=("dashboardArn",),
        create=_put_dashboard,
        read=_read_dashboard,
        update=_update_dashboard,
        delete=_delete_dashboard,
    ),
)
