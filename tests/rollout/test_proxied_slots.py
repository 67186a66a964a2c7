"""Containers behind a proxy: declared, planned in stages, compared, and followed by the proxy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rightsizing.errors import ConfigError, StackError, UpdateFailed
from rightsizing.model.declaration import parse_declaration
from rightsizing.model.facts import ContainerFacts
from rightsizing.model.release import Release
from rightsizing.model.rollout import FleetRollout, RolloutState, Slot, SlotState
from rightsizing.model.size import ContainerSize, FleetSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.plan.slots import settle_rollout
from rightsizing.rollout.proxied import ProxiedContainers
from rightsizing.rollout.proxieddriver import ProxiedDriver
from rightsizing.rollout.stages import moving_fleets, plan_stages
from rightsizing.stack.comparison import compare_facts
from rightsizing.stack.driver import StackRef

OLD = ContainerSize(cpu_millicores=1000, memory_mib=128)
NEW = ContainerSize(cpu_millicores=250, memory_mib=128)
RELEASE = Release(baseline={"web": OLD}, phases={"1": {"web": NEW}})
DECLARED = StackSizing(None, 0, RolloutState())


def declared(**changes: Any) -> dict[str, Any]:
    proxy = {
        "socket": "/run/haproxy.sock",
        "backend": "shop",
        "a": {"server": "web-a", "port": 8081},
        "b": {"server": "web-b", "port": 8082},
    }
    item = {
        "size": {"cpu_millicores": 1000, "memory_mib": 128},
        "image": "web:1",
        "may_run_twice": True,
        "proxy": proxy,
    }
    return {"rightsizing:containers": {"web": {**item, **changes}}}


WORKLOADS = parse_declaration(declared()).workloads()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"may_run_twice": False}, "set may_run_twice to true"),
        ({"container_name": "web"}, "no container_name and no ports"),
        ({"ports": {80: 80}}, "no container_name and no ports"),
        ({"network_mode": "none"}, "bridge or host"),
    ],
)
def test_what_cannot_be_in_two_slots_has_no_proxy(changes: dict[str, Any], why: str) -> None:
    """One sentence says what is in the way."""
    with pytest.raises(ConfigError, match=why):
        parse_declaration(declared(**changes))


def test_both_slots_at_one_port_are_refused() -> None:
    """The second container could not start."""
    values = declared()
    values["rightsizing:containers"]["web"]["proxy"]["b"]["port"] = 8081
    with pytest.raises(ConfigError, match="different ports"):
        parse_declaration(values)


def test_a_proxied_container_goes_through_all_stages() -> None:
    """As a fleet does; shares are of requests: a quarter of the cores gets half of them at 50 %."""
    stages = plan_stages(DECLARED, RELEASE, 1, WORKLOADS, shares=(50.0, 100.0))
    assert [stage.name for stage in stages] == ["fill", "weight-50", "settled", "soak", "retired"]
    assert moving_fleets(stages) == ("web",)
    slots = {stage.name: stage.sizing.rollout.fleets["web"] for stage in stages}
    assert slots["fill"] == FleetRollout(
        live=Slot.B, a=SlotState(size=OLD, weight=100), b=SlotState(size=NEW, weight=0)
    )
    assert [state.weight for state in (slots["weight-50"].a, slots["weight-50"].b) if state] == [
        500,
        500,
    ]
    assert slots["retired"] == FleetRollout(live=Slot.B, b=SlotState(size=NEW, weight=100))
    assert all(stage.downtime == () for stage in stages)


def test_without_a_proxy_it_has_no_slots() -> None:
    """It is changed in place, as before."""
    workloads = parse_declaration(declared(proxy=None, may_run_twice=False)).workloads()
    stages = plan_stages(DECLARED, RELEASE, 1, workloads)
    assert [stage.name for stage in stages] == ["settled", "soak"]
    assert stages[0].sizing.rollout.fleets == {}
    assert "is stopped" in stages[0].downtime[0]


def test_settling_twice_changes_nothing() -> None:
    """The same slots, whoever asks again."""
    once = settle_rollout(DECLARED, RELEASE, 1, {"web"})
    again = settle_rollout(StackSizing(RELEASE, 1, once), RELEASE, 1, {"web"})
    assert once == again
    assert settle_rollout(DECLARED, RELEASE, 1).fleets == {}


def test_one_rollout_holds_sizes_of_one_kind() -> None:
    """A fleet's slot and a container's cannot be each other's twin."""
    fleet = FleetSize(instance_type="m5.large", min_instances=1, max_instances=1)
    with pytest.raises(ValueError, match="a container's"):
        FleetRollout(a=SlotState(size=OLD, weight=1), b=SlotState(size=fleet, weight=0))


def test_a_slot_without_a_kind_is_a_fleets() -> None:
    """As stack files have said since before containers had slots."""
    state = SlotState.model_validate(
        {"size": {"instance_type": "m5.large", "min_instances": 1, "max_instances": 2}, "weight": 1}
    )
    assert state.fleet_size.instance_type == "m5.large"
    again = SlotState.model_validate(SlotState(size=NEW, weight=1).model_dump(mode="json"))
    assert again.size == NEW


def fact(slot: Slot | None, size: ContainerSize, *, running: bool = True) -> ContainerFacts:
    name = "none" if slot is None else slot.value
    return ContainerFacts("web", f"web-{name}-1", size, running, False, slot)


def test_live_facts_are_compared_slot_by_slot() -> None:
    """A slot that is missing, one that should be empty, a wrong limit, and one without a slot."""
    rollout = RolloutState(
        fleets={
            "web": FleetRollout(
                live=Slot.B, a=SlotState(size=OLD, weight=0), b=SlotState(size=NEW, weight=1)
            )
        }
    )
    sizing = StackSizing(RELEASE, 1, rollout)

    def differing(*facts: ContainerFacts) -> list[tuple[str, str]]:
        report = compare_facts(facts, sizing, WORKLOADS)
        return [(item.fact, item.found) for item in report.mismatches]

    assert differing(fact(Slot.A, OLD), fact(Slot.B, NEW)) == []
    assert differing(fact(Slot.B, NEW)) == [("slot a container", "nothing")]
    assert differing(fact(Slot.A, OLD, running=False), fact(Slot.B, NEW)) == [
        ("slot a container", "web-a-1, stopped")
    ]
    assert differing(fact(Slot.A, OLD), fact(Slot.B, OLD)) == [
        ("slot b limits", "1 cores, 128 MiB (web-b-1)")
    ]
    assert differing(fact(Slot.A, OLD), fact(Slot.B, NEW), fact(None, OLD)) == [
        ("container", "web-none-1")
    ]
    alone = compare_facts([fact(Slot.A, OLD), fact(Slot.B, NEW)], DECLARED, WORKLOADS)
    assert [item.fact for item in alone.mismatches] == ["slot b"]


@dataclass
class Haproxy:
    """What a proxy was told, in order, and what runs; in place of the sockets."""

    running: frozenset[Slot]
    weights: dict[Slot, int]
    checked: bool = True
    told: list[dict[Slot, int]] = field(default_factory=list)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stack with a proxied container, its proxy and a driver that changes what runs."""
    stack = StackRef(tmp_path, "proj", "dev")
    haproxy = Haproxy(frozenset({Slot.A}), {Slot.A: 256, Slot.B: 0})

    class Traffic:
        def weights(self) -> dict[Slot, int]:
            return dict(haproxy.weights)

        def set_weights(self, weights: Mapping[Slot, int]) -> None:
            haproxy.weights = dict(weights)
            haproxy.told.append(dict(weights))

    class Counters:
        healthy = True if haproxy.checked else None

    def counters(_api: Any, _backend: str, servers: list[str]) -> Any:
        class Answer:
            pass

        answer = Answer()
        answer.servers = {name: Counters() for name in servers}  # type: ignore[attr-defined]
        return answer

    proxies = ProxiedContainers(stack, lambda: None)
    monkeypatch.setattr(ProxiedContainers, "_traffic", lambda *_: Traffic())
    monkeypatch.setattr(ProxiedContainers, "_running", lambda *_: haproxy.running)
    monkeypatch.setattr("rightsizing.rollout.proxied.read_counters", counters)

    class World:
        def __init__(self) -> None:
            self.haproxy = haproxy
            self.seen_by_update: dict[Slot, int] = {}
            self.after: frozenset[Slot] = haproxy.running

        def up(self, _stack: StackRef, **_: Any) -> str:
            self.seen_by_update = dict(haproxy.weights)
            haproxy.running = self.after
            return "updated"

        def update(self, rollout: FleetRollout, after: set[Slot]) -> None:
            self.after = frozenset(after)
            values = declared()["rightsizing:containers"]
            release = RELEASE.model_dump(mode="json")
            slots = RolloutState(fleets={"web": rollout}).model_dump(mode="json")
            phase = 0 if rollout.slot(rollout.live).size == OLD else 1  # type: ignore[union-attr]
            stack.config_path.write_text(
                f"config:\n  rightsizing:containers: {values}\n".replace("True", "true")
                + f"  rightsizing:release: {release}\n"
                f"  rightsizing:phase: {phase}\n"
                f"  rightsizing:rollout: {slots}\n".replace("None", "null")
            )
            driver: Any = ProxiedDriver(self, proxies)  # type: ignore[arg-type]
            assert driver.up(stack, message="m") == "updated"

    return World()


def slots(live: Slot, a: int | None, b: int | None) -> FleetRollout:
    return FleetRollout(
        live=live,
        a=None if a is None else SlotState(size=OLD, weight=a),
        b=None if b is None else SlotState(size=NEW, weight=b),
    )


def test_a_slot_gets_no_weight_before_it_runs(world: Any) -> None:
    """Filling: the old slot has it all before, during and after."""
    world.update(slots(Slot.B, 100, 0), {Slot.A, Slot.B})
    assert world.seen_by_update == {Slot.A: 100, Slot.B: 0}
    assert world.haproxy.weights == {Slot.A: 100, Slot.B: 0}


def test_a_slot_that_is_removed_has_no_weight_any_more(world: Any) -> None:
    """Retiring: the new slot has it all before the old one goes."""
    world.haproxy.running = frozenset(Slot)
    world.update(slots(Slot.B, None, 100), {Slot.B})
    assert world.seen_by_update == {Slot.A: 0, Slot.B: 100}


def test_weights_that_do_not_follow_are_a_failed_update(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stack was changed by then, so it must not look as if nothing was started."""

    def refused(_self: ProxiedContainers) -> None:
        raise StackError("HAProxy does not answer")

    monkeypatch.setattr(ProxiedContainers, "follow_all", refused)
    with pytest.raises(UpdateFailed, match=r"was updated, but not the weights.*does not answer"):
        world.update(slots(Slot.B, 100, 0), {Slot.A, Slot.B})


def test_going_back_to_a_slot_that_is_gone_leaves_nobody_without_a_server(world: Any) -> None:
    """Both have weight while the old slot is made again; HAProxy's check keeps requests from it."""
    world.haproxy.running = frozenset({Slot.B})
    world.haproxy.weights = {Slot.A: 0, Slot.B: 256}
    world.update(slots(Slot.A, 100, None), {Slot.A})
    assert world.seen_by_update == {Slot.A: 256, Slot.B: 256}
    assert world.haproxy.weights == {Slot.A: 100, Slot.B: 0}
