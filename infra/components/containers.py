"""A Docker container with CPU and memory limits.

Docker changes a memory limit on a running container; a CPU limit makes the provider replace it.
A container that may run twice is replaced by starting its successor first. One that must not, or
cannot because its name or port is fixed, is stopped first: it is down for at most STOP_SECONDS
plus the time its successor needs to start, and ``summary`` says so. One behind a proxy runs in two
slots, each at a port of its own, and nothing of the serving slot is changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pulumi
import pulumi_docker as docker

from infra.components.naming import resource_stem
from infra.tags import workload_tags
from rightsizing.model.declaration import ProxyDeclaration
from rightsizing.model.rollout import FleetRollout, Slot
from rightsizing.model.size import ContainerSize
from rightsizing.units import MILLICORES_PER_CORE

PORT_VARIABLE = "PORT"  # tells a container in a slot where to listen
STOP_SECONDS = 10  # from SIGTERM to SIGKILL; Docker's own default, written down because it is shown


@dataclass(frozen=True)
class LimitedContainerArgs:
    """What runs, with which limits, and whether a second copy may run beside it."""

    size: ContainerSize
    image: str
    stop_first: bool
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    container_name: str | None = None
    ports: Mapping[int, int] = field(default_factory=dict)  # container port -> host port
    mounts: Mapping[str, str] = field(default_factory=dict)  # host path -> path inside, read-only
    network_mode: str = "bridge"
    restart: str = "unless-stopped"
    tags: Mapping[str, str] = field(default_factory=dict)
    secret: bool = False  # its declaration is encrypted: the environment stays so in the state
    workload: str | None = None  # where the component's name is not its key
    slot: Slot | None = None  # of a container behind a proxy


class LimitedContainer(pulumi.ComponentResource):
    """One container of a workload; ``name`` is the workload's key, with its slot if it has one."""

    container: docker.Container
    summary: pulumi.Output[Any]

    def __init__(
        self, name: str, args: LimitedContainerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rightsizing:index:LimitedContainer", name, None, opts)
        workload = args.workload or name
        slot = None if args.slot is None else args.slot.value
        stem = resource_stem(workload)
        envs = [f"{key}={value}" for key, value in sorted(args.environment.items())] or None
        self.container = docker.Container(
            stem if slot is None else f"{stem}-{slot}",
            name=args.container_name,
            image=args.image,
            command=list(args.command) or None,
            envs=pulumi.Output.secret(envs) if args.secret and envs else envs,
            cpus=docker_cpus(args.size.cpu_millicores),
            memory=args.size.memory_mib,
            memory_swap=args.size.memory_mib,  # memory plus swap: equal means no swap
            restart=args.restart,
            network_mode=args.network_mode,
            ports=[
                docker.ContainerPortArgs(internal=inside, external=outside)
                for inside, outside in sorted(args.ports.items())
            ]
            or None,
            mounts=[
                docker.ContainerMountArgs(type="bind", source=source, target=target, read_only=True)
                for source, target in sorted(args.mounts.items())
            ]
            or None,
            destroy_grace_seconds=STOP_SECONDS,
            labels=[
                docker.ContainerLabelArgs(label=key, value=value)
                for key, value in sorted(workload_tags(workload, slot, args.tags).items())
            ],
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=args.stop_first),
        )
        self.summary = pulumi.Output.from_input(
            {
                "container_name": self.container.name,
                "cpus": docker_cpus(args.size.cpu_millicores),
                "memory_mib": args.size.memory_mib,
                "on_cpu_change": replacement_notice(stop_first=args.stop_first),
            }
        )
        self.register_outputs({"summary": self.summary})


class ProxiedContainer(pulumi.ComponentResource):
    """One container a slot that has a size, for a proxy to share traffic between.

    ``args.size`` is not looked at: every slot has its own. A slot's port is fixed, so a container
    in it is stopped before its successor; it has no weight then.
    """

    slots: Mapping[Slot, LimitedContainer]
    summary: pulumi.Output[Any]

    def __init__(
        self,
        name: str,
        args: LimitedContainerArgs,
        rollout: FleetRollout,
        proxy: ProxyDeclaration,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("rightsizing:index:ProxiedContainer", name, None, opts)
        filled = {slot: state for slot in Slot if (state := rollout.slot(slot)) is not None}
        slots = {}
        for slot, state in filled.items():
            assert isinstance(state.size, ContainerSize)  # the release has sizes of its kind
            slots[slot] = LimitedContainer(
                f"{name}-{slot.value}",
                _slot_args(name, args, slot, state.size, proxy),
                pulumi.ResourceOptions(parent=self),
            )
        self.slots = slots
        self.summary = pulumi.Output.from_input(
            {
                "backend": proxy.backend,
                "live_slot": rollout.live.value,
                "slots": {
                    slot.value: {
                        "container_name": slots[slot].container.name,
                        "port": proxy.server(slot).port,
                        "server": proxy.server(slot).server,
                        "size": str(state.size),
                        "weight": state.weight,
                    }
                    for slot, state in filled.items()
                },
            }
        )
        self.register_outputs({"summary": self.summary})


def _slot_args(
    workload: str,
    args: LimitedContainerArgs,
    slot: Slot,
    size: ContainerSize,
    proxy: ProxyDeclaration,
) -> LimitedContainerArgs:
    """The container of one slot: it learns its port from PORT, or has it published."""
    on_host = args.network_mode == "host"
    port = proxy.server(slot).port
    inside = port if on_host else proxy.container_port
    return replace(
        args,
        size=size,
        stop_first=True,
        environment={**args.environment, PORT_VARIABLE: str(inside)},
        ports={} if on_host else {inside: port},
        workload=workload,
        slot=slot,
    )


def docker_cpus(millicores: int) -> str:
    """Docker's ``--cpus`` text, exact: 16000 -> "16", 1750 -> "1.75", 10 -> "0.01"."""
    cores, rest = divmod(millicores, MILLICORES_PER_CORE)
    return f"{cores}.{rest:03d}".rstrip("0").rstrip(".")


def replacement_notice(*, stop_first: bool) -> str:
    """What a change of the CPU limit does to the running container, as a sentence."""
    if stop_first:
        return (
            f"stopped (within {STOP_SECONDS} s) before its successor starts: it never runs twice, "
            f"and is down until the successor is up"
        )
    return "its successor starts before it is stopped"
