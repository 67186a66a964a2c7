"""What an arm makes of its share of the requests, minute by minute: the pure model.

An arm is a set of instances behind one weight; its requests spread evenly over the instances that
are in service. Each instance is a queue of its own (``queueing``). An instance with a part of a
core, as a container's limit gives, is a queue of the next whole number of servers, each as much
slower. A request fails when the queue is too long, as with HAProxy's ``timeout queue``, when it
would take longer than the workload's time-out, when its instance is down after an OOM kill, or by
the workload's own error ratio. Requests in = served + failed, in every minute, since each is
counted in the minute it arrives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rightsizing.embedded.cloud.plane.queueing import MINUTE_S, Sojourn, overload
from rightsizing.embedded.cloud.plane.scenario import Demand
from rightsizing.units import BYTES_PER_MIB

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Latency cells: 6 % wide (CloudWatch's own agent uses 10 %), from 0.1 ms to a minute and more.
_CELL_RATIO = 1.06
_FIRST_EDGE_S = 1e-4
_LAST_EDGE_S = 120.0
_MOMENTS = (0.125, 0.375, 0.625, 0.875)  # of a minute, at which a growing queue is looked at
_EDGES_S = np.append(
    0.0,
    _FIRST_EDGE_S
    * _CELL_RATIO
    ** np.arange(math.ceil(math.log(_LAST_EDGE_S / _FIRST_EDGE_S) / math.log(_CELL_RATIO)) + 1),
)


@dataclass(frozen=True, slots=True)
class Cohort:
    """Instances of an arm that are alike: same shape, started at the same moment."""

    name: str  # stable over time; its queue is remembered under it
    count: int
    cores: float
    memory_bytes: float
    speed: float = 1.0  # of one core
    started_s: int = 0  # seconds since 1970
    in_service: bool = True


@dataclass(frozen=True, slots=True)
class Condition:
    """What faults do to an arm: more work a request, more errors, forced OOM kills."""

    work_ratio: float = 1.0
    error_ratio: float = 0.0
    oom_killed: bool = False


@dataclass(frozen=True, slots=True)
class ArmMinutes:
    """M minutes of one arm with K cohorts. Counts are of requests that arrive in the minute."""

    minutes: IntArray  # (M,) since 1970
    requests: IntArray  # (M,)
    failed: IntArray  # (M,)
    latency_s: FloatArray  # (M, G) one value a cell
    latency_counts: IntArray  # (M, G); a row's sum is the minute's requests
    cpu_ratio: FloatArray  # (K, M) of the instance's cores
    memory_ratio: FloatArray  # (K, M) of its memory, at most 1
    oom_kills: IntArray  # (K, M) of all instances of the cohort
    throttled_ratio: FloatArray  # (K, M) share of the wanted work beyond the cores
    waits_s: dict[str, float] = field(default_factory=dict)  # by cohort, at the end

    @property
    def served(self) -> IntArray:
        """Requests that succeeded."""
        return self.requests - self.failed


def arm_minutes(
    cohorts: Sequence[Cohort],
    demand: Demand,
    minutes: IntArray,
    requests_per_s: FloatArray,
    work_ratio: FloatArray,
    *,
    rngs: Sequence[np.random.Generator],
    waits_s: dict[str, float],
    condition: Condition = Condition(),
) -> ArmMinutes:
    """Simulate an arm over consecutive minutes.

    ``requests_per_s`` (M,) is the arm's own rate, ``work_ratio`` (M,) the noise on work a request,
    ``waits_s`` the queues of before by cohort. An arm with nothing in service fails every request.
    """
    serving = [cohort for cohort in cohorts if cohort.in_service and cohort.count > 0]
    count = sum(cohort.count for cohort in serving)
    requests = np.array(
        [rng.poisson(rate * MINUTE_S) for rng, rate in zip(rngs, requests_per_s, strict=True)],
        dtype=np.int64,
    )
    if not count:
        return _nothing_in_service(len(cohorts), demand, minutes, requests)
    each = requests_per_s / count
    work_s = (
        demand.service_core_s
        * condition.work_ratio
        * work_ratio[None, :]
        * _warmup(serving, demand, minutes)
        / np.array([[cohort.speed] for cohort in serving])
    )
    cores = np.array([[cohort.cores] for cohort in serving])
    servers = np.maximum(np.ceil(cores - 1e-9), 1.0)
    busy = each[None, :] * work_s / cores + demand.idle_cpu_ratio
    queue = overload(
        busy, np.array([waits_s.get(cohort.name, 0.0) for cohort in serving]), demand.queue_s
    )
    sojourn = Sojourn.of(servers, busy, work_s * servers / cores, demand.variability)
    memory = _memory(serving, demand, each, sojourn, queue.wait_at(0.5))
    killed = np.logical_or(memory > 1, condition.oom_killed)
    down = killed * demand.restart_s / MINUTE_S
    errors = min(demand.error_ratio + condition.error_ratio, 1.0)

    share = np.array([[cohort.count / count] for cohort in serving])
    late, cells = _distribution(sojourn, queue.wait_at, demand)
    in_time = (1 - late) * (1 - queue.refused)
    causes = _Causes(
        refused=(share * queue.refused).sum(axis=0),
        late=(share * late * (1 - queue.refused)).sum(axis=0),
        other=(share * in_time * (1 - (1 - down) * (1 - errors))).sum(axis=0),
    )
    mixture = (share[:, :, None] * in_time[:, :, None] * cells).sum(axis=0)
    failed, values, counts = _draw(requests, causes, mixture, demand, rngs)
    used = busy * (1 - queue.refused) + (queue.before_s - queue.after_s) / MINUTE_S
    index = {cohort.name: row for row, cohort in enumerate(serving)}
    rows = [index.get(cohort.name) for cohort in cohorts]
    kills = killed * np.array([[cohort.count] for cohort in serving])
    idle = np.full(len(minutes), demand.idle_cpu_ratio)
    none = np.zeros(len(minutes))
    return ArmMinutes(
        minutes=minutes,
        requests=requests,
        failed=failed,
        latency_s=values,
        latency_counts=counts,
        cpu_ratio=_spread(rows, np.clip(used, 0.0, 1.0), idle),
        memory_ratio=_spread(rows, np.minimum(memory, 1.0), none),
        oom_kills=_spread(rows, kills.astype(np.float64), none).astype(np.int64),
        throttled_ratio=_spread(rows, np.maximum(1 - 1 / np.maximum(busy, 1e-9), 0.0), none),
        waits_s={cohort.name: float(queue.after_s[row, -1]) for row, cohort in enumerate(serving)},
    )


def _warmup(cohorts: Sequence[Cohort], demand: Demand, minutes: IntArray) -> FloatArray:
    """Work a request of instances that are still warming up, (K, M); falls to 1 linearly."""
    started = np.array([[cohort.started_s] for cohort in cohorts], dtype=np.float64)
    age = np.maximum(minutes[None, :] * MINUTE_S + MINUTE_S / 2 - started, 0.0)
    left = np.clip(1 - age / max(demand.warmup_s, 1e-9), 0.0, 1.0)
    return np.asarray(1 + (demand.warmup_ratio - 1) * left)


def _memory(
    cohorts: Sequence[Cohort],
    demand: Demand,
    each: FloatArray,
    sojourn: Sojourn,
    waits_s: FloatArray,
) -> FloatArray:
    """Memory wanted over memory there, (K, M); requests in the system by Little's law."""
    in_system = each[None, :] * (demand.off_cpu_s + sojourn.mean_s() + waits_s)
    wanted = demand.memory_base_mib + demand.memory_per_request_mib * in_system
    size = np.array([[cohort.memory_bytes] for cohort in cohorts])
    return np.asarray(wanted * BYTES_PER_MIB / size)


def _distribution(
    sojourn: Sojourn, wait_at: object, demand: Demand
) -> tuple[FloatArray, FloatArray]:
    """P(too late) (K, M), and of those in time the share in each latency cell (K, M, G)."""
    assert callable(wait_at)
    shape = Sojourn(
        sojourn.service_s[:, :, None], sojourn.waits[:, :, None], sojourn.wait_s[:, :, None]
    )
    edges = np.minimum(_EDGES_S, demand.timeout_s)[None, None, :]
    longer = np.mean(
        [
            _tail_beyond(shape, edges - demand.off_cpu_s - wait_at(moment)[:, :, None])
            for moment in _MOMENTS
        ],
        axis=0,
    )
    late = longer[:, :, -1]
    cells = np.maximum(longer[:, :, :-1] - longer[:, :, 1:], 0.0)
    total = cells.sum(axis=2, keepdims=True)
    return late, cells / np.where(total > 0, total, 1.0)


def _tail_beyond(shape: Sojourn, time_s: FloatArray) -> FloatArray:
    return np.where(time_s <= 0, 1.0, shape.tail(time_s))


@dataclass(frozen=True, slots=True)
class _Causes:
    """Shares of a minute's requests that fail, by cause, (M,)."""

    refused: FloatArray
    late: FloatArray
    other: FloatArray


def _draw(
    requests: IntArray,
    causes: _Causes,
    mixture: FloatArray,
    demand: Demand,
    rngs: Sequence[np.random.Generator],
) -> tuple[IntArray, FloatArray, IntArray]:
    """Failures and latencies of each minute's requests: (M,), (M, G), (M, G).

    A refused request took the longest wait in the queue, a late one the time-out (the last two
    cells); another failure is as quick as a success.
    """
    size = mixture.shape[1] + 2
    failed = np.zeros(len(requests), dtype=np.int64)
    values = np.zeros((len(requests), size))
    counts = np.zeros((len(requests), size), dtype=np.int64)
    low, high = np.maximum(_EDGES_S[:-1], _FIRST_EDGE_S / 2), _EDGES_S[1:]
    for row, (rng, total) in enumerate(zip(rngs, requests, strict=True)):
        shares = np.array([causes.refused[row], causes.late[row], causes.other[row]])
        shares = np.clip(np.append(shares, 1 - shares.sum()), 0.0, 1.0)
        refused, late, other, _ = rng.multinomial(total, shares / shares.sum())
        failed[row] = refused + late + other
        probability = mixture[row]
        mass = probability.sum()
        if mass > 0:
            counts[row, :-2] = rng.multinomial(total - refused - late, probability / mass)
        else:  # nothing is in time
            late = total - refused
            failed[row] = total
        counts[row, -2:] = refused, late
        place = rng.random(size - 2)
        values[row, :-2] = np.minimum(low * (high / low) ** place, demand.timeout_s)
        values[row, -2:] = demand.queue_s, demand.timeout_s
    return failed, values, counts


def _spread(rows: Sequence[int | None], values: FloatArray, missing: FloatArray) -> FloatArray:
    """A row for every cohort: its own, or ``missing`` for one that is not in service."""
    if not rows:
        return np.empty((0, values.shape[1]))
    return np.array([missing if row is None else values[row] for row in rows])


def _nothing_in_service(
    cohorts: int, demand: Demand, minutes: IntArray, requests: IntArray
) -> ArmMinutes:
    shape = (cohorts, len(minutes))
    size = len(_EDGES_S) + 1
    return ArmMinutes(
        minutes=minutes,
        requests=requests,
        failed=requests.copy(),
        latency_s=np.zeros((len(minutes), size)),
        latency_counts=np.zeros((len(minutes), size), dtype=np.int64),
        cpu_ratio=np.full(shape, demand.idle_cpu_ratio),
        memory_ratio=np.zeros(shape),
        oom_kills=np.zeros(shape, dtype=np.int64),
        throttled_ratio=np.zeros(shape),
    )
