"""When an alert fires, resolves and loses its data, by a driven clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.model.alerting import AlertRule, Indicator, default_rules
from rightsizing.model.base import NoData
from rightsizing.monitor.alertstate import STALE_S, AlertState, Change, Phase, advance

RULES = {rule.name: rule for rule in default_rules(error_max_ratio=0.01)}
CPU, MEMORY = RULES["CpuHigh"], RULES["MemoryHigh"]
MISSING = NoData("not scraped")


def changes_at(
    rule: AlertRule,
    reading_at: Callable[[int], float | NoData],
    seconds: Iterable[int],
    state: AlertState | None = None,
) -> dict[int, Change]:
    """What is told, by second, when evaluated at each of ``seconds``."""
    state = state or AlertState()
    told, before = {}, None
    for second in seconds:
        elapsed_s = 0.0 if before is None else float(second - before)
        state, change = advance(
            rule, state, reading_at(second), elapsed_s=elapsed_s, now_ms=second * 1000
        )
        before = second
        if change is not None:
            told[second] = change
    return told


def hot(first: int, last: int, value: float = 0.95) -> Callable[[int], float]:
    """``value`` from ``first`` to ``last``, both included, and half before and after."""
    return lambda second: value if first <= second <= last else 0.5


def test_cpu_for_4_min_59_s_does_not_fire() -> None:
    """60 to 359 s are 299 s above 90 %."""
    assert changes_at(CPU, hot(60, 359), range(900)) == {}


def test_cpu_for_5_min_1_s_fires() -> None:
    """60 to 361 s: five minutes are over at 360 s; below again at 362 s."""
    assert changes_at(CPU, hot(60, 361), range(900)) == {
        360: Change.FIRED,
        362: Change.RESOLVED,
    }


def test_exactly_the_threshold_is_not_above_it() -> None:
    """90 % for ever is no breach of "above 90 %"."""
    assert changes_at(CPU, hot(0, 10_000, value=0.90), range(0, 2000, 15)) == {}


@pytest.mark.parametrize(("last", "told"), [(179, {}), (181, {180: Change.FIRED})])
def test_memory_takes_two_minutes(last: int, told: dict[int, Change]) -> None:
    """Above from 60 s: 119 s do not fire, 121 s do."""
    found = changes_at(MEMORY, hot(60, last), range(182))
    assert {at: change for at, change in found.items() if change is Change.FIRED} == told


def test_a_dip_begins_the_span_again() -> None:
    """Above 0-200 s and 202-400 s: never five minutes without a break."""
    found = changes_at(CPU, lambda second: 0.5 if second == 201 else 0.95, range(401))
    assert found == {}


def test_flapping_is_told_once_with_keep_firing() -> None:
    """Ten seconds above, ten below, kept firing for 30 s: one alert, ended 30 s after the last."""
    rule = AlertRule(
        name="Flaps", indicator=Indicator.CPU_RATIO, above=0.9, for_s=0, keep_firing_s=30
    )
    found = changes_at(
        rule, lambda second: 0.95 if second < 200 and second // 10 % 2 == 0 else 0.5, range(400)
    )
    # the last second above is 189; calm counts from there
    assert found == {0: Change.FIRED, 219: Change.RESOLVED}


def test_missing_scrapes_keep_the_last_value() -> None:
    """A gap of three minutes inside a breach: fires when five minutes are over, as before."""
    found = changes_at(CPU, lambda s: MISSING if 100 <= s < 280 else 0.95, range(400))
    assert found == {300: Change.FIRED}


def test_silence_beyond_the_lookback_is_no_data() -> None:
    """Readings end at 100 s: at the first evaluation more than STALE_S later nothing is known."""
    found = changes_at(CPU, lambda s: 0.95 if s <= 100 else MISSING, range(600))
    assert found == {300: Change.FIRED, 100 + int(STALE_S) + 1: Change.LOST}


def test_no_reading_ever_is_no_data_at_once() -> None:
    """Without any reading there is nothing to hold."""
    assert changes_at(CPU, lambda _: MISSING, range(0, 900, 15)) == {0: Change.LOST}


def test_readings_that_come_back_begin_anew() -> None:
    """No data from the start, back at 1,000 s above the threshold: five minutes from there."""
    found = changes_at(CPU, lambda s: MISSING if s < 1000 else 0.95, range(0, 1400, 10))
    assert found == {0: Change.LOST, 1000: Change.FOUND, 1300: Change.FIRED}


def test_a_restart_while_pending_keeps_what_was_watched() -> None:
    """200 s watched, down for an hour, then 100 s more: fires then, not at once."""
    state = AlertState()
    for second in range(201):
        elapsed_s = float(second > 0)
        state, _ = advance(CPU, state, 0.95, elapsed_s=elapsed_s, now_ms=second * 1000)
    stored = AlertState.model_validate_json(state.model_dump_json())
    found = changes_at(CPU, lambda _: 0.95, range(3800, 4000), stored)
    assert found == {3900: Change.FIRED}


@pytest.mark.parametrize("jump_ms", [-86_400_000, 86_400_000])
def test_a_wall_clock_that_jumps_changes_no_instant(jump_ms: int) -> None:
    """The wall jumps a day at 150 s; the alert fires when 300 s were watched."""
    state, fired = AlertState(), []
    for second in range(400):
        wall_ms = second * 1000 + (jump_ms if second >= 150 else 0)
        state, change = advance(CPU, state, 0.95, elapsed_s=float(second > 0), now_ms=wall_ms)
        if change is Change.FIRED:
            fired.append(second)
    assert fired == [300]


def test_time_does_not_run_backwards() -> None:
    """A negative span is a caller's mistake and said so."""
    with pytest.raises(ValueError, match="monotonic"):
        advance(CPU, AlertState(), 0.5, elapsed_s=-1.0, now_ms=0)


def test_burn_rates_follow_the_objective() -> None:
    """99.9 %: a budget of 0.001, so 14.4 times is 1.44 % of an hour."""
    assert RULES["UptimeBurnFast"].above == pytest.approx(0.0144)
    assert RULES["UptimeBurnFast"].window_s == 3600


@given(
    values=st.lists(
        st.one_of(st.floats(0, 1, allow_nan=False), st.just(MISSING)), min_size=1, max_size=60
    ),
    step=st.integers(1, 120),
)
@settings(max_examples=150, deadline=None)
def test_fires_exactly_when_a_plain_reading_of_the_rule_says(
    values: list[float | NoData], step: int
) -> None:
    """Oracle: fill gaps with the last value up to STALE_S old, then look back for an unbroken
    run above the threshold of at least ``for_s``, no gap of data inside."""
    filled: list[float | None] = []
    newest: int | None = None
    for index, value in enumerate(values):
        if not isinstance(value, NoData):
            newest = index
        usable = newest is not None and (index - newest) * step <= STALE_S
        held = values[newest] if usable and newest is not None else None
        filled.append(held if isinstance(held, float) else None)
    expected, phases = [], []
    for index, known in enumerate(filled):
        run = index
        while run >= 0 and (item := filled[run]) is not None and item > CPU.above:
            run -= 1
        is_firing = known is not None and run < index and (index - run - 1) * step >= CPU.for_s
        expected.append(is_firing)
    state = AlertState()
    for index, value in enumerate(values):
        elapsed_s = 0.0 if index == 0 else float(step)
        state, _ = advance(CPU, state, value, elapsed_s=elapsed_s, now_ms=index * step * 1000)
        phases.append(state.phase is Phase.FIRING)
    assert phases == expected
