"""Many rules and workloads at once, windows, and what a restart keeps."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from rightsizing.errors import ConfigError
from rightsizing.model.alerting import AlertRule, Indicator, default_rules
from rightsizing.monitor.alertstate import Change, Phase
from rightsizing.monitor.board import AlertBoard, BoardState
from rightsizing.monitor.reading import Readings, WorkloadReading, merged

STEP_S = 15.0


def run(
    board: AlertBoard, looks: Mapping[float, tuple[WorkloadReading, ...]]
) -> list[tuple[float, str, str, Change | None]]:
    """What fired and resolved: (second, workload, rule, change)."""
    told: list[tuple[float, str, str, Change | None]] = []
    before: float | None = None
    for at_s, readings in looks.items():
        elapsed_s = 0.0 if before is None else at_s - before
        before = at_s
        by_key = merged((Readings(readings),))
        found = board.evaluate(by_key, at_s=at_s, elapsed_s=elapsed_s, now_ms=int(at_s * 1000))
        told += [
            (at_s, alert.workload, alert.rule.name, alert.change)
            for alert in found
            if alert.change in {Change.FIRED, Change.RESOLVED}
        ]
    return told


def steps(count: int) -> list[float]:
    """Seconds of ``count`` evaluations."""
    return [number * STEP_S for number in range(count)]


def test_workloads_do_not_share_their_time() -> None:
    """a is hot from 0 s, b from 150 s: each fires after its own five minutes."""
    board = AlertBoard({"": default_rules()}, interval_s=STEP_S)
    looks = {
        at: (
            WorkloadReading("a", cpu_ratio=0.95),
            WorkloadReading("b", cpu_ratio=0.95 if at >= 150 else 0.5),
        )
        for at in steps(40)
    }
    assert run(board, looks) == [
        (300.0, "a", "CpuHigh", Change.FIRED),
        (450.0, "b", "CpuHigh", Change.FIRED),
    ]


def test_more_than_a_tenth_of_trades_slow() -> None:
    """10 units a step: one slow is 10 % and no breach, two slow from 600 s on are."""
    board = AlertBoard({"": default_rules()}, interval_s=STEP_S)
    slow, looks = 0, {}
    for number, at in enumerate(steps(80)):
        slow += 2 if at > 600 else 1
        looks[at] = (WorkloadReading("t", units=10.0 * number, slow_units=float(slow)),)
    # 615 s: 19 of the last 20 increases are 1 and one is 2, 21 of 200 is above 10 %
    assert run(board, looks) == [(615.0, "t", "UnitsSlow", Change.FIRED)]


def test_cost_and_scan_fire_at_once_and_end_at_once() -> None:
    """Neither has to last."""
    board = AlertBoard({"": default_rules()}, interval_s=STEP_S)
    looks = {
        at: (WorkloadReading("t", cost_per_unit_usd=0.06 if at == 30 else 0.04, scan_seconds=29.0),)
        for at in steps(6)
    }
    assert run(board, looks) == [
        (30.0, "t", "CostPerUnitHigh", Change.FIRED),
        (45.0, "t", "CostPerUnitHigh", Change.RESOLVED),
    ]


def test_downtime_burns_the_budget_and_the_short_window_ends_it() -> None:
    """Down for the 12th minute of an hour; the alert ends when five minutes hold none of it."""
    board = AlertBoard({"": default_rules()}, interval_s=STEP_S)
    looks = {at: (WorkloadReading("t", up=not 660 <= at < 720),) for at in steps(120)}
    told = [item for item in run(board, looks) if item[2] == "UptimeBurnFast"]
    # At 660 s one of 45 looks of the hour is down, 2.2 %, and one of the last 20: above 1.44 %.
    # A minute later it fires. The last look down is at 705 s; the window (705 s, 1005 s] holds
    # 20 looks that were answered.
    assert told == [
        (720.0, "t", "UptimeBurnFast", Change.FIRED),
        (1005.0, "t", "UptimeBurnFast", Change.RESOLVED),
    ]


def test_a_restart_keeps_what_was_pending() -> None:
    """150 s hot, then a new board an hour later: fires after 150 s more."""
    first = AlertBoard({"": default_rules()}, interval_s=STEP_S)
    run(first, {at: (WorkloadReading("a", cpu_ratio=0.95),) for at in steps(11)})
    kept = BoardState.model_validate_json(first.kept().model_dump_json())
    second = AlertBoard({"": default_rules()}, interval_s=STEP_S, kept=kept)
    looks = {3600 + at: (WorkloadReading("a", cpu_ratio=0.95),) for at in steps(20)}
    assert run(second, looks) == [(3750.0, "a", "CpuHigh", Change.FIRED)]


def test_a_workload_that_vanished_is_no_data_not_fine() -> None:
    """Firing, then not read for more than the lookback: no data; its alert is kept."""
    board = AlertBoard({"": default_rules()}, interval_s=STEP_S)
    run(board, {at: (WorkloadReading("a", cpu_ratio=0.95),) for at in steps(30)})
    phases: dict[str, Phase] = {}
    for missed in range(1, 23):
        alerts = board.evaluate({}, at_s=435 + missed * STEP_S, elapsed_s=STEP_S, now_ms=0)
        phases = {alert.rule.name: alert.state.phase for alert in alerts}
    assert phases["CpuHigh"] is Phase.NO_DATA


def test_a_workload_taken_away_is_forgotten() -> None:
    """After ``forget`` nothing of it is evaluated or kept."""
    board = AlertBoard({"": default_rules()}, interval_s=STEP_S)
    run(board, {at: (WorkloadReading("a", cpu_ratio=0.95),) for at in steps(3)})
    board.forget("a")
    assert board.evaluate({}, at_s=100, elapsed_s=STEP_S, now_ms=0) == ()
    assert board.kept() == BoardState()


def test_a_workload_silent_for_a_day_is_forgotten_unless_a_rule_names_it() -> None:
    """Both were read once; a day later only the one with rules of its own is still told of."""
    own = AlertRule(name="Own", indicator=Indicator.CPU_RATIO, above=0.9)
    board = AlertBoard({"": default_rules(), "named": [own]}, interval_s=STEP_S)
    readings = {key: WorkloadReading(key, cpu_ratio=0.5) for key in ("named", "passing")}
    board.evaluate(readings, at_s=0, elapsed_s=0, now_ms=0)
    seen = set()
    for hour in range(1, 26):
        alerts = board.evaluate({}, at_s=hour * 3600.0, elapsed_s=3600, now_ms=0)
        seen = {alert.workload for alert in alerts}
        if hour == 24:  # not more than a day yet
            assert seen == {"named", "passing"}
    assert seen == {"named"}


def test_own_rules_replace_the_common_ones() -> None:
    """A workload with rules of its own has only those."""
    own = AlertRule(name="Own", indicator=Indicator.CPU_RATIO, above=0.1)
    board = AlertBoard({"": default_rules(), "b": [own]}, interval_s=STEP_S)
    look = (WorkloadReading("b", cpu_ratio=0.2),)
    assert run(board, {0.0: look}) == [(0.0, "b", "Own", Change.FIRED)]


def test_a_rule_given_twice_is_refused() -> None:
    """Its state would be ambiguous."""
    rule = default_rules()[0]
    with pytest.raises(ConfigError, match="'CpuHigh' of every workload is given twice"):
        AlertBoard({"": [rule, rule]}, interval_s=STEP_S)


def test_a_share_needs_its_window() -> None:
    """A rule about a share without a window means nothing."""
    with pytest.raises(ValidationError, match="needs window_s"):
        AlertRule(name="Slow", indicator=Indicator.SLOW_UNITS_RATIO, above=0.1)


def test_sources_complete_each_other() -> None:
    """The first source's figure counts, the second fills what the first cannot tell."""
    first = Readings((WorkloadReading("a", cpu_ratio=0.5),))
    second = Readings((WorkloadReading("a", cpu_ratio=0.9, memory_ratio=0.7),))
    assert merged((first, second)) == {"a": WorkloadReading("a", cpu_ratio=0.5, memory_ratio=0.7)}
