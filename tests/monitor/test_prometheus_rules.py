"""The generated rules, judged by promtool: valid, and firing at our own instants."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from rightsizing.model.alerting import AlertRule, Indicator, default_rules
from rightsizing.model.base import NoData
from rightsizing.monitor.alertstate import AlertState, Phase, advance
from rightsizing.monitor.prometheusrules import duration, expression, rule_file
from rightsizing.monitor.windows import CounterPair, DownWindow, ShareWindow

RULES = {rule.name: rule for rule in default_rules(error_max_ratio=0.01)}
LABELS = 'workload="trader"'
Reading = Callable[[int], float | None]

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed"
)


def promtool(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run promtool inside ``folder``."""
    return subprocess.run(
        ["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def fire_times(rule: AlertRule, reading_at: Reading, end: int) -> list[int]:
    """Seconds at which our own state fires, evaluated every second."""
    state, found = AlertState(), []
    for second in range(end):
        value = reading_at(second)
        state, _ = advance(
            rule,
            state,
            NoData("not scraped") if value is None else value,
            elapsed_s=float(second > 0),
            now_ms=second * 1000,
        )
        if state.phase is Phase.FIRING:
            found.append(second)
    return found


def expect(
    folder: Path, rule: AlertRule, series: dict[str, str], firing: list[int], end: int
) -> None:
    """Require promtool to see the alert fire at exactly ``firing`` of 0 to ``end`` seconds."""
    (folder / "rules.yaml").write_text(rule_file([rule]))
    edges = {at + shift for at in firing for shift in (-1, 0, 1)} | {0, end - 1}
    labels = {"workload": "trader", "severity": rule.severity.value}
    annotations = {"summary": f"trader: {rule.meaning or rule.name}"}
    cases = [
        {
            "eval_time": f"{at}s",
            "alertname": rule.name,
            "exp_alerts": [{"exp_labels": labels, "exp_annotations": annotations}]
            if at in firing
            else [],
        }
        for at in sorted(edge for edge in edges if 0 <= edge < end)
    ]
    test = {
        "interval": "1s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": cases,
    }
    page = {"rule_files": ["rules.yaml"], "evaluation_interval": "1s", "tests": [test]}
    (folder / "test.yaml").write_text(json.dumps(page))  # JSON is YAML
    done = promtool(folder, "test", "rules", "test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def values_of(reading_at: Reading, end: int) -> str:
    """promtool's notation of a series of one sample a second."""
    told = (reading_at(second) for second in range(end))
    return " ".join("_" if value is None else f"{value:g}" for value in told)


@needs_promtool
def test_the_rule_file_is_valid(tmp_path: Path) -> None:
    """promtool accepts every default rule and the one for missing readings."""
    (tmp_path / "rules.yaml").write_text(rule_file(tuple(RULES.values())))
    done = promtool(tmp_path, "check", "rules", "rules.yaml")
    assert done.returncode == 0, done.stderr
    assert f"SUCCESS: {len(RULES) + 1} rules found" in done.stdout


SCENARIOS: dict[str, tuple[str, Reading]] = {
    "cpu for 4 min 59 s": ("CpuHigh", lambda s: 0.95 if 60 <= s <= 359 else 0.5),
    "cpu for 5 min 1 s": ("CpuHigh", lambda s: 0.95 if 60 <= s <= 361 else 0.5),
    "cpu with a dip": ("CpuHigh", lambda s: 0.5 if s == 201 else 0.95),
    "memory for 1 min 59 s": ("MemoryHigh", lambda s: 0.95 if 60 <= s <= 179 else 0.5),
    "memory for 2 min 1 s": ("MemoryHigh", lambda s: 0.95 if 60 <= s <= 181 else 0.5),
    "cpu flapping": ("CpuHigh", lambda s: 0.95 if s // 30 % 2 else 0.5),
    "scrapes missing for 3 min": ("CpuHigh", lambda s: None if 100 <= s < 280 else 0.95),
    "cost a unit": ("CostPerUnitHigh", lambda s: 0.051 if 100 <= s < 130 else 0.049),
    "guardian scan": ("GuardianScanSlow", lambda s: 30.0 if s < 300 else 30.5),
}


@needs_promtool
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda name: name.replace(" ", "_"))
def test_fires_at_the_same_instants(tmp_path: Path, scenario: str) -> None:
    """Our state and Prometheus, on one sample a second, agree on every second that fires."""
    name, reading_at = SCENARIOS[scenario]
    rule, end = RULES[name], 500
    firing = fire_times(rule, reading_at, end)
    series = {f"{rule.indicator.value}{{{LABELS}}}": values_of(reading_at, end)}
    expect(tmp_path, rule, series, firing, end)


@needs_promtool
@pytest.mark.parametrize("slow_of_20", [2, 3])
def test_slow_units_fire_at_the_same_instants(tmp_path: Path, slow_of_20: int) -> None:
    """20 units a second from 100 s on, of which 2 (10 %) do not fire and 3 (15 %) do."""
    rule, end = RULES["UnitsSlow"], 900
    # counters far above 0, where Prometheus does not clamp its extrapolation
    whole = [1_000_000 + 20 * second for second in range(end)]
    slow = [50_000 + slow_of_20 * max(second - 100, 0) for second in range(end)]
    window = ShareWindow(longest_s=300)
    state, firing = AlertState(), []
    for second in range(end):
        window.add(CounterPair(second, slow[second], whole[second]))
        state, _ = advance(
            rule,
            state,
            window.share(300, second),
            elapsed_s=float(second > 0),
            now_ms=second * 1000,
        )
        if state.phase is Phase.FIRING:
            firing.append(second)
    assert bool(firing) == (slow_of_20 == 3)
    series = {
        f"rightsizing_workload_units_total{{{LABELS}}}": " ".join(map(str, whole)),
        f"rightsizing_workload_slow_units_total{{{LABELS}}}": " ".join(map(str, slow)),
    }
    expect(tmp_path, rule, series, firing, end)


@needs_promtool
def test_downtime_fires_at_the_same_instants(tmp_path: Path) -> None:
    """Down from 600 s on: more than 1.44 % of the hour so far and of five minutes."""
    rule, end = RULES["UptimeBurnFast"], 1000
    assert rule.window_s is not None
    assert rule.short_window_s is not None
    window, state, firing = DownWindow(longest_s=3600, interval_s=1), AlertState(), []
    for second in range(end):
        window.add(second, up=second < 600)
        shares = [window.share(span, second) for span in (rule.window_s, rule.short_window_s)]
        reading = min(share for share in shares if not isinstance(share, NoData))
        state, _ = advance(rule, state, reading, elapsed_s=float(second > 0), now_ms=second * 1000)
        if state.phase is Phase.FIRING:
            firing.append(second)
    series = {
        f"rightsizing_workload_up{{{LABELS}}}": " ".join(
            "1" if s < 600 else "0" for s in range(end)
        )
    }
    expect(tmp_path, rule, series, firing, end)


@pytest.mark.parametrize(
    ("seconds", "written"), [(0, "0s"), (45, "45s"), (300, "5m"), (5400, "90m"), (259_200, "3d")]
)
def test_spans_as_prometheus_writes_them(seconds: int, written: str) -> None:
    """The largest unit that divides the span."""
    assert duration(seconds) == written


def test_both_windows_have_to_agree() -> None:
    """A burn rule compares the long and the short window with the same value."""
    found = expression(RULES["UptimeBurnFast"])
    assert "[1h]" in found
    assert "[5m]" in found
    assert found.count("> 0.0144") == 2


def test_a_rule_without_a_span_fires_at_once() -> None:
    """No ``for`` where nothing has to last."""
    rule = AlertRule(name="Now", indicator=Indicator.CPU_RATIO, above=0.5)
    found = YAML(typ="safe").load(rule_file([rule]))["groups"][0]["rules"][0]
    assert "for" not in found
    assert found["alert"] == "Now"
