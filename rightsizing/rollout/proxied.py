"""The containers of a stack behind HAProxy: their traffic, their looks, and weights that follow.

A stack update makes the containers of both slots, but HAProxy's weights are no resource of it. So
whoever applies a sizing also makes the proxy follow it, with ``follow``; doing it again changes
nothing. HAProxy keeps weights until it is restarted or reloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from docker.errors import DockerException
from requests.exceptions import RequestException

from rightsizing.errors import ConfigError, StackError, TelemetryError
from rightsizing.model.declaration import ContainerDeclaration, ProxyDeclaration
from rightsizing.model.facts import ContainerFacts
from rightsizing.model.rollout import FleetRollout, Slot
from rightsizing.model.size import ContainerSize
from rightsizing.rollout.containerusage import ContainerUsage
from rightsizing.rollout.haproxy import MAX_HAPROXY_WEIGHT, HaproxyTraffic
from rightsizing.rollout.haproxycounters import read_counters
from rightsizing.rollout.haproxylog import HaproxyLog
from rightsizing.rollout.haproxysocket import HaproxySocket
from rightsizing.rollout.proxylooks import ProxiedArm, ProxyLooks
from rightsizing.rollout.run import WatchedFleet
from rightsizing.rollout.traffic import TrafficChange
from rightsizing.stack.clock import Clock, SystemClock
from rightsizing.stack.comparison import expected_slots
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.driver import StackRef
from rightsizing.stack.livecontainer import read_containers
from rightsizing.stack.livefacts import Scope


class ProxiedContainers:
    """Traffic and looks by workload; a context manager, because logs are received while it is open.

    Args:
        stack: whose file says where each proxy is.
        docker: called for a ``docker.DockerClient`` when one is needed.
        clock: of this machine.
        latency_bounds_s: from where on a request is slow, by workload; else its objective for the
            99th percentile, if it has one.
    """

    def __init__(
        self,
        stack: StackRef,
        docker: Callable[[], Any],
        clock: Clock | None = None,
        *,
        latency_bounds_s: Mapping[str, float] | None = None,
    ) -> None:
        self._stack = stack
        self._docker = docker
        self._clock: Clock = clock or SystemClock()
        self._bounds_s = latency_bounds_s or {}
        self._open = ExitStack()
        self._logs: dict[str, HaproxyLog] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._logs.clear()
        self._open.close()

    def workloads(self) -> tuple[str, ...]:
        """Keys of the containers behind a proxy."""
        declared = self._file().declaration().containers
        return tuple(sorted(key for key, item in declared.items() if item.proxy is not None))

    def follow(self, workload: str, slots: FleetRollout) -> TrafficChange:
        """Make HAProxy's weights those of the slots; an empty slot gets 0.

        Raises:
            ConfigError: the workload has no proxy.
            StackError: HAProxy does not answer, refused, or has other weights afterwards.
        """
        traffic = self._traffic(self._proxy(workload))
        states = {slot: slots.slot(slot) for slot in Slot}
        return traffic.set_weights(
            {slot: 0 if state is None else state.weight for slot, state in states.items()}
        )

    def follow_all(self) -> dict[str, TrafficChange]:
        """Make every proxy follow what the stack file says. Raises as ``follow`` does."""
        return {key: self.follow(key, slots) for key, slots in self._wanted().items()}

    def prepare(self) -> None:
        """Before an update: weights as after it, as far as nobody is left without a server.

        Where a slot that is to serve does not run yet, the slots that serve now keep their weight;
        the new one gets its own if HAProxy checks it, and so sends it nothing before it answers.

        Raises as ``follow`` does; TelemetryError when the Docker engine does not answer.
        """
        scope = Scope(self._stack.project, self._stack.name)
        for key, slots in self._wanted().items():
            running = self._running(key, scope)
            serving = {slot for slot in Slot if (state := slots.slot(slot)) and state.weight}
            if serving <= running:
                self.follow(key, slots)
            elif running:
                self._admit(self._proxy(key), serving)

    def _admit(self, proxy: ProxyDeclaration, serving: Collection[Slot]) -> None:
        """Give full weight to slots that will serve and are health-checked; take none away."""
        names = {slot: proxy.server(slot).server for slot in Slot}
        counters = read_counters(
            HaproxySocket(proxy.socket), proxy.backend, list(names.values())
        ).servers
        traffic = self._traffic(proxy)
        weights = traffic.weights()
        for slot in serving:
            if weights[slot] == 0 and counters[names[slot]].healthy is not None:
                weights[slot] = max(weights.values()) or MAX_HAPROXY_WEIGHT
        if any(weights.values()):
            traffic.set_weights(weights)

    def _wanted(self) -> dict[str, FleetRollout]:
        """Slots of every proxied container, as the stack file says."""
        file = self._file()
        sizing, declared = file.sizing(), file.declaration().containers
        found = {}
        for key in self.workloads():
            size = sizing.size_of(key, declared[key].size)
            assert isinstance(size, ContainerSize)  # size_of refuses another kind
            found[key] = expected_slots(sizing, key, size)
        return found

    def watch(self, workload: str) -> WatchedFleet:
        """Traffic between the slots that run, and looks at both; the live slot is the canary.

        Raises:
            ConfigError: the workload has no proxy, or its log cannot be received.
            StackError: it has no slots yet, or none of them runs.
            TelemetryError: the Docker engine does not answer.
        """
        item = self._declared(workload)
        proxy = self._proxy(workload)
        scope = Scope(self._stack.project, self._stack.name)
        running = self._running(workload, scope)
        if not running:
            raise StackError(
                f"{workload}: no container of it runs in a slot; run `rightsize apply`"
            )
        slots = self._file().sizing().rollout.fleets.get(workload)
        live = Slot.A if slots is None else slots.live
        looks = ProxyLooks(
            api=HaproxySocket(proxy.socket),
            backend=proxy.backend,
            workload=workload,
            baseline=ProxiedArm(live.other, proxy.server(live.other).server),
            canary=ProxiedArm(live, proxy.server(live).server),
            clock=self._clock,
            log=self._log(workload, proxy, self._bound_ms(workload, item)),
            usage=ContainerUsage(self._docker(), scope),
        )
        return WatchedFleet(self._traffic(proxy, running), looks)

    def _running(self, workload: str, scope: Scope) -> frozenset[Slot]:
        try:
            found = read_containers(self._docker(), scope)
        except (DockerException, RequestException, OSError) as error:
            raise TelemetryError(
                f"the Docker engine does not say what runs of {workload} ({error}); start it, or "
                "set DOCKER_HOST"
            ) from error
        return frozenset(
            fact.slot
            for fact in found
            if isinstance(fact, ContainerFacts)
            and fact.workload == workload
            and fact.running
            and fact.slot is not None
        )

    def _traffic(
        self, proxy: ProxyDeclaration, slots: frozenset[Slot] = frozenset(Slot)
    ) -> HaproxyTraffic:
        servers = {slot: proxy.server(slot).server for slot in Slot if slot in slots}
        return HaproxyTraffic(proxy.socket, proxy.backend, servers)

    def _log(
        self, workload: str, proxy: ProxyDeclaration, bound_ms: float | None
    ) -> HaproxyLog | None:
        if proxy.log is None:
            return None
        if workload not in self._logs:
            log = HaproxyLog(proxy.log, proxy.backend, latency_bound_ms=bound_ms)
            self._logs[workload] = self._open.enter_context(log)
        return self._logs[workload]

    def _bound_ms(self, workload: str, item: ContainerDeclaration) -> float | None:
        if workload in self._bounds_s:
            return self._bounds_s[workload] * 1000
        return item.slos.latency_p99_max_ms

    def _proxy(self, workload: str) -> ProxyDeclaration:
        proxy = self._declared(workload).proxy
        if proxy is None:
            raise ConfigError(
                f"{workload} has no proxy, so it has no slots between which traffic could move; "
                f"declare rightsizing:containers.{workload}.proxy"
            )
        return proxy

    def _declared(self, workload: str) -> ContainerDeclaration:
        found = self._file().declaration().containers.get(workload)
        if found is None:
            raise ConfigError(f"{workload} is no container of stack {self._stack.name}")
        return found

    def _file(self) -> StackFile:
        return StackFile.load(self._stack.config_path)
