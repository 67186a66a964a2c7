"""The exporter's page: valid, complete where known, absent where unknown, loopback only."""

from __future__ import annotations

import http.client
import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rightsizing.errors import ConfigError, StackError
from rightsizing.model.alerting import default_rules
from rightsizing.monitor.exceedance import ExceedanceBook, ObservedExceedance
from rightsizing.monitor.exporter import ExportedState, metrics_page
from rightsizing.monitor.figures import (
    ExceedanceFigure,
    Figures,
    FiguresCache,
    RolloutFigure,
    SizeFigure,
    SizingFigure,
)
from rightsizing.monitor.localserver import EventStream, LocalServer, Page
from rightsizing.monitor.prometheusrules import expression
from rightsizing.monitor.reading import WorkloadReading

READING = WorkloadReading(
    "trader",
    up=True,
    cpu_ratio=0.072,
    memory_ratio=0.854,
    units=100.0,
    slow_units=3.0,
    requests=100.0,
    errors=0.0,
    latency_mean_ms=41.0,
    cost_per_unit_usd=0.08,
    scan_seconds=12.5,
)
SIZING = SizingFigure(
    "trader",
    applied=SizeFigure("16 cores", 16.0, 16e9),
    recommended=SizeFigure('1.75 "cores"\n', 1.75, 16e9),
    predicted=ExceedanceFigure(3.0, 0.5, 9.0),
    saving_usd_per_month=37.11,
    usd_per_month=230.02,
)
FULL = ExportedState(
    readings=(READING,),
    figures=Figures((SIZING,), RolloutFigure("0001-ab-p1", "soaking", "weight-50"), 0.8),
    observed=(ObservedExceedance(workload="trader", watched_s=60, exceeded_s=15),),
    firing=(("trader", "CostPerUnitHigh"),),
    rounds=4,
)


def samples(page: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def test_every_metric_a_rule_asks_for_is_there() -> None:
    """The names in the generated rules are names on the page."""
    shown = {name for name, _ in samples(metrics_page(FULL))}
    for rule in default_rules(error_max_ratio=0.01):
        asked = set(re.findall(r"rightsizing_\w+", expression(rule)))
        assert asked
        assert asked <= shown, rule.name


def test_values() -> None:
    """Each figure under its name, in base units."""
    found = samples(metrics_page(FULL))
    trader = (("workload", "trader"),)
    assert found["rightsizing_workload_cpu_ratio", trader] == 0.072
    assert found["rightsizing_workload_latency_mean_seconds", trader] == pytest.approx(0.041)
    assert found["rightsizing_observed_exceedance_seconds_total", trader] == 15
    assert found["rightsizing_recommended_saving_usd_per_month", trader] == 37.11
    assert found["rightsizing_commitment_coverage_ratio", ()] == 0.8
    upper = (("bound", "upper"), ("workload", "trader"))
    assert found["rightsizing_predicted_exceedance_seconds_per_month", upper] == 540  # 9 min
    statuses = {
        dict(labels)["status"]: value
        for (name, labels), value in found.items()
        if name == "rightsizing_rollout_status"
    }
    assert statuses["soaking"] == 1
    assert sum(statuses.values()) == 1


def test_unknown_is_absent() -> None:
    """A workload of which only memory is known has that and nothing else, and no zeros."""
    known = ExportedState(readings=(WorkloadReading("web", memory_ratio=0.5),))
    assert samples(metrics_page(known)) == {
        ("rightsizing_workload_memory_ratio", (("workload", "web"),)): 0.5
    }
    assert metrics_page(ExportedState()).strip() == b""


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_accepts_the_page() -> None:
    """promtool check metrics finds nothing to say."""
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=metrics_page(FULL), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_observed_exceedance_begins_anew_with_a_size() -> None:
    """Two of four rounds at the limit; then another size."""
    book = ExceedanceBook()
    for ratio in (0.5, 0.995, 1.0, None, 0.98):
        reading = WorkloadReading("a", cpu_ratio=ratio)
        book.add({"a": reading}, {"a": "4 cores"}, elapsed_s=15.0)
    kept = ExceedanceBook(book.kept())
    assert kept.of("a") == ObservedExceedance(
        workload="a", size="4 cores", watched_s=60.0, exceeded_s=30.0
    )
    kept.add({"a": WorkloadReading("a", cpu_ratio=1.0)}, {"a": "2 cores"}, elapsed_s=15.0)
    assert kept.of("a") == ObservedExceedance(
        workload="a", size="2 cores", watched_s=15.0, exceeded_s=15.0
    )
    assert kept.of("b") is None


def test_figures_that_cannot_be_read_are_not_the_old_ones() -> None:
    """After a failed reading nothing is known, and the reason is said."""
    answers: list[Figures | StackError] = [Figures((SIZING,)), StackError("no such stack")]
    now = [0.0]

    def read() -> Figures:
        found = answers.pop(0)
        if isinstance(found, StackError):
            raise found
        return found

    cache = FiguresCache(read, lambda: None, lambda: now[0], refresh_s=10)
    cache.figures()
    cache.wait(10)
    assert cache.figures().of("trader") == SIZING
    now[0] = 11.0
    cache.figures()
    cache.wait(10)
    assert cache.figures() == Figures(problems=("no such stack",))


def ask(server: LocalServer, path: str, host: str = "127.0.0.1") -> tuple[int, bytes]:
    """Status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]))
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_the_server_answers_this_machine_alone() -> None:
    """Known pages to loopback names; another Host is refused, another path is not there."""
    server = LocalServer({"/metrics": lambda _: Page(b"ok", "text/plain")}, port=0)
    try:
        assert ask(server, "/metrics") == (200, b"ok")
        assert ask(server, "/metrics", "localhost:1")[0] == 200
        assert ask(server, "/metrics", "evil.example")[0] == 403
        assert ask(server, "/etc/passwd")[0] == 404
        port = int(server.url.rpartition(":")[2])
        with pytest.raises(ConfigError, match="give another"):
            LocalServer({}, port=port)
    finally:
        server.close()


def test_a_slow_listener_holds_nobody_up() -> None:
    """The oldest events make way; the newest are there."""
    events = EventStream()
    listener = events.open()
    assert listener is not None
    for number in range(100):
        events.publish("round", str(number))
    last = [listener.get_nowait() for _ in range(listener.qsize())]
    assert last[-1] == b"event: round\ndata: 99\n\n"
    assert len(last) < 10
    events.leave(listener)
    assert not events.has_listeners


def test_the_state_of_nothing_read_has_sizes_alone() -> None:
    """Without readings the page still shows what is applied."""
    found = samples(metrics_page(replace(FULL, readings=(), firing=None, rounds=None)))
    names = {name for name, _ in found}
    assert "rightsizing_applied_cpu_cores" in names
    assert not any(name.startswith("rightsizing_workload") for name in names)
