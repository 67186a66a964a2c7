"""The host and its process groups."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from rightsizing.errors import ConfigError
from rightsizing.measure.host import HostSource, ProcessGroup


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """The process table; change it between readings."""
    table: list[SimpleNamespace] = []
    monkeypatch.setattr(psutil, "process_iter", lambda _attributes: list(table))
    return table


def process(pid: int, command: str, seconds: float, resident: int = 100) -> SimpleNamespace:
    """One row of the process table."""
    info: dict[str, Any] = {
        "pid": pid,
        "name": command.split(maxsplit=1)[0],
        "cmdline": command.split(),
        "create_time": 1000.0 + pid,
        "cpu_times": SimpleNamespace(user=seconds * 0.75, system=seconds * 0.25),
        "memory_info": SimpleNamespace(rss=resident),
    }
    return SimpleNamespace(info=info)


def group_of(source: HostSource) -> Any:
    """The sample of the only group."""
    return source.read().samples[1]


def test_the_whole_host_is_a_workload():
    """CPU time grows, memory is within the machine's, the key is the host's name."""
    source = HostSource()
    (first,) = source.read().samples
    (second,) = source.read().samples
    assert first.workload.startswith("host/")
    assert second.cpu_seconds >= first.cpu_seconds > 0
    assert 0 < first.memory_bytes < first.capacity_memory_bytes
    assert first.capacity_cores == psutil.cpu_count()


def test_a_group_adds_up_its_processes(processes):
    """Only growth since the last reading counts, over all matching processes."""
    source = HostSource([ProcessGroup.parse(r"trader=trader\.py")])
    processes += [
        process(1, "python trader.py", 100, resident=300),
        process(2, "python trader.py --shadow", 50, resident=200),
        process(3, "bash", 7, resident=900),
    ]
    before = group_of(source)
    processes[:] = [
        process(1, "python trader.py", 103, resident=300),
        process(2, "python trader.py --shadow", 51, resident=200),
    ]
    after = group_of(source)
    assert after.cpu_seconds - before.cpu_seconds == pytest.approx(4)  # 3 + 1
    assert after.memory_bytes == 500
    assert after.lifetime == before.lifetime


def test_processes_may_come_and_go(processes):
    """A new process counts from its start, an ended one is not a negative use."""
    source = HostSource([ProcessGroup.parse("worker=worker")])
    processes += [process(1, "worker", 90)]
    before = group_of(source)
    processes[:] = [process(2, "worker", 2)]
    assert group_of(source).cpu_seconds - before.cpu_seconds == pytest.approx(2)


def test_a_reused_process_id_is_another_process(processes):
    """Identity is id and start time."""
    source = HostSource([ProcessGroup.parse("worker=worker")])
    processes += [process(1, "worker", 90)]
    before = group_of(source)
    again = process(1, "worker", 1)
    again.info["create_time"] = 9999.0
    processes[:] = [again]
    assert group_of(source).cpu_seconds - before.cpu_seconds == pytest.approx(1)


def test_a_group_without_processes_is_missing(processes):
    """Said by its pattern; no sample is made up."""
    reading = HostSource([ProcessGroup.parse("trader=nobody")]).read()
    assert reading.missing == ("trader: no process matches 'nobody'",)
    assert len(reading.samples) == 1


def test_unreadable_processes_are_passed_over(processes):
    """Another user's process without figures does not stop the reading."""
    hidden = process(1, "worker", 1)
    hidden.info["cpu_times"] = None
    processes += [hidden, process(2, "worker", 1, resident=70)]
    assert group_of(HostSource([ProcessGroup.parse("worker=worker")])).memory_bytes == 70


def test_real_processes_are_found():
    """This very process, by its own command line."""
    name = psutil.Process(os.getpid()).name()
    source = HostSource([ProcessGroup.parse(f"tests={name}")])
    source.read()
    total = sum(i * i for i in range(300_000))
    sample = group_of(source)
    assert total > 0
    assert sample.cpu_seconds > 0
    assert sample.memory_bytes > 1024**2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trader", "is not <workload>=<pattern>"),
        ("my trader=x", "cannot be a workload key"),
        ("trader=(", "is no regular expression"),
    ],
)
def test_groups_are_checked(text, message):
    """A wrong option is refused with what it should be."""
    with pytest.raises(ConfigError, match=message):
        ProcessGroup.parse(text)
