"""A release reaches the resources: sizes by phase, slots that move, old capacity that stays."""

from __future__ import annotations

from typing import Any

import pytest

from rightsizing.model.release import Release
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize

GROUP = "aws:autoscaling/group:Group"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
LISTENER = "aws:lb/listener:Listener"

OLD = FleetSize(instance_type="m5.2xlarge", min_instances=2, max_instances=6)
NEW = FleetSize(instance_type="m7g.large", min_instances=2, max_instances=4)
RELEASE = Release(
    baseline={"news-api": OLD},
    phases={
        "1": {
            "trader": ContainerSize(cpu_millicores=1750, memory_mib=15_667),
            "report-service": ServiceSize(
                cpu_units=1024, memory_mib=4096, min_tasks=1, max_tasks=2
            ),
        },
        "2": {"news-api": NEW},
    },
)


def released(values: dict[str, Any], phase: int, fleets: dict[str, Any]) -> dict[str, Any]:
    """Configuration with RELEASE applied up to ``phase`` and the given slots."""
    return {
        **values,
        "rightsizing:release": RELEASE.model_dump(mode="json"),
        "rightsizing:phase": phase,
        "rightsizing:rollout": {"step": "settled", "fleets": fleets},
    }


def slot(size: FleetSize, weight: int) -> dict[str, Any]:
    """One slot as configuration."""
    return {"size": size.model_dump(mode="json"), "weight": weight}


MOVED = {"news-api": {"live": "b", "a": slot(OLD, 0), "b": slot(NEW, 100)}}
RETIRED = {"news-api": {"live": "b", "b": slot(NEW, 100)}}


def weights(run: Any, listener: str) -> dict[str, int]:
    """Weight by target group of a listener."""
    action = run.one(LISTENER, listener).props["defaultActions"][0]
    return {
        target["arn"].rsplit("/", 1)[-1]: int(target["weight"])
        for target in action["forward"]["targetGroups"]
    }


def test_phase_one_resizes_containers_and_services(
    run_program: Any, dev_values: dict[str, Any]
) -> None:
    """Phase 1 sizes apply; the fleet, which changes in phase 2, keeps its size."""
    run = run_program(released(dev_values, 1, {}))
    assert run.error == ""
    assert run.one("docker:index/container:Container", "trader").props["cpus"] == "1.75"
    assert run.one("aws:ecs/taskDefinition:TaskDefinition").props["cpu"] == "1024"
    assert run.one(TEMPLATE).props["instanceType"] == "m5.2xlarge"
    assert run.exports["release"] == RELEASE.short_id
    assert run.exports["phase"] == 1


def test_change_of_type_fills_the_other_slot(run_program: Any, dev_values: dict[str, Any]) -> None:
    """Both slots run; the old one keeps its size at weight 0 for the way back."""
    run = run_program(released(dev_values, 2, MOVED))
    types = {item.name: item.props["instanceType"] for item in run.of_type(TEMPLATE)}
    assert types == {"news-api-a": "m5.2xlarge", "news-api-b": "m7g.large"}
    assert weights(run, "news-api-serve") == {"news-api-a": 0, "news-api-b": 100}
    assert run.one(GROUP, "news-api-a").props["minSize"] == 2
    assert run.exports["fleets"]["news-api"]["live_slot"] == "b"


def test_both_slots_are_health_checked(run_program: Any, dev_values: dict[str, Any]) -> None:
    """The probing listener refers to every slot, also to one without traffic."""
    run = run_program(released(dev_values, 2, MOVED))
    assert weights(run, "news-api-probe") == {"news-api-a": 1, "news-api-b": 1}


def test_weight_moves_after_the_new_slot_is_healthy(
    run_program: Any, dev_values: dict[str, Any]
) -> None:
    """The serving listener depends on the groups of both slots."""
    run = run_program(released(dev_values, 2, MOVED))
    needed = set(run.one(LISTENER, "news-api-serve").request.dependencies)
    assert {item.urn for item in run.of_type(GROUP)} <= needed


def test_retired_slot_is_gone(run_program: Any, dev_values: dict[str, Any]) -> None:
    """Once retired, only the live slot has resources."""
    run = run_program(released(dev_values, 2, RETIRED))
    assert [item.name for item in run.of_type(GROUP)] == ["news-api-b"]
    assert weights(run, "news-api-serve") == {"news-api-b": 100}


def test_slots_keep_their_names_when_weight_moves_back(
    run_program: Any, dev_values: dict[str, Any]
) -> None:
    """Resources are named by slot, so going back changes a weight and no resource."""
    forward = run_program(released(dev_values, 2, MOVED))
    back_slots = {"news-api": {"live": "a", "a": slot(OLD, 100), "b": slot(NEW, 0)}}
    back = run_program(released(dev_values, 1, back_slots))
    assert {item.urn for item in forward.custom} == {item.urn for item in back.custom}
    assert weights(back, "news-api-serve") == {"news-api-a": 100, "news-api-b": 0}


def test_image_follows_the_architecture(run_program: Any, dev_values: dict[str, Any]) -> None:
    """m5 is x86_64 and m7g is arm64: each slot gets the image that runs on it."""
    run = run_program(released(dev_values, 2, MOVED))
    images = {item.name: item.props["imageId"] for item in run.of_type(TEMPLATE)}
    ami = dev_values["rightsizing:fleets"]["news-api"]["ami"]
    assert images == {"news-api-a": ami["x86_64"], "news-api-b": ami["arm64"]}


def test_missing_image_names_the_key(run_program: Any, prod_values: dict[str, Any]) -> None:
    """prod declares no arm64 image, so an arm64 type is refused before anything is made."""
    run = run_program(released(prod_values, 2, MOVED), stack="prod")
    assert "rightsizing:fleets.news-api.ami has no arm64 image" in run.error
    assert "Traceback" not in run.error
    assert run.custom == []


def test_rollout_edited_by_hand_is_refused(run_program: Any, dev_values: dict[str, Any]) -> None:
    """A live slot that contradicts the release at this phase names both keys."""
    run = run_program(released(dev_values, 1, MOVED))
    assert "rightsizing:rollout" in run.error
    assert "rightsizing:release at phase 1" in run.error


@pytest.mark.parametrize("what", ["errors", "latency", "cpu"])
def test_every_slot_has_its_own_alarms(
    what: str, run_program: Any, dev_values: dict[str, Any]
) -> None:
    """A bad new slot is told from a good old one."""
    run = run_program(released(dev_values, 2, MOVED))
    names = [item.name for item in run.of_type("aws:cloudwatch/metricAlarm:MetricAlarm")]
    assert {f"news-api-a-{what}", f"news-api-b-{what}"} <= set(names)


CONTAINER = "docker:index/container:Container"
SMALL = ContainerSize(cpu_millicores=250, memory_mib=128)
LARGE = ContainerSize(cpu_millicores=1000, memory_mib=128)


def proxied(
    dev_values: dict[str, Any], network_mode: str = "host", **fleets: Any
) -> dict[str, Any]:
    """A stack of one container behind a proxy, with a release that makes it smaller."""
    server = {"a": {"server": "web-a", "port": 8081}, "b": {"server": "web-b", "port": 8082}}
    web = {
        "size": LARGE.model_dump(mode="json"),
        "image": "web:1",
        "may_run_twice": True,
        "network_mode": network_mode,
        "environment": {"LOG": "1"},
        "proxy": {"socket": "/run/haproxy.sock", "backend": "web", **server},
    }
    release = Release(baseline={"web": LARGE}, phases={"1": {"web": SMALL}})
    return {
        **{key: value for key, value in dev_values.items() if "fleets" not in key},
        "rightsizing:containers": {"web": web},
        "rightsizing:release": release.model_dump(mode="json"),
        "rightsizing:phase": 1 if fleets else 0,
        "rightsizing:rollout": {"step": "fill", "fleets": fleets},
    }


def container_slot(size: ContainerSize, weight: int) -> dict[str, Any]:
    return {"size": size.model_dump(mode="json"), "weight": weight}


def test_a_proxied_container_starts_in_slot_a(run_program: Any, dev_values: dict[str, Any]) -> None:
    """One container, at the port of its slot, which it is told; its labels say which slot."""
    run = run_program(proxied(dev_values))
    assert run.error == ""
    made = run.one(CONTAINER, "web-a")
    assert (made.props["cpus"], made.props["networkMode"]) == ("1", "host")
    assert made.props["envs"] == ["LOG=1", "PORT=8081"]
    assert "ports" not in made.props
    assert made.tags["rightsizing:workload"] == "web"
    assert made.tags["rightsizing:slot"] == "a"
    assert len(run.of_type(CONTAINER)) == 1


def test_a_new_size_of_a_proxied_container_fills_slot_b(
    run_program: Any, dev_values: dict[str, Any]
) -> None:
    """The serving container is as it was, so nothing of it is replaced; on a bridge ports map."""
    slots = {
        "live": "b",
        "a": container_slot(LARGE, 100),
        "b": container_slot(SMALL, 0),
    }
    before = run_program(proxied(dev_values, "bridge"))
    run = run_program(proxied(dev_values, "bridge", web=slots))
    assert run.error == ""
    assert run.one(CONTAINER, "web-a").props == before.one(CONTAINER, "web-a").props
    made = run.one(CONTAINER, "web-b")
    assert made.props["cpus"] == "0.25"
    assert made.props["envs"] == ["LOG=1", "PORT=8080"]
    assert [(item["internal"], item["external"]) for item in made.props["ports"]] == [(8080, 8082)]
    assert run.exports["containers"]["web"]["live_slot"] == "b"


def test_a_retired_slot_of_a_proxied_container_is_gone(
    run_program: Any, dev_values: dict[str, Any]
) -> None:
    """Only the live slot has a container."""
    slots = {"live": "b", "b": container_slot(SMALL, 100)}
    run = run_program(proxied(dev_values, web=slots))
    assert [item.name for item in run.of_type(CONTAINER)] == ["web-b"]
