"""Real containers: a real load is measured, sized from that, resized and restored.

Every step is the command a user types. What the recorder says is compared with the kernel's own
counters, what was applied with ``docker inspect`` and with the limits the kernel enforces.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, islice
from typing import Any

import pyarrow as pa
import pytest

from rightsizing.measure.schema import STORE_SCHEMA
from rightsizing.model.release import Release
from rightsizing.model.rollout import RolloutState
from rightsizing.model.size import ContainerSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.stack.selection import find_pulumi

pytestmark = [pytest.mark.docker, pytest.mark.slow]

HELD_MIB = 40
# Turns of 20 ms of CPU (two clock ticks of its own utime and stime) and 60 ms of rest: a quarter of
# a core, less where the machine is busy. Short turns, so that a smaller limit hardly throttles it.
BUSY = f"""\
trap 'exit 0' TERM
dd if=/dev/zero of=/dev/shm/held bs=1M count={HELD_MIB} 2>/dev/null
used() {{
  read pid comm state a b c d e f g h i j ut st rest < /proc/self/stat
  used=$((ut + st))
}}
while :; do
  used; end=$((used + 2))
  while [ $used -lt $end ]; do used; done
  usleep 60000
done
"""
IDLE = "trap 'exit 0' TERM; sleep 3600 & wait"
# dd asks for a buffer of 96 MiB, fills it, and is killed for it; the shell around it lives on.
GREEDY = """\
trap 'exit 0' TERM
while :; do dd if=/dev/zero of=/dev/null bs=96M count=1 2>/dev/null; sleep 1; done
"""
FRAGILE = "sleep 4; exec dd if=/dev/zero of=/dev/null bs=96M count=1"
MIB = 1024 * 1024
RECORD = ("record", "docker", "--interval", "2", "--sample", "0.5")
# Rows are attributed by the engine's statistics, which are up to a second old: at both ends of a
# recording of some ten seconds that second may be another's. The load is steady, so 10 % covers it.
CPU_TOLERANCE = 0.10
MEMORY_TOLERANCE_BYTES = 2 * MIB  # a process more or less, and page cache

WaitFor = Callable[[Callable[[], bool], str], None]


def limits_of(size: ContainerSize) -> dict[str, int]:
    """A size as a stack file declares it."""
    return size.model_dump(include={"cpu_millicores", "memory_mib"})


def shell(script: str) -> list[str]:
    """A container's command."""
    return ["sh", "-c", script]


def repeated(rows: Sequence[dict[str, Any]], days: int) -> pa.Table:
    """Measured rows, over and over, as five-minute intervals of the days before them."""
    count, step_s = days * 288, 300
    end_ms = rows[0]["timestamp_ms"] // (step_s * 1000) * step_s * 1000
    return pa.Table.from_pylist(
        [
            {**row, "interval_s": step_s, "timestamp_ms": end_ms - (count - index) * step_s * 1000}
            for index, row in enumerate(islice(cycle(rows), count))
        ],
        schema=STORE_SCHEMA,
    )


def assert_equals_kernel(
    rows: Sequence[dict[str, Any]], watch: Any, tolerance: float = CPU_TOLERANCE
) -> None:
    """CPU of the rows' intervals is what the kernel counted in them."""
    recorded = sum(row["cpu_cores_mean"] * row["interval_s"] for row in rows)
    counted = sum(watch.used(row) for row in rows)
    assert recorded == pytest.approx(counted, rel=tolerance)


def assert_never_twice(events: Sequence[tuple[str, str]]) -> None:
    """Of (container, start or die) in order: each one died before the next one started."""
    running: set[str] = set()
    for container, action in events:
        if action == "start":
            assert not running, f"{container} started beside {running}"
            running.add(container)
        else:
            running.discard(container)


def record_and_compare(site: Any, wait_for: WaitFor) -> float:
    """Record twelve seconds beside the kernel's own counters; returns cores used by its count."""
    group = site.cgroup("busy")
    wait_for(lambda: group.memory_bytes() >= HELD_MIB * MIB, "filling memory")
    with site.watch("busy") as watch:
        site.rightsize(*RECORD, "--for", "12")
    rows = [row for row in site.rows("busy") if watch.covers(row)]
    inner = rows[1:-1]  # the outer ones may be covered by half
    assert len(inner) >= 2
    assert_equals_kernel(inner, watch)
    for row in inner:
        assert abs(row["memory_bytes_max"] - max(watch.memory_bytes)) < MEMORY_TOLERANCE_BYTES
        assert (row["capacity_cores"], row["capacity_memory_bytes"]) == (1.0, 256 * MIB)
    cores = sum(watch.used(row) for row in inner) / sum(row["interval_s"] for row in inner)
    assert 0.02 < cores < 0.35
    return float(cores)


def assert_refused(site: Any) -> None:
    """Twelve seconds are no evidence: nothing shrinks, nothing is written."""
    answers = site.ask("recommend")["recommendations"]
    mine = [item for item in answers if item["workload"] in {site.name("busy"), site.name("idle")}]
    assert [item["decision"] for item in mine] == ["refuse", "refuse"]
    assert {reason for item in mine for reason in item["reasons"]} == {"EvidenceTooWeak"}
    site.rightsize("plan")
    assert site.stack_file().sizing().release is None


def assert_enforced(site: Any, sizes: Mapping[str, ContainerSize]) -> None:
    """``docker inspect``, the kernel's control groups and `rightsize status` say these sizes."""
    for key, size in sizes.items():
        memory = size.memory_bytes
        assert site.limits(key) == (size.cpu_millicores * 1_000_000, memory, memory)
        group = site.cgroup(key)
        assert group.cpu_limit_cores() == pytest.approx(size.cpu_cores)
        assert group.memory_limit_bytes() == memory
    facts = site.ask("status")["facts"]
    assert facts["matches"]
    assert {fact["workload"]: fact["size"] for fact in facts["facts"]} == {
        site.name(key): size.model_dump(mode="json") for key, size in sizes.items()
    }


@pytest.mark.proof
def test_measured_resized_restored(site: Any, wait_for: WaitFor) -> None:
    """A load is recorded, sized, resized and restored on the real engine.

    Twelve seconds allow no reduction, and the tool says so. For the resize the rows it has just
    measured are repeated over fourteen days through the store: figures are measured, their duration
    is not.
    """
    declared = {
        "busy": ContainerSize(cpu_millicores=1000, memory_mib=256),
        "idle": ContainerSize(cpu_millicores=50, memory_mib=256),
    }
    site.declare(
        busy={"size": limits_of(declared["busy"]), "command": shell(BUSY)},
        idle={"size": limits_of(declared["idle"]), "command": shell(IDLE)},
    )
    began_s = int(time.time())
    site.rightsize("--driver", "embedded", "local", "up")
    site.rightsize("apply", "--yes")
    assert_enforced(site, declared)
    busy, idle = site.inspect("busy"), site.inspect("idle")
    cores = record_and_compare(site, wait_for)
    assert_refused(site)

    for key in declared:
        site.store.append(repeated(site.rows(key), 14), "repeated")
    site.rightsize("plan")
    release = site.stack_file().sizing().release
    assert release is not None
    resized = {key: release.size_at(site.name(key), 1) for key in declared}
    # A fifth stays free above a high quantile, which lies between mean and peak; steps of 0.05.
    peak = max(row["cpu_cores_max"] for row in site.rows("busy"))
    assert cores * (1 - CPU_TOLERANCE) / 0.8 <= resized["busy"].cpu_cores <= peak / 0.8 + 0.05
    assert resized["busy"].memory_mib == 64  # 40 MiB and 15 % more, in steps of 64
    assert resized["idle"] == ContainerSize(cpu_millicores=50, memory_mib=64)

    # A CPU limit replaces the container, a memory limit changes under the running one.
    site.rightsize("apply", "--yes")
    assert_enforced(site, resized)
    assert site.inspect("busy")["Id"] != busy["Id"]
    assert site.inspect("idle")["Id"] == idle["Id"]
    assert site.inspect("idle")["State"]["StartedAt"] == idle["State"]["StartedAt"]

    assert site.ask("rollback", "--yes", "--reason", "a test")["outcome"] == "restored"
    assert_enforced(site, declared)
    assert site.inspect("idle")["State"]["StartedAt"] == idle["State"]["StartedAt"]
    assert site.stack_file().sizing().release is None
    history = site.ask("history")["history"]
    assert [(row["release"], row["verdict"]) for row in history] == [
        ("declared", "good"),
        (release.short_id, "rolled_back"),
        ("declared", "good"),
    ]

    events = site.events("busy", began_s, "start", "die")
    assert [action for _, action in events] == ["start", "die", "start", "die", "start"]
    assert_never_twice(events)
    site.rightsize("destroy", "--yes")
    assert site.engine.containers.list(all=True, filters=site.mine) == []


@pytest.mark.proof
def test_killed_recorder_stores_nothing_twice(site: Any, wait_for: WaitFor) -> None:
    """SIGKILL in the middle of an interval and a restart at once: rows stay as they were, none is
    there twice, and together they hold what the kernel counted."""
    site.declare(busy={"size": {"cpu_millicores": 1000, "memory_mib": 256}, "command": shell(BUSY)})
    site.rightsize("--driver", "embedded", "local", "up")
    site.rightsize("apply", "--yes")
    with site.watch("busy") as watch:
        recorder = site.recorder()
        try:
            wait_for(
                lambda: (site.store.root / "store.json").exists() and len(site.rows("busy")) >= 2,
                "storing two rows",
            )
        finally:
            recorder.kill()
            recorder.wait()
        first = site.rows("busy")
        site.rightsize(*RECORD, "--for", "8")
    rows = site.rows("busy")
    assert rows[: len(first)] == first
    assert len(rows) > len(first)
    starts = [row["timestamp_ms"] for row in rows]
    assert len(set(starts)) == len(starts)
    # Rows around the kill are covered by half at least, so the load's own changes show in them.
    inner = [row for row in rows if watch.covers(row)][1:-1]
    assert_equals_kernel(inner, watch, 0.25)


@pytest.mark.proof
def test_out_of_memory_is_counted_and_raises_the_limit(site: Any) -> None:
    """Kills by the kernel are in the store, and the recommendation raises memory.

    In one container a child is killed and the rest lives on; the other is killed as a whole and
    started again by the engine.
    """
    size = {"cpu_millicores": 1000, "memory_mib": 64}
    site.declare(
        greedy={"size": size, "command": shell(GREEDY)},
        fragile={"size": size, "command": shell(FRAGILE), "restart": "always"},
    )
    site.rightsize("--driver", "embedded", "local", "up")
    site.rightsize("apply", "--yes")
    kills_before = site.cgroup("greedy").kills()
    began_s = int(time.time())
    site.rightsize(*RECORD, "--for", "10")
    if site.cgroup("greedy").kills() == kills_before:
        pytest.skip("the memory limit of this engine's containers kills nothing")
    answers = site.ask("recommend")["recommendations"]
    for key in ("greedy", "fragile"):
        # The engine's count is also of what came before the first and after the last row.
        kills = [action for _, action in site.events(key, began_s, "oom")]
        recorded = sum(row["oom_kills"] for row in site.rows(key))
        assert recorded == int(recorded)
        assert 1 <= recorded <= len(kills)
        (answer,) = (item for item in answers if item["workload"] == site.name(key))
        assert answer["decision"] == "upsize"
        # At least 1.2 times the limit that proved too small (77 MiB), in steps of 64.
        assert answer["target"]["memory_mib"] == 128
        assert answer["target"]["cpu_millicores"] >= 1000


@pytest.mark.cli
def test_plain_pulumi(site: Any) -> None:
    """`pulumi up` on the same project: the limits of the release, on the real engine."""
    pulumi = find_pulumi()
    if pulumi is None:
        pytest.skip("there is no Pulumi CLI on PATH or in ~/.pulumi/bin")
    old = ContainerSize(cpu_millicores=1000, memory_mib=256)
    less_memory = ContainerSize(cpu_millicores=1000, memory_mib=128)
    less_of_both = ContainerSize(cpu_millicores=500, memory_mib=128)
    size = limits_of(old)
    site.declare(
        busy={"size": size, "command": shell(IDLE)}, idle={"size": size, "command": shell(IDLE)}
    )
    busy, idle = site.name("busy"), site.name("idle")
    began_s = int(time.time())
    site.rightsize("--driver", "cli", "local", "up")
    site.environment |= site.ask("local", "env")
    plain = ("--yes", "--skip-preview", "--non-interactive", "--stack", site.stack)
    said = site.run(str(pulumi), "preview", "--non-interactive", "--stack", site.stack)
    assert "6 to create" in said  # stack, provider, two components, two containers
    site.run(str(pulumi), "up", *plain)
    before = {key: site.inspect(key)["Id"] for key in ("busy", "idle")}
    assert site.limits("busy") == (1_000_000_000, 256 * MIB, 256 * MIB)

    release = Release(
        baseline={busy: old, idle: old}, phases={"1": {busy: less_of_both, idle: less_memory}}
    )
    site.stack_file().write_sizing(StackSizing(release, 1, RolloutState()))
    site.run(str(pulumi), "up", *plain)
    assert site.limits("busy") == (500_000_000, 128 * MIB, 128 * MIB)
    assert site.limits("idle") == (1_000_000_000, 128 * MIB, 128 * MIB)
    assert site.inspect("busy")["Id"] != before["busy"]
    assert site.inspect("idle")["Id"] == before["idle"]
    assert_never_twice(site.events("busy", began_s, "start", "die"))
    assert site.ask("status")["facts"]["matches"]
    site.run(str(pulumi), "destroy", *plain)
    assert site.engine.containers.list(all=True, filters=site.mine) == []
