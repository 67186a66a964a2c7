"""What somebody changes by hand shows after a refresh, and an update puts it back."""

from __future__ import annotations

from typing import Any


def _group_inputs(around: Any, **more: Any) -> dict[str, Any]:
    return {
        "minSize": 1,
        "maxSize": 3,
        "vpcZoneIdentifiers": around.subnet_ids,
        "launchTemplate": {"id": around.template_id, "version": "1"},
        **more,
    }


def test_group_range_and_tags(around: Any, make: Any) -> None:
    """A maximum raised and a tag removed on the console."""
    autoscaling = around.api.client("autoscaling")
    tags = [{"key": "rightsizing:workload", "value": "web", "propagateAtLaunch": True}]
    group = make("aws:autoscaling/group:Group", "range")
    inputs = _group_inputs(around, tags=tags)
    group.create(**inputs)
    autoscaling.update_auto_scaling_group(AutoScalingGroupName=group.id, MaxSize=9)
    autoscaling.delete_tags(
        Tags=[
            {
                "ResourceId": group.id,
                "ResourceType": "auto-scaling-group",
                "Key": "rightsizing:workload",
            }
        ]
    )
    group.refresh()
    assert sorted(group.diff(**inputs).diffs) == ["maxSize", "tags"]
    group.update(**inputs)
    group.refresh()
    assert group.diff(**inputs).diffs == []
    group.delete()


def test_listener_weights(around: Any, make: Any) -> None:
    """Traffic moved by hand during an incident."""
    first, second = around.target_group_arns

    def weighted(a: int, b: int) -> list[dict[str, Any]]:
        groups = [{"arn": first, "weight": a}, {"arn": second, "weight": b}]
        return [{"type": "forward", "forward": {"targetGroups": groups}}]

    inputs = {"loadBalancerArn": around.balancer_arn, "port": 8081, "protocol": "HTTP"}
    listener = make("aws:lb/listener:Listener", "weights")
    listener.create(**inputs, defaultActions=weighted(100, 0))
    around.api.client("elbv2").modify_listener(
        ListenerArn=listener.id,
        DefaultActions=[
            {
                "Type": "forward",
                "ForwardConfig": {
                    "TargetGroups": [
                        {"TargetGroupArn": second, "Weight": 40},
                        {"TargetGroupArn": first, "Weight": 60},
                    ]
                },
            }
        ],
    )
    listener.refresh()
    assert listener.diff(**inputs, defaultActions=weighted(100, 0)).diffs == ["defaultActions"]
    assert listener.diff(**inputs, defaultActions=weighted(60, 40)).diffs == []
    listener.delete()


def test_new_template_version(around: Any, make: Any) -> None:
    """A version made by hand is the latest one, and differs."""
    template = make("aws:ec2/launchTemplate:LaunchTemplate", "by-hand")
    inputs = {"imageId": "ami-12345678", "instanceType": "m5.large"}
    template.create(**inputs)
    around.api.client("ec2").create_launch_template_version(
        LaunchTemplateId=template.id,
        LaunchTemplateData={"ImageId": "ami-12345678", "InstanceType": "m5.4xlarge"},
    )
    template.refresh()
    assert template.state["latestVersion"] == 2
    assert template.diff(**inputs).diffs == ["instanceType"]
    template.delete()


def test_alarm_threshold(around: Any, make: Any) -> None:
    """An alarm made less sensitive."""
    alarm = make("aws:cloudwatch/metricAlarm:MetricAlarm", "threshold")
    inputs = {
        "comparisonOperator": "GreaterThanThreshold",
        "evaluationPeriods": 1,
        "metricName": "CPUUtilization",
        "namespace": "AWS/EC2",
        "period": 60,
        "statistic": "Average",
        "threshold": 90,
    }
    alarm.create(**inputs)
    around.api.client("cloudwatch").put_metric_alarm(
        AlarmName=alarm.id,
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        MetricName="CPUUtilization",
        Namespace="AWS/EC2",
        Period=60,
        Statistic="Average",
        Threshold=99,
    )
    alarm.refresh()
    assert alarm.diff(**inputs).diffs == ["threshold"]
    alarm.delete()


def test_service_count_and_definition(around: Any, make: Any) -> None:
    """A service scaled and moved to another revision by hand."""
    ecs = around.api.client("ecs")
    service = make("aws:ecs/service:Service", "counts")
    inputs = {
        "cluster": around.cluster_arn,
        "taskDefinition": around.definition_arn,
        "desiredCount": 1,
    }
    service.create(**inputs)
    other = ecs.register_task_definition(
        family="around", containerDefinitions=[{"name": "app", "image": "app", "memory": 128}]
    )["taskDefinition"]["taskDefinitionArn"]
    ecs.update_service(
        cluster=around.cluster_arn, service=service.id, desiredCount=5, taskDefinition=other
    )
    service.refresh()
    assert sorted(service.diff(**inputs).diffs) == ["desiredCount", "taskDefinition"]
    service.update(**inputs)
    service.refresh()
    assert service.state["desiredCount"] == 1
    service.delete()


def test_deleted_behind_our_back(around: Any, make: Any) -> None:
    """A group deleted on the console is gone for a refresh, and no error for a delete."""
    group = make("aws:autoscaling/group:Group", "vanished")
    group.create(**_group_inputs(around))
    around.api.client("autoscaling").delete_auto_scaling_group(
        AutoScalingGroupName=group.id, ForceDelete=True
    )
    assert not group.refresh()
    group.delete()


def test_a_new_template_leaves_running_instances_as_they_were(around: Any, make: Any) -> None:
    """Facts are the types of running instances; only one launched later is of the new type."""
    ec2, autoscaling = around.api.client("ec2"), around.api.client("autoscaling")
    template = make("aws:ec2/launchTemplate:LaunchTemplate", "sizes")
    template.create(imageId="ami-12345678", instanceType="m5.large", userData="ZWNobw==")
    group = make("aws:autoscaling/group:Group", "sizes")
    inputs = _group_inputs(around, launchTemplate={"id": template.id, "version": "1"})
    group.create(**inputs)
    template.update(imageId="ami-12345678", instanceType="m5.xlarge", userData="ZWNobw==")
    group.update(**{**inputs, "launchTemplate": {"id": template.id, "version": "2"}})
    assert _types(ec2, group.id) == ["m5.large"]
    autoscaling.set_desired_capacity(AutoScalingGroupName=group.id, DesiredCapacity=2)
    assert _types(ec2, group.id) == ["m5.large", "m5.xlarge"]
    group.delete()
    assert _types(ec2, group.id) == []
    template.delete()


def _types(ec2: Any, group: str) -> list[str]:
    found = ec2.describe_instances(
        Filters=[
            {"Name": "tag:aws:autoscaling:groupName", "Values": [group]},
            {"Name": "instance-state-name", "Values": ["running"]},
        ]
    )
    return sorted(
        instance["InstanceType"]
        for reservation in found["Reservations"]
        for instance in reservation["Instances"]
    )
