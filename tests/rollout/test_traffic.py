"""Moving traffic at once: what is asked, what is read back, what is said when it did not work."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rightsizing.errors import ConfigError, StackError, TelemetryError
from rightsizing.model.base import NoData
from rightsizing.model.facts import FleetFacts, SlotFacts
from rightsizing.model.rollout import Slot
from rightsizing.rollout.haproxy import HaproxyTraffic, scaled
from rightsizing.rollout.haproxysocket import HaproxySocket
from rightsizing.rollout.traffic import AlbTraffic, check_takeover

GROUPS = {Slot.A: "arn:tg/a", Slot.B: "arn:tg/b"}


@dataclass
class FakeBalancer:
    """A listener as elbv2 describes it, with answers that can be lost or lie."""

    config: dict[str, Any]
    lost: int = 0  # changes that are made, but whose answers do not arrive
    lies: int = 0  # changes that are answered, but not made
    modified: list[list[Any]] = field(default_factory=list)

    def call(self, service: str, operation: str, **parameters: Any) -> Any:
        assert service == "elbv2"
        if operation == "describe_listeners":
            return {"Listeners": [{"DefaultActions": [self.config]}]}
        assert operation == "modify_listener"
        self.modified.append(parameters["DefaultActions"])
        if self.lies:
            self.lies -= 1
            return {}
        (self.config,) = parameters["DefaultActions"]
        if self.lost:
            self.lost -= 1
            raise TelemetryError("elbv2 modify_listener failed: connection closed")
        return {}

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> Iterator[Any]:
        raise NotImplementedError


def forwarding(a: int, b: int, **more: Any) -> dict[str, Any]:
    targets = [
        {"TargetGroupArn": GROUPS[Slot.A], "Weight": a},
        {"TargetGroupArn": GROUPS[Slot.B], "Weight": b},
    ]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": targets, **more}}


def traffic_of(balancer: FakeBalancer) -> AlbTraffic:
    return AlbTraffic(balancer, "web", "arn:listener", GROUPS)


def test_weights_are_set_and_read_back() -> None:
    """One change; before and after as read."""
    balancer = FakeBalancer(forwarding(95, 5))
    change = traffic_of(balancer).set_weights({Slot.A: 100, Slot.B: 0})
    assert (change.before, change.after) == ({"a": 95, "b": 5}, {"a": 100, "b": 0})
    assert change.moved
    assert len(balancer.modified) == 1


def test_setting_what_is_already_so_asks_for_nothing() -> None:
    """Idempotent: a resumed rollback calls it again."""
    balancer = FakeBalancer(forwarding(100, 0))
    assert not traffic_of(balancer).set_weights({Slot.A: 100, Slot.B: 0}).moved
    assert balancer.modified == []


def test_a_lost_answer_makes_no_difference() -> None:
    """The change was made; reading back shows it."""
    balancer = FakeBalancer(forwarding(0, 100), lost=1)
    change = traffic_of(balancer).set_weights({Slot.A: 100, Slot.B: 0})
    assert change.after == {"a": 100, "b": 0}
    assert len(balancer.modified) == 1


def test_an_answer_that_says_more_than_happened_is_noticed() -> None:
    """Asked again until it is so, and refused after three attempts."""
    balancer = FakeBalancer(forwarding(0, 100), lies=2)
    traffic_of(balancer).set_weights({Slot.A: 100, Slot.B: 0})
    assert len(balancer.modified) == 3
    stubborn = FakeBalancer(forwarding(0, 100), lies=9)
    with pytest.raises(StackError, match=r"a=0, b=100 and not a=100, b=0.*rightsize rollback"):
        traffic_of(stubborn).set_weights({Slot.A: 100, Slot.B: 0})


def test_stickiness_stays_and_is_said() -> None:
    """Weight 0 is not yet no traffic while clients stick to a slot."""
    sticky = {"Enabled": True, "DurationSeconds": 3600}
    balancer = FakeBalancer(forwarding(50, 50, TargetGroupStickinessConfig=sticky))
    change = traffic_of(balancer).set_weights({Slot.A: 100, Slot.B: 0})
    assert change.note is not None
    assert "3600 s" in change.note
    assert balancer.config["ForwardConfig"]["TargetGroupStickinessConfig"] == sticky


def test_other_target_groups_are_left_alone() -> None:
    """A maintenance page, say, that somebody weighs at 0."""
    config = forwarding(100, 0)
    config["ForwardConfig"]["TargetGroups"].append({"TargetGroupArn": "arn:tg/c", "Weight": 0})
    balancer = FakeBalancer(config)
    traffic_of(balancer).set_weights({Slot.A: 0, Slot.B: 100})
    kept = {t["TargetGroupArn"] for t in balancer.config["ForwardConfig"]["TargetGroups"]}
    assert "arn:tg/c" in kept


def test_a_plain_forward_is_read_as_full_weight() -> None:
    """A listener with one target group names no weight; elbv2 counts it as 1."""
    balancer = FakeBalancer({"Type": "forward", "TargetGroupArn": GROUPS[Slot.A]})
    assert traffic_of(balancer).weights() == {Slot.A: 1, Slot.B: 0}


@pytest.mark.parametrize(
    ("weights", "why"),
    [
        ({Slot.A: 0, Slot.B: 0}, "nobody to serve"),
        ({Slot.A: 1000, Slot.B: 0}, "between 0 and 999"),
        ({Slot.A: 100}, "do not name the slots"),
    ],
)
def test_wrong_weights_change_nothing(weights: Mapping[Slot, int], why: str) -> None:
    """Refused before anything is asked."""
    balancer = FakeBalancer(forwarding(100, 0))
    with pytest.raises(ConfigError, match=why):
        traffic_of(balancer).set_weights(weights)
    assert balancer.modified == []


def facts(a_running: int, kind: str = "m5.xlarge") -> FleetFacts:
    running = ((kind, a_running),) if a_running else ()
    return FleetFacts("web", (SlotFacts(Slot.A, "web-a", 2, 6, a_running, running, 0),))


def test_a_slot_that_can_carry_the_load_takes_over() -> None:
    """12 cores in use at 80 % need ceil(12 / (4 x 0.8)) = 4 instances of 4 cores."""
    found = check_takeover(facts(4), Slot.A, healthy=4, used_cores=12.0, cores_of=lambda _: 4.0)
    assert found.is_enough
    assert "needs 4 for 12.0 cores" in found.sentence
    short = check_takeover(facts(4), Slot.A, healthy=3, used_cores=12.0, cores_of=lambda _: 4.0)
    assert (short.is_enough, short.missing) == (False, 1)


@pytest.mark.parametrize(
    ("slot", "healthy", "used"),
    [(Slot.A, 0, 1.0), (Slot.B, 2, 1.0), (Slot.A, 2, NoData("no CPU metric"))],
)
def test_what_is_not_known_is_not_enough(slot: Slot, healthy: int, used: float | NoData) -> None:
    """No healthy instance, no such slot, no load: never a yes."""
    found = check_takeover(facts(2), slot, healthy=healthy, used_cores=used, cores_of=lambda _: 4.0)
    assert not found.is_enough


class FakeHaproxy:
    """The runtime API's protocol on a UNIX socket: one command a connection."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.servers = {"old": [100, 0], "new": [0, 0]}  # weight, admin state
        self.commands: list[str] = []
        self.stuck = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(timeout=5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with closing(connection):
                command = connection.recv(4096).decode().strip()
                connection.sendall(self._answer(command).encode())

    def _answer(self, command: str) -> str:
        words = command.split()
        if words[:3] == ["show", "servers", "state"]:
            if words[3] != "shop":
                return "Can't find backend.\n"
            head = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state "
            rows = "".join(
                f"3 shop {number} {name} 127.0.0.1 2 {admin} {weight} 1 9\n"
                for number, (name, (weight, admin)) in enumerate(self.servers.items(), 1)
            )
            return head + "srv_uweight srv_iweight srv_time_since_last_change\n" + rows + "\n"
        self.commands.append(command)
        name = words[2].split("/")[1]
        if words[3] == "state":
            self.servers[name][1] = 0
        elif not self.stuck:
            self.servers[name][0] = int(words[4])
        return "\n"


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[FakeHaproxy]:
    """A stand-in for HAProxy's runtime socket."""
    found = FakeHaproxy(tmp_path / "admin.sock")
    yield found
    found.close()


def through(proxy: FakeHaproxy, backend: str = "shop") -> HaproxyTraffic:
    return HaproxyTraffic(str(proxy.path), backend, {Slot.A: "old", Slot.B: "new"})


def test_haproxy_gets_the_same_shares(proxy: FakeHaproxy) -> None:
    """750 : 250 is 256 : 85; the one that rises comes first, and is made ready."""
    proxy.servers["new"] = [0, 0x08]
    proxy.servers["old"] = [100, 0]
    change = through(proxy).set_weights({Slot.A: 250, Slot.B: 750})
    assert change.after == {"a": 85, "b": 256}
    assert [command.split()[2] for command in proxy.commands] == [
        "shop/new",
        "shop/new",
        "shop/old",
        "shop/old",
    ]
    assert proxy.servers["new"] == [256, 0]


def test_haproxy_is_asked_nothing_when_it_is_so(proxy: FakeHaproxy) -> None:
    """Idempotent."""
    proxy.servers["old"] = [256, 0]
    assert not through(proxy).set_weights({Slot.A: 100, Slot.B: 0}).moved
    assert proxy.commands == []


def test_haproxy_that_keeps_its_weights_is_noticed(proxy: FakeHaproxy) -> None:
    """Read back, not believed."""
    proxy.stuck = True
    with pytest.raises(StackError, match="a=100, b=0 and not a=0, b=256"):
        through(proxy).set_weights({Slot.A: 0, Slot.B: 100})


def test_haproxy_that_is_not_there_is_one_sentence(proxy: FakeHaproxy, tmp_path: Path) -> None:
    """No socket, no such backend."""
    with pytest.raises(StackError, match="does not answer"):
        HaproxyTraffic(str(tmp_path / "none"), "shop", {Slot.A: "old"}).weights()
    with pytest.raises(StackError, match="knows no backend other"):
        through(proxy, "other").weights()


def test_scaling_keeps_shares_and_never_starves() -> None:
    """999 : 1 would round to 0; it stays at 1 of 256."""
    assert scaled({Slot.A: 999, Slot.B: 1}) == {Slot.A: 256, Slot.B: 1}
    assert scaled({Slot.A: 0, Slot.B: 5}) == {Slot.A: 0, Slot.B: 256}


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="needs haproxy on PATH")
def test_a_real_haproxy_understands(tmp_path: Path) -> None:
    """The columns and commands are those of HAProxy itself; its socket accepts while it runs."""
    admin = tmp_path / "admin.sock"
    config = tmp_path / "haproxy.cfg"
    config.write_text(
        f"""
global
    stats socket {admin} mode 600 level admin
defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 1s
frontend in
    bind unix@{tmp_path}/in.sock
    default_backend shop
backend shop
    server old 127.0.0.1:9 weight 256
    server new 127.0.0.1:9 weight 0
"""
    )
    process = subprocess.Popen(["haproxy", "-f", str(config), "-db"], stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        wait_for(admin, process)
        traffic = HaproxyTraffic(str(admin), "shop", {Slot.A: "old", Slot.B: "new"})
        assert traffic.weights() == {Slot.A: 256, Slot.B: 0}
        assert traffic.set_weights({Slot.A: 750, Slot.B: 250}).after == {"a": 256, "b": 85}
        HaproxySocket(str(admin)).tell("set server shop/new state drain")
        assert traffic.weights()[Slot.B] == 0
        assert traffic.set_weights({Slot.A: 0, Slot.B: 100}).after == {"a": 0, "b": 256}
        with pytest.raises(StackError, match="refused"):
            HaproxySocket(str(admin)).tell("set server shop/none weight 3")
    finally:
        process.terminate()
        process.communicate(timeout=10)


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Until the socket is there; HAProxy prints when it is ready only in some versions."""
    for _ in range(2000):
        if path.exists() and process.poll() is None:
            return
        threading.Event().wait(0.005)
    raise AssertionError("haproxy did not start")
