"""What runs in the local cloud, as arms of traffic: read through boto3, as a client would see it.

A fleet's arms are the target groups of its Auto Scaling groups, with the weights of the listener at
the serving port; a group behind no load balancer is an arm of its own. A service is one arm of as
many tasks as it wants (moto runs none). A container is one arm with the cores of its limit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from rightsizing.embedded.cloud.containerstate import HOST_CPUS, HOST_MEMORY_BYTES, Container
from rightsizing.embedded.cloud.inside import InsideApi
from rightsizing.embedded.cloud.plane.scenario import Scenario
from rightsizing.embedded.cloud.plane.traffic import Cohort
from rightsizing.model.workload import WORKLOAD_TAG, WorkloadKind
from rightsizing.units import CPU_UNITS_PER_VCPU, mib_to_bytes

SLOT_TAG = "rightsizing:slot"
_UP = ("running", "pending")
_NANO = 1_000_000_000
_DEFAULT_WEIGHT = 1  # of a target group in a forward action that names no weights
_SERVICES_A_CALL = 10  # ECS: DescribeServices takes up to 10


@dataclass(frozen=True, slots=True)
class Arm:
    """One share of a workload's traffic and the instances that serve it."""

    workload: str
    kind: WorkloadKind
    name: str  # target group, Auto Scaling group, cluster/service or container
    weight: float
    cohorts: tuple[Cohort, ...]
    slot: str = ""
    groups: tuple[str, ...] = ()  # Auto Scaling groups, in the order of their first cohort
    group_of: Mapping[str, str] = field(default_factory=dict)  # cohort -> Auto Scaling group
    balancer: str = ""  # CloudWatch's LoadBalancer dimension
    target_group: str = ""  # CloudWatch's TargetGroup dimension
    unhealthy: int = 0  # registered targets that fail their health check


@dataclass(frozen=True, slots=True)
class _Target:
    """A target group of a fleet: its share of the serving listener and its targets' health."""

    arn: str
    balancer_arn: str
    weight: float
    healthy: frozenset[str]
    unhealthy: frozenset[str]


class LiveReader:
    """Reads arms; instance types are looked up once."""

    def __init__(self, api: InsideApi, scenario: Scenario) -> None:
        self._api = api
        self._scenario = scenario
        self._types: dict[str, tuple[float, float]] = {}  # vCPUs, bytes

    def arms(self, containers: Iterable[Container] = ()) -> tuple[Arm, ...]:
        """Every arm of the scenario's workloads, by workload and name."""
        found = [*self._fleet_arms(), *self._service_arms(), *self._container_arms(containers)]
        return tuple(sorted(found, key=lambda arm: (arm.workload, arm.name)))

    def _fleet_arms(self) -> list[Arm]:
        groups = [
            (group, tags)
            for group in self._api.pages(
                "autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups"
            )
            if (tags := _tags(group)).get(WORKLOAD_TAG) in self._scenario.workloads
        ]
        instances = self._instances(
            [item["InstanceId"] for group, _ in groups for item in group.get("Instances", ())]
        )
        targets = self._targets({arn for group, _ in groups for arn in group["TargetGroupARNs"]})
        arms: dict[str, Arm] = {}
        for group, tags in groups:
            name = group["AutoScalingGroupName"]
            members = [
                instances[item["InstanceId"]]
                for item in group.get("Instances", ())
                if item["InstanceId"] in instances and item["LifecycleState"] == "InService"
            ]
            behind: list[_Target | None] = [
                targets[arn] for arn in group["TargetGroupARNs"] if arn in targets
            ]
            for target in behind or [None]:
                key = name if target is None else target.arn
                arm = arms.get(key) or _new_arm(tags, target, name)
                arms[key] = self._with_group(arm, name, members, target)
        return [_weighed(arm, arms.values()) for arm in arms.values()]

    def _with_group(
        self, arm: Arm, group: str, members: Sequence[Mapping[str, Any]], target: _Target | None
    ) -> Arm:
        alike: defaultdict[tuple[str, int, bool], int] = defaultdict(int)
        for item in members:
            failing = target is not None and item["InstanceId"] in target.unhealthy
            started = int(item["LaunchTime"].timestamp())
            alike[item["InstanceType"], started, not failing] += 1
        cohorts = []
        for (kind, started, healthy), count in sorted(alike.items()):
            cores, memory_bytes = self._shape(kind)
            cohorts.append(
                Cohort(
                    name=f"{group} {kind} {started}{'' if healthy else ' unhealthy'}",
                    count=count,
                    cores=cores,
                    memory_bytes=memory_bytes,
                    speed=self._scenario.speeds.get(kind.split(".", 1)[0], 1.0),
                    started_s=started,
                    in_service=healthy,
                )
            )
        return replace(
            arm,
            cohorts=(*arm.cohorts, *cohorts),
            groups=(*arm.groups, group),
            group_of={**arm.group_of, **{cohort.name: group for cohort in cohorts}},
            unhealthy=arm.unhealthy + sum(c.count for c in cohorts if not c.in_service),
        )

    def _instances(self, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        if not ids:
            return {}
        filters = [{"Name": "instance-id", "Values": sorted(ids)}]
        return {
            instance["InstanceId"]: instance
            for reservation in self._api.pages(
                "ec2", "describe_instances", "Reservations", Filters=filters
            )
            for instance in reservation["Instances"]
            if instance["State"]["Name"] in _UP
        }

    def _shape(self, kind: str) -> tuple[float, float]:
        found = self._types.get(kind)
        if found is None:
            (described,) = self._api.client("ec2").describe_instance_types(InstanceTypes=[kind])[
                "InstanceTypes"
            ]
            cores = float(described["VCpuInfo"]["DefaultVCpus"])
            found = cores, float(mib_to_bytes(described["MemoryInfo"]["SizeInMiB"]))
            self._types[kind] = found
        return found

    def _targets(self, arns: Iterable[str]) -> dict[str, _Target]:
        elb = self._api.client("elbv2")
        wanted = sorted(arns)
        if not wanted:
            return {}
        # a group that a killed update left may name a target group that is gone
        described = [
            item
            for item in self._api.pages("elbv2", "describe_target_groups", "TargetGroups")
            if item["TargetGroupArn"] in wanted
        ]
        balancers = {arn for item in described for arn in item.get("LoadBalancerArns", ())}
        weights = {balancer: self._weights(balancer) for balancer in sorted(balancers)}
        found = {}
        for item in described:
            arn = item["TargetGroupArn"]
            balancer = next(iter(item.get("LoadBalancerArns", ())), "")
            health = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
            states = {entry["Target"]["Id"]: entry["TargetHealth"]["State"] for entry in health}
            found[arn] = _Target(
                arn,
                balancer,
                weights.get(balancer, {}).get(arn, 0.0),
                frozenset(key for key, state in states.items() if state == "healthy"),
                frozenset(key for key, state in states.items() if state == "unhealthy"),
            )
        return found

    def _weights(self, balancer: str) -> dict[str, float]:
        """Share of each target group in the listener at the serving port."""
        weights: defaultdict[str, float] = defaultdict(float)
        for listener in self._api.pages(
            "elbv2", "describe_listeners", "Listeners", LoadBalancerArn=balancer
        ):
            if listener.get("Port") != self._scenario.serving_port:
                continue
            for action in listener.get("DefaultActions", ()):
                named = (action.get("ForwardConfig") or {}).get("TargetGroups") or []
                if not named and action.get("TargetGroupArn"):
                    named = [{"TargetGroupArn": action["TargetGroupArn"]}]
                for group in named:
                    weight = float(group.get("Weight", _DEFAULT_WEIGHT))
                    weights[group["TargetGroupArn"]] += weight
        total = sum(weights.values())
        return {arn: weight / total for arn, weight in weights.items()} if total else {}

    def _service_arms(self) -> list[Arm]:
        ecs, arms = self._api.client("ecs"), []
        for cluster in self._api.pages("ecs", "list_clusters", "clusterArns"):
            arns = list(self._api.pages("ecs", "list_services", "serviceArns", cluster=cluster))
            for start in range(0, len(arns), _SERVICES_A_CALL):
                answer = ecs.describe_services(
                    cluster=cluster,
                    services=arns[start : start + _SERVICES_A_CALL],
                    include=["TAGS"],
                )
                for service in answer["services"]:
                    tags = {item["key"]: item.get("value", "") for item in service.get("tags", ())}
                    workload = tags.get(WORKLOAD_TAG)
                    if workload in self._scenario.workloads and service["status"] == "ACTIVE":
                        arms.append(self._service_arm(workload, cluster, service, tags))
        return _shared_evenly(arms)

    def _service_arm(
        self, workload: str, cluster: str, service: Mapping[str, Any], tags: Mapping[str, str]
    ) -> Arm:
        task = self._api.client("ecs").describe_task_definition(
            taskDefinition=service["taskDefinition"]
        )["taskDefinition"]
        containers = task.get("containerDefinitions", ())
        units = int(task.get("cpu") or sum(int(item.get("cpu") or 0) for item in containers))
        mib = int(task.get("memory") or sum(int(item.get("memory") or 0) for item in containers))
        name = f"{cluster.rsplit('/', 1)[-1]}/{service['serviceName']}"
        deployment: Mapping[str, Any] = next(iter(service.get("deployments", ())), {})
        created = deployment.get("createdAt")
        revision = service["taskDefinition"].rsplit("/", 1)[-1]
        cohort = Cohort(
            name=f"{name} {revision}",
            count=int(service["desiredCount"]),
            cores=(units or CPU_UNITS_PER_VCPU) / CPU_UNITS_PER_VCPU,
            memory_bytes=float(mib_to_bytes(mib or 512)),
            started_s=int(created.timestamp()) if created is not None else 0,
        )
        return Arm(workload, WorkloadKind.SERVICE, name, 1.0, (cohort,), tags.get(SLOT_TAG, ""))

    def _container_arms(self, containers: Iterable[Container]) -> list[Arm]:
        arms = []
        for container in containers:
            workload = container.labels.get(WORKLOAD_TAG)
            if workload not in self._scenario.workloads or not container.running:
                continue
            arms.append(
                Arm(
                    workload,
                    WorkloadKind.CONTAINER,
                    container.name,
                    1.0,
                    (_container_cohort(container),),
                    container.labels.get(SLOT_TAG, ""),
                )
            )
        return _shared_evenly(arms)


def _container_cohort(container: Container) -> Cohort:
    host = container.host_config
    quota = (host.get("CpuQuota") or 0) / (host.get("CpuPeriod") or 100_000)
    cores = (host.get("NanoCpus") or 0) / _NANO or quota or float(HOST_CPUS)
    return Cohort(
        name=container.id,
        count=1,
        cores=cores,
        memory_bytes=float(host.get("Memory") or HOST_MEMORY_BYTES),
        started_s=int(datetime.fromisoformat(container.started_at).timestamp()),
    )


def _new_arm(tags: Mapping[str, str], target: _Target | None, group: str) -> Arm:
    if target is None:
        return Arm(tags[WORKLOAD_TAG], WorkloadKind.FLEET, group, 0.0, (), tags.get(SLOT_TAG, ""))
    suffix = target.arn.split(":")[-1]
    return Arm(
        tags[WORKLOAD_TAG],
        WorkloadKind.FLEET,
        suffix,
        target.weight,
        (),
        tags.get(SLOT_TAG, ""),
        balancer=target.balancer_arn.split(":loadbalancer/")[-1] if target.balancer_arn else "",
        target_group=suffix,
    )


def _weighed(arm: Arm, arms: Iterable[Arm]) -> Arm:
    """Groups of a workload that no load balancer serves share its work by instances."""
    mine = [item for item in arms if item.workload == arm.workload]
    if any(item.balancer for item in mine):
        return arm
    total = sum(cohort.count for item in mine for cohort in item.cohorts)
    own = sum(cohort.count for cohort in arm.cohorts)
    return replace(arm, weight=own / total if total else 0.0)


def _shared_evenly(arms: Sequence[Arm]) -> list[Arm]:
    counts: defaultdict[str, int] = defaultdict(int)
    for arm in arms:
        counts[arm.workload] += 1
    return [replace(arm, weight=1 / counts[arm.workload]) for arm in arms]


def _tags(group: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in group.get("Tags", ())}
