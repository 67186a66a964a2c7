"""A stateless EC2 fleet in two slots behind one load balancer.

A change of size fills the other slot and moves the listener's weight to it, so a plain `pulumi up`
is already blue/green: the new slot's instances are healthy before the weight moves, the old ones
keep running until their slot is retired, and going back is moving weight back. This component
decides no size and no weight; it builds the slots it is given.

Two listeners. The serving one forwards by weight. The probing one, which no rule lets anybody
reach, forwards to every slot: a target group that no listener refers to gets no health checks, and
without them the instances of a new slot could not be waited for before they get traffic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.components.fleet_slot import FleetSlot, FleetSlotArgs
from infra.components.naming import LOAD_BALANCER_PREFIX, resource_stem
from infra.components.network import EVERYWHERE
from infra.components.observability import FleetObservability, FleetObservabilityArgs
from infra.tags import workload_tags
from rightsizing.model.rollout import FleetRollout, Slot, SlotState
from rightsizing.model.workload import Architecture, Slos

SERVING_PORT = 80
PROBING_PORT = 8999  # chosen by us; closed to everybody by the security group


@dataclass(frozen=True)
class FleetArgs:
    """A fleet's slots and what is the same in both.

    ``cidr`` is the address range that may reach an internal load balancer, normally the VPC's.
    ``ami`` holds one image id an architecture; a size on an architecture without one is refused.
    """

    rollout: FleetRollout
    ami: Mapping[Architecture, str]
    region: str
    vpc_id: pulumi.Input[str]
    subnet_ids: pulumi.Input[Sequence[str]]
    cidr: str
    port: int = 8080
    health_path: str = "/health"
    target_cpu_pct: int = 60
    internal: bool = True
    user_data: str | None = None
    slos: Slos = field(default_factory=Slos)
    tags: Mapping[str, str] = field(default_factory=dict)
    secret: bool = False  # its declaration is encrypted: the start script stays so in the state


class Fleet(pulumi.ComponentResource):
    """Load balancer, its two listeners, and one group of instances per slot that has a size.

    ``name`` is the workload's key. ``summary`` holds what a person or a tool asks first.
    """

    load_balancer: aws.lb.LoadBalancer
    target_groups: Mapping[Slot, aws.lb.TargetGroup]
    slots: Mapping[Slot, FleetSlot]
    summary: pulumi.Output[Any]

    def __init__(
        self, name: str, args: FleetArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rightsizing:index:Fleet", name, None, opts)
        self._args = args
        self._workload = name
        self._stem = resource_stem(name)
        self._tags = workload_tags(name, more=args.tags)
        self._own = pulumi.ResourceOptions(parent=self)
        filled = {slot: state for slot in Slot if (state := args.rollout.slot(slot)) is not None}

        balancer_group, instance_group = self._make_security_groups()
        self.load_balancer = self._make_load_balancer(balancer_group)
        self.target_groups = {slot: self._make_target_group(slot) for slot in filled}
        probing = self._make_listener("probe", PROBING_PORT, dict.fromkeys(filled, 1), ())
        self.slots = {
            slot: self._make_slot(slot, state, instance_group, probing)
            for slot, state in filled.items()
        }
        self._make_listener(
            "serve",
            SERVING_PORT,
            {slot: state.weight for slot, state in filled.items()},
            [item.group for item in self.slots.values()],
        )
        self._make_observability()
        self.summary = self._summarise(filled)
        self.register_outputs({"summary": self.summary})

    def _make_security_groups(self) -> tuple[aws.ec2.SecurityGroup, aws.ec2.SecurityGroup]:
        args = self._args
        anywhere = [
            aws.ec2.SecurityGroupEgressArgs(
                protocol="-1", from_port=0, to_port=0, cidr_blocks=[EVERYWHERE]
            )
        ]
        balancer = aws.ec2.SecurityGroup(
            f"{LOAD_BALANCER_PREFIX}{self._stem}",
            description=f"Clients to the load balancer of {self._workload}",
            vpc_id=args.vpc_id,
            ingress=[
                aws.ec2.SecurityGroupIngressArgs(
                    protocol="tcp",
                    from_port=SERVING_PORT,
                    to_port=SERVING_PORT,
                    cidr_blocks=[args.cidr if args.internal else EVERYWHERE],
                )
            ],
            egress=anywhere,
            tags=self._tags,
            opts=self._own,
        )
        instances = aws.ec2.SecurityGroup(
            self._stem,
            description=f"Load balancer to the instances of {self._workload}",
            vpc_id=args.vpc_id,
            ingress=[
                aws.ec2.SecurityGroupIngressArgs(
                    protocol="tcp",
                    from_port=args.port,
                    to_port=args.port,
                    security_groups=[balancer.id],
                )
            ],
            egress=anywhere,
            tags=self._tags,
            opts=self._own,
        )
        return balancer, instances

    def _make_load_balancer(self, group: aws.ec2.SecurityGroup) -> aws.lb.LoadBalancer:
        return aws.lb.LoadBalancer(
            f"{LOAD_BALANCER_PREFIX}{self._stem}",
            load_balancer_type="application",
            internal=self._args.internal,
            security_groups=[group.id],
            subnets=self._args.subnet_ids,
            tags=self._tags,
            opts=self._own,
        )

    def _make_target_group(self, slot: Slot) -> aws.lb.TargetGroup:
        return aws.lb.TargetGroup(
            f"{self._stem}-{slot.value}",
            port=self._args.port,
            protocol="HTTP",
            target_type="instance",
            vpc_id=self._args.vpc_id,
            health_check=aws.lb.TargetGroupHealthCheckArgs(
                path=self._args.health_path, protocol="HTTP"
            ),
            tags=workload_tags(self._workload, slot.value, self._args.tags),
            opts=self._own,
        )

    def _make_listener(
        self,
        role: str,
        port: int,
        weights: Mapping[Slot, int],
        after: Sequence[pulumi.Resource],
    ) -> aws.lb.Listener:
        targets = [
            aws.lb.ListenerDefaultActionForwardTargetGroupArgs(
                arn=self.target_groups[slot].arn, weight=weight
            )
            for slot, weight in weights.items()
        ]
        return aws.lb.Listener(
            f"{self._stem}-{role}",
            load_balancer_arn=self.load_balancer.arn,
            port=port,
            protocol="HTTP",
            default_actions=[
                aws.lb.ListenerDefaultActionArgs(
                    type="forward",
                    forward=aws.lb.ListenerDefaultActionForwardArgs(target_groups=targets),
                )
            ],
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(after)),
        )

    def _make_slot(
        self,
        slot: Slot,
        state: SlotState,
        security_group: aws.ec2.SecurityGroup,
        listener: aws.lb.Listener,
    ) -> FleetSlot:
        args = self._args
        return FleetSlot(
            f"{self._workload}-{slot.value}",
            FleetSlotArgs(
                workload=self._workload,
                slot=slot,
                state=state,
                ami=args.ami,
                subnet_ids=args.subnet_ids,
                security_group_id=security_group.id,
                target_group=self.target_groups[slot],
                listener=listener,
                target_cpu_pct=args.target_cpu_pct,
                user_data=args.user_data,
                tags=args.tags,
                secret=args.secret,
            ),
            self._own,
        )

    def _make_observability(self) -> None:
        FleetObservability(
            self._workload,
            FleetObservabilityArgs(
                region=self._args.region,
                load_balancer=self.load_balancer,
                target_groups=self.target_groups,
                groups={slot: item.group for slot, item in self.slots.items()},
                slos=self._args.slos,
                tags=self._args.tags,
            ),
            self._own,
        )

    def _summarise(self, filled: Mapping[Slot, SlotState]) -> pulumi.Output[Any]:
        return pulumi.Output.from_input(
            {
                "dns_name": self.load_balancer.dns_name,
                "live_slot": self._args.rollout.live.value,
                "slots": {
                    slot.value: {
                        "group_name": self.slots[slot].group.name,
                        "target_group_arn": self.target_groups[slot].arn,
                        "instance_type": state.fleet_size.instance_type,
                        "min_instances": state.fleet_size.min_instances,
                        "max_instances": state.fleet_size.max_instances,
                        "weight": state.weight,
                    }
                    for slot, state in filled.items()
                },
            }
        )
