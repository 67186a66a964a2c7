"""``docker:index/container:Container``: the calls behind it, and its row of rules.

Rules from kreuzwerker/terraform-provider-docker at 83c00e0, which pulumi-docker wraps:
internal/provider/resource_docker_container.go (schema) and ..._funcs.go (calls). In short: ``cpus``
replaces; ``memory``, ``memorySwap``, ``cpuShares``, ``cpuSet`` and ``restart`` update in place;
``cpuQuota`` and ``cpuPeriod`` are taken and sent at creation only, and not when ``cpus`` is set;
labels and environment are not read back.
"""

from __future__ import annotations

from typing import Any

import docker
from docker.errors import APIError, NotFound

from rightsizing.embedded.docker.limits import bytes_of, cpus_text, mib_of, nano_cpus
from rightsizing.embedded.plugin.schema import Naming, Property, ResourceType, given
from rightsizing.embedded.plugin.values import Properties
from rightsizing.errors import EmbeddedError
from rightsizing.model.update import Json

_STOP_GRACE_S = 10  # Docker's own, when destroyGraceSeconds is not set
_IN_PLACE = frozenset(
    {
        # attrs of resourceDockerContainerUpdate, ..._funcs.go
        "restart",
        "maxRetryCount",
        "cpuShares",
        "memory",
        "memoryReservation",
        "cpuSet",
        "memorySwap",
    }
)


def _host_config(client: docker.DockerClient, inputs: Properties) -> Properties:
    ports = {
        f"{port['internal']}/{port.get('protocol', 'tcp')}": (
            port.get("ip", "0.0.0.0"),  # noqa: S104 - Docker's default
            port.get("external"),
        )
        for port in inputs.get("ports", ())
    }
    config: Properties = client.api.create_host_config(
        port_bindings=ports or None,
        binds=[_bind(volume) for volume in inputs.get("volumes", ()) if volume.get("hostPath")]
        or None,
        mounts=[_mount(mount) for mount in inputs.get("mounts", ())] or None,
        restart_policy=_restart_policy(inputs),
        network_mode=inputs.get("networkMode"),
        read_only=inputs.get("readOnly"),
        auto_remove=bool(inputs.get("rm")),
        privileged=bool(inputs.get("privileged")),
        mem_limit=bytes_of(inputs["memory"]) if inputs.get("memory") else None,
        memswap_limit=bytes_of(inputs["memorySwap"]) if inputs.get("memorySwap") else None,
        mem_reservation=bytes_of(inputs["memoryReservation"])
        if inputs.get("memoryReservation")
        else None,
        cpu_shares=inputs.get("cpuShares"),
        cpuset_cpus=inputs.get("cpuSet"),
        tmpfs=inputs.get("tmpfs"),
        init=inputs.get("init"),
    )
    if inputs.get("cpus"):
        config["NanoCpus"] = nano_cpus(inputs["cpus"])
    else:  # ..._funcs.go: quota and period count only without cpus
        config |= given(CpuQuota=inputs.get("cpuQuota"), CpuPeriod=inputs.get("cpuPeriod"))
    return config


def _bind(volume: Properties) -> str:
    mode = "ro" if volume.get("readOnly") else "rw"
    return f"{volume['hostPath']}:{volume['containerPath']}:{mode}"


def _mount(mount: Properties) -> docker.types.Mount:
    return docker.types.Mount(
        target=mount["target"],
        source=mount.get("source"),
        type=mount["type"],
        read_only=bool(mount.get("readOnly")),
    )


def _restart_policy(inputs: Properties) -> Properties:
    return {
        "Name": inputs.get("restart", "no"),
        "MaximumRetryCount": int(inputs.get("maxRetryCount", 0)),
    }


def _create(client: docker.DockerClient, inputs: Properties) -> str:
    _require_image(client, inputs["image"])
    labels = {item["label"]: item["value"] for item in inputs.get("labels", ())}
    created = client.api.create_container(
        image=inputs["image"],
        name=inputs["name"],
        command=inputs.get("command"),
        entrypoint=inputs.get("entrypoints"),
        environment=inputs.get("envs"),
        hostname=inputs.get("hostname"),
        user=inputs.get("user"),
        working_dir=inputs.get("workingDir"),
        labels=labels,
        ports=[(port["internal"], port.get("protocol", "tcp")) for port in inputs.get("ports", ())]
        or None,
        stop_signal=inputs.get("stopSignal"),
        host_config=_host_config(client, inputs),
    )
    container_id = str(created["Id"])
    if inputs["start"]:
        try:
            client.api.start(container_id)
        except APIError:
            # Not yet in any state file: leave nothing behind that nobody would find.
            client.api.remove_container(container_id, force=True, v=True)
            raise
    return container_id


def _require_image(client: docker.DockerClient, image: str) -> None:
    """The image must be here: the real provider would pull it, which needs a network."""
    try:
        client.api.inspect_image(image)
    except NotFound as error:
        if client.version().get("Version") == "simulated":
            return
        raise EmbeddedError(
            f"image {image!r} is not on this engine and the local provider pulls none; run "
            f"`docker pull {image}` first"
        ) from error


def _read(client: docker.DockerClient, container_id: str, known: Properties) -> Properties | None:
    try:
        found: dict[str, Any] = client.api.inspect_container(container_id)
    except NotFound:
        return None
    host, config, state = found["HostConfig"], found["Config"], found["State"]
    restart = host.get("RestartPolicy") or {}
    live: Properties = given(
        name=found["Name"].lstrip("/"),
        # An image given by digest is compared with the image's id (issue 426 of the provider).
        image=found["Image"] if str(known.get("image")).startswith("sha256:") else config["Image"],
        hostname=config.get("Hostname"),
        command=config.get("Cmd"),
        entrypoints=config.get("Entrypoint"),
        user=config.get("User"),
        workingDir=config.get("WorkingDir"),
        restart=restart.get("Name") or "no",
        maxRetryCount=restart.get("MaximumRetryCount"),
        memory=mib_of(host.get("Memory") or 0),
        memorySwap=mib_of(host.get("MemorySwap") or 0),
        memoryReservation=mib_of(host.get("MemoryReservation") or 0),
        cpuShares=host.get("CpuShares"),
        cpuSet=host.get("CpusetCpus"),
        networkMode=host.get("NetworkMode"),
        privileged=bool(host.get("Privileged")),
        readOnly=bool(host.get("ReadonlyRootfs")),
        rm=bool(host.get("AutoRemove")),
        bridge=(found.get("NetworkSettings") or {}).get("Bridge"),
    )
    if host.get("NanoCpus"):
        live["cpus"] = cpus_text(host["NanoCpus"])
    if not state["Running"]:
        live["exitCode"] = state["ExitCode"]
        if known.get("mustRun", True):
            # ..._funcs.go: a stopped container that should run shows as mustRun false, which the
            # next update sets right by starting it.
            live["mustRun"] = False
    elif known.get("mustRun") is False:
        live["mustRun"] = True
    return live


def _update(
    client: docker.DockerClient, container_id: str, inputs: Properties, changed: frozenset[str]
) -> None:
    if "mustRun" in changed and inputs.get("mustRun") and inputs.get("start"):
        client.api.start(container_id)
    if not changed & _IN_PLACE:
        return
    # The provider sends all of them whenever one changed, and memorySwap only when it is given:
    # without it the engine refuses memory above the swap limit it set at creation, which is twice
    # the memory of then (moby daemon/daemon_unix.go). It never sends CPUs.
    client.api.update_container(
        container_id,
        **given(
            cpu_shares=inputs.get("cpuShares") or None,
            cpuset_cpus=inputs.get("cpuSet") or None,
            mem_limit=bytes_of(inputs.get("memory", 0)) or None,
            mem_reservation=bytes_of(inputs.get("memoryReservation", 0)) or None,
            memswap_limit=bytes_of(inputs["memorySwap"]) if inputs.get("memorySwap") else None,
        ),
        restart_policy=_restart_policy(inputs),
    )


def _delete(client: docker.DockerClient, container_id: str, known: Properties) -> None:
    try:
        if not known.get("rm"):
            client.api.stop(
                container_id, timeout=int(known.get("destroyGraceSeconds") or _STOP_GRACE_S)
            )
        client.api.remove_container(
            container_id, v=bool(known.get("removeVolumes", True)), force=True
        )
    except NotFound:
        return


def _replacing(*names: str) -> dict[str, Property]:
    return {name: Property(replaces=True) for name in names}


def _filled_in(*names: str) -> dict[str, Property]:
    return {name: Property(replaces=True, computed=True) for name in names}


_PORT_DEFAULTS = frozenset({"ip", "protocol", "external"})

CONTAINER: ResourceType[docker.DockerClient] = ResourceType(
    pulumi_type="docker:index/container:Container",
    source="kreuzwerker/terraform-provider-docker internal/provider/resource_docker_container.go",
    properties={
        "name": Property(replaces=True),
        "image": Property(replaces=True, required=True),
        **_replacing("cpus", "user", "workingDir", "mounts", "volumes", "tmpfs", "privileged"),
        **_filled_in("hostname", "command", "entrypoints", "envs", "labels", "stopSignal"),
        "labels": Property(replaces=True, computed=True, unordered=True),
        "ports": Property(replaces=True, nested_computed=_PORT_DEFAULTS),
        "networkMode": Property(replaces=True, default="bridge"),
        "readOnly": Property(replaces=True, default=False),
        "memory": Property(),
        "memorySwap": Property(),
        "memoryReservation": Property(default=0),
        "cpuShares": Property(),
        "cpuSet": Property(),
        "cpuPeriod": Property(),
        "cpuQuota": Property(),
        "restart": Property(default="no"),
        "maxRetryCount": Property(),
        "mustRun": Property(default=True),
        "start": Property(default=True),
        "rm": Property(default=False),
        "removeVolumes": Property(default=True),
        "destroyGraceSeconds": Property(),
        "init": Property(computed=True),
        # Steer the provider itself; the engine does not know them.
        "attach": Property(default=False),
        "logs": Property(default=False),
        "wait": Property(default=False),
        "waitTimeout": Property(default=60),
        "containerReadRefreshTimeoutMilliseconds": Property(default=15000),
    },
    outputs=("bridge", "exitCode"),
    naming=Naming(),
    create=_create,
    read=_read,
    update=_update,
    delete=_delete,
)


def explain_docker_error(error: Exception) -> str | None:
    """One sentence for an error of the Docker SDK, else None."""
    if isinstance(error, APIError):
        return f"the Docker engine refused: {_words(error)}"
    if isinstance(error, docker.errors.DockerException):
        return str(error)
    return None


def _words(error: APIError) -> Json:
    return str(error.explanation or error)
