"""Containers through the docker provider, on the simulated engine and on a real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest

from rightsizing.embedded.cloud.images import DEMO_IMAGE, prepare_demo_image
from rightsizing.embedded.docker.connection import (
    engine_host,
    is_simulated,
    open_engine,
    real_engine_host,
)
from rightsizing.embedded.docker.provider import DockerProvider
from rightsizing.errors import EmbeddedError

CONTAINER = "docker:index/container:Container"
LABELS = [{"label": "rightsizing:workload", "value": "trader"}]
INPUTS: dict[str, Any] = {
    "image": DEMO_IMAGE,
    "command": ["sleep", "600"],
    "cpus": "0.5",
    "memory": 64,
    "memorySwap": 64,
    "restart": "unless-stopped",
    "networkMode": "none",
    "envs": ["MODE=paper"],
    "labels": LABELS,
    "destroyGraceSeconds": 1,
}


@pytest.fixture(params=["simulated", pytest.param("real", marks=pytest.mark.docker)])
def client(
    request: pytest.FixtureRequest, endpoints: Any
) -> Iterator[tuple[docker.DockerClient, DockerProvider]]:
    """An engine with the demo image, and the provider on it."""
    host = endpoints.docker_host
    if request.param == "real":
        found_host = real_engine_host()
        if found_host is None:
            pytest.skip("no Docker engine answers on this machine")
        host = found_host
    found = open_engine(host)
    prepare_demo_image(found)
    yield found, DockerProvider(host)
    found.close()


@pytest.fixture
def trader(
    client: tuple[docker.DockerClient, DockerProvider], make: Callable[..., Any]
) -> Iterator[Any]:
    """A running container of INPUTS, removed afterwards."""
    container = make(CONTAINER, "trader", by=client[1], seed=b"")
    container.create(**INPUTS)
    yield container
    container.delete()


@pytest.fixture
def live(client: tuple[docker.DockerClient, DockerProvider], trader: Any) -> Callable[[], Any]:
    """What the engine says about the trader."""
    return lambda: client[0].containers.get(trader.id).attrs


def test_created_as_asked(trader: Any, live: Callable[[], Any]) -> None:
    """Running, half a CPU is 500,000,000 billionths, 64 MiB, labels and command as given."""
    found = live()
    assert found["State"]["Running"]
    assert found["HostConfig"]["NanoCpus"] == 500_000_000
    assert found["HostConfig"]["Memory"] == found["HostConfig"]["MemorySwap"] == 64 * 1024**2
    assert found["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert found["Config"]["Labels"]["rightsizing:workload"] == "trader"
    assert found["Config"]["Cmd"] == ["sleep", "600"]


def test_unchanged_after_creation_and_refresh(trader: Any) -> None:
    """No difference against its own inputs."""
    assert trader.diff(**INPUTS).diffs == []
    assert trader.refresh()
    assert trader.diff(**INPUTS).diffs == []


def test_memory_and_restart_change_in_place(trader: Any, live: Callable[[], Any]) -> None:
    """The same container afterwards, with the new limits."""
    changed = {**INPUTS, "memory": 128, "memorySwap": 128, "restart": "always"}
    difference = trader.diff(**changed)
    assert (difference.diffs, difference.replaces) == (["memory", "memorySwap", "restart"], [])
    before = trader.id
    trader.update(**changed)
    found = live()
    assert (trader.id, found["HostConfig"]["Memory"]) == (before, 128 * 1024**2)
    assert found["HostConfig"]["RestartPolicy"]["Name"] == "always"
    assert found["HostConfig"]["NanoCpus"] == 500_000_000
    assert trader.diff(**changed).diffs == []


def test_memory_above_the_old_swap_limit_is_refused_by_the_engine(trader: Any) -> None:
    """Without memorySwap the provider sends none, so the limit of 64 MiB stays in the way."""
    inputs = {key: value for key, value in INPUTS.items() if key != "memorySwap"}
    with pytest.raises(EmbeddedError, match="update the memoryswap at the same time"):
        trader.update(**{**inputs, "memory": 256})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cpus", "1.0"),
        ("name", "other"),
        ("image", "rightsizing/demo:2"),
        ("command", ["sleep", "601"]),
        ("envs", ["MODE=live"]),
        ("networkMode", "host"),
        ("labels", [{"label": "rightsizing:workload", "value": "guardian"}]),
        ("mounts", [{"type": "bind", "source": "/tmp", "target": "/data"}]),
        ("volumes", [{"hostPath": "/tmp", "containerPath": "/data"}]),
        ("ports", [{"internal": 80, "external": 8080}]),
    ],
)
def test_replacing_change(name: str, value: Any, endpoints: Any, make: Any) -> None:
    """ForceNew in the real provider's schema: a new container."""
    container = make(CONTAINER, "replaced", by=DockerProvider(endpoints.docker_host), seed=b"")
    container.create(**INPUTS)
    difference = container.diff(**{**INPUTS, name: value})
    assert (difference.diffs, difference.replaces) == ([name], [name])
    container.delete()


def test_cpu_quota_is_accepted_and_never_sent(trader: Any, live: Callable[[], Any]) -> None:
    """An update of it changes nothing in the engine, as in the real provider."""
    changed = {**INPUTS, "cpuQuota": 20_000}
    assert trader.diff(**changed).replaces == []
    trader.update(**changed)
    assert not live()["HostConfig"].get("CpuQuota")


def test_limits_changed_by_hand_show_and_are_restored(
    trader: Any, client: tuple[docker.DockerClient, DockerProvider], live: Callable[[], Any]
) -> None:
    """``docker update`` behind our back."""
    client[0].api.update_container(trader.id, mem_limit=100 * 1024**2, memswap_limit=100 * 1024**2)
    trader.refresh()
    assert trader.diff(**INPUTS).diffs == ["memory", "memorySwap"]
    trader.update(**INPUTS)
    trader.refresh()
    assert trader.diff(**INPUTS).diffs == []
    assert live()["HostConfig"]["Memory"] == 64 * 1024**2


def test_a_stopped_container_is_started_by_an_update(
    trader: Any, client: tuple[docker.DockerClient, DockerProvider], live: Callable[[], Any]
) -> None:
    """It shows as mustRun false after a refresh, which the next update sets right."""
    client[0].api.stop(trader.id, timeout=0)
    trader.refresh()
    assert trader.diff(**INPUTS).diffs == ["mustRun"]
    trader.update(**INPUTS)
    assert live()["State"]["Running"]


def test_removed_behind_our_back(
    client: tuple[docker.DockerClient, DockerProvider], make: Callable[..., Any]
) -> None:
    """Gone for a refresh; deleting it again is no error."""
    container = make(CONTAINER, "gone", by=client[1], seed=b"")
    container.create(**INPUTS)
    client[0].api.remove_container(container.id, force=True)
    assert not container.refresh()
    container.delete()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"memory": 4, "memorySwap": 4}, "Minimum memory limit allowed is 6MB"),
        ({"cpus": "9999"}, "Range of CPUs is from 0.01"),
        ({"cpus": "half"}, "cpus 'half' is not a number such as 1.75"),
        ({"memorySwap": 32}, "memoryswap limit should be larger than memory limit"),
    ],
)
def test_impossible_limits(
    change: dict[str, Any],
    sentence: str,
    client: tuple[docker.DockerClient, DockerProvider],
    make: Callable[..., Any],
) -> None:
    """Refused in the engine's words, and no container is left behind."""
    container = make(CONTAINER, "impossible", by=client[1], seed=b"")
    with pytest.raises(EmbeddedError, match=sentence):
        container.create(**{**INPUTS, **change}, name="impossible")
    assert client[0].containers.list(all=True, filters={"name": "impossible"}) == []


def test_a_name_in_use_is_refused(trader: Any, client: Any, make: Callable[..., Any]) -> None:
    """Which is why a container with a chosen name is stopped before it is replaced."""
    twin = make(CONTAINER, "twin", by=client[1], seed=b"")
    with pytest.raises(EmbeddedError, match="already in use"):
        twin.create(**INPUTS, name=trader.state["name"])


@pytest.mark.docker
def test_an_image_is_never_pulled(make: Callable[..., Any]) -> None:
    """A missing one is named with what to do."""
    found_host = real_engine_host()
    if found_host is None:
        pytest.skip("no Docker engine answers on this machine")
    container = make(CONTAINER, "absent", by=DockerProvider(found_host))
    with pytest.raises(EmbeddedError, match=r"docker pull nowhere/absent:1"):
        container.create(image="nowhere/absent:1")


@pytest.mark.parametrize("host", ["tcp://10.0.0.1:2375", "ssh://root@build", "tcp://engine:2375"])
def test_a_remote_engine_is_refused(host: str) -> None:
    """An address, a name, a tunnel."""
    with pytest.raises(EmbeddedError, match="DOCKER_HOST"):
        engine_host(host)


def test_no_engine(make: Callable[..., Any]) -> None:
    """Nothing answers: the sentence names the host and the way out."""
    container = make(CONTAINER, "none", by=DockerProvider("tcp://127.0.0.1:9"))
    with pytest.raises(EmbeddedError, match=r"no Docker engine answers at tcp://127\.0\.0\.1:9"):
        container.create(**INPUTS)


def test_the_simulated_engine_says_so(endpoints: Any) -> None:
    """In its version, in its info, and for our own check."""
    found = open_engine(endpoints.docker_host)
    assert is_simulated(found)
    assert found.info()["Labels"] == ["rightsizing.simulated=true"]
    assert found.info()["OperatingSystem"] == "simulated"
    found.close()
