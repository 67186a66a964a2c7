"""Target tracking: one metric and the value to hold it at, to the services and back.

Amazon EC2 Auto Scaling and Application Auto Scaling share the form (PutScalingPolicy of both).
"""

from __future__ import annotations

from rightsizing.embedded.plugin.schema import given
from rightsizing.embedded.plugin.values import Properties
from rightsizing.model.update import Json


def tracking_arguments(block: Properties) -> Properties:
    """A Pulumi block as both services take it."""
    predefined, custom = (
        block.get("predefinedMetricSpecification"),
        block.get("customizedMetricSpecification"),
    )
    return given(
        TargetValue=float(block["targetValue"]),
        DisableScaleIn=bool(block.get("disableScaleIn", False)),
        PredefinedMetricSpecification=predefined
        and given(
            PredefinedMetricType=predefined["predefinedMetricType"],
            ResourceLabel=predefined.get("resourceLabel"),
        ),
        CustomizedMetricSpecification=custom
        and given(
            MetricName=custom["metricName"],
            Namespace=custom["namespace"],
            Statistic=custom["statistic"],
            Unit=custom.get("unit"),
            Dimensions=[
                {"Name": item["name"], "Value": item["value"]}
                for item in custom.get("metricDimensions", custom.get("dimensions", ()))
            ],
        ),
    )


def read_tracking(tracking: Json, dimensions: str = "metricDimensions") -> Properties:
    """A tracking as a service describes it, in Pulumi's form.

    ``dimensions``: what Pulumi calls the custom metric's dimensions, which differs by service.
    """
    predefined = tracking.get("PredefinedMetricSpecification")
    custom = tracking.get("CustomizedMetricSpecification")
    return given(
        targetValue=tracking["TargetValue"],
        disableScaleIn=bool(tracking.get("DisableScaleIn", False)),
        predefinedMetricSpecification=predefined
        and given(
            predefinedMetricType=predefined["PredefinedMetricType"],
            resourceLabel=predefined.get("ResourceLabel"),
        ),
        customizedMetricSpecification=custom
        and given(
            metricName=custom.get("MetricName"),
            namespace=custom.get("Namespace"),
            statistic=custom.get("Statistic"),
            unit=custom.get("Unit"),
            **{
                dimensions: [
                    {"name": item["Name"], "value": item["Value"]}
                    for item in custom.get("Dimensions", ())
                ]
            },
        ),
    )
