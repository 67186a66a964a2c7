"""Who is told what and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rightsizing.errors import ConfigError
from rightsizing.model.alerting import AlertRule, Indicator
from rightsizing.monitor.alertstate import AlertState, Change, Phase
from rightsizing.monitor.board import Alert
from rightsizing.monitor.notification import Notification, Notifier, NotifierState
from rightsizing.monitor.silence import Silences

CPU = AlertRule(name="CpuHigh", indicator=Indicator.CPU_RATIO, above=0.9, meaning="CPU is high")
EPOCH = datetime.fromtimestamp(0, UTC)


def alert(workload: str, phase: Phase, change: Change | None = None) -> Alert:
    """An alert of CPU at 0.95."""
    return Alert(CPU, workload, AlertState(phase=phase, value=0.95), change)


def fired(workload: str) -> Alert:
    """It fired just now."""
    return alert(workload, Phase.FIRING, Change.FIRED)


def firing(workload: str) -> Alert:
    """It goes on firing."""
    return alert(workload, Phase.FIRING)


def resolved(workload: str) -> Alert:
    """It ended just now."""
    return alert(workload, Phase.INACTIVE, Change.RESOLVED)


def told(messages: tuple[Notification, ...]) -> list[list[tuple[str, Phase]]]:
    """Workload and phase of each message's news."""
    return [[(item.workload, item.phase) for item in message.news] for message in messages]


def test_alerts_of_one_rule_are_one_message() -> None:
    """Three workloads, one message."""
    found = Notifier().due([fired("a"), fired("b"), fired("c")], now_ms=0)
    assert told(found) == [[("a", Phase.FIRING), ("b", Phase.FIRING), ("c", Phase.FIRING)]]


def test_a_firing_alert_is_told_once() -> None:
    """A hundred evaluations later nothing new was said."""
    notifier = Notifier()
    notifier.due([fired("a")], now_ms=0)
    assert not any(notifier.due([firing("a")], now_ms=at * 15_000) for at in range(1, 100))


def test_it_is_repeated_after_four_hours() -> None:
    """Told at 0, again at 4 h, not a second before."""
    notifier = Notifier()
    notifier.due([fired("a")], now_ms=0)
    hours_4_ms = 4 * 3600 * 1000
    assert notifier.due([firing("a")], now_ms=hours_4_ms - 1000) == ()
    assert told(notifier.due([firing("a")], now_ms=hours_4_ms)) == [[("a", Phase.FIRING)]]


def test_what_happens_soon_after_a_message_is_told_together() -> None:
    """b at 15 s and c at 30 s wait until a minute after the first message."""
    notifier = Notifier()
    notifier.due([fired("a")], now_ms=0)
    assert notifier.due([firing("a"), fired("b")], now_ms=15_000) == ()
    assert notifier.due([firing("a"), firing("b"), fired("c")], now_ms=30_000) == ()
    found = notifier.due([firing("a"), firing("b"), firing("c")], now_ms=60_000)
    assert told(found) == [[("b", Phase.FIRING), ("c", Phase.FIRING)]]


def test_what_came_and_went_is_told_as_both() -> None:
    """b fired and resolved while messages were held: nothing is lost."""
    notifier = Notifier()
    notifier.due([fired("a")], now_ms=0)
    notifier.due([firing("a"), fired("b")], now_ms=15_000)
    notifier.due([firing("a"), resolved("b")], now_ms=30_000)
    found = notifier.due([firing("a"), alert("b", Phase.INACTIVE)], now_ms=60_000)
    assert told(found) == [[("b", Phase.FIRING), ("b", Phase.INACTIVE)]]


def test_a_resolved_alert_is_told_once() -> None:
    """Fired, resolved, at rest."""
    notifier = Notifier()
    notifier.due([fired("a")], now_ms=0)
    assert told(notifier.due([resolved("a")], now_ms=60_000)) == [[("a", Phase.INACTIVE)]]
    assert notifier.due([alert("a", Phase.INACTIVE)], now_ms=120_000) == ()


def test_losing_the_data_of_a_firing_alert_is_told() -> None:
    """It neither fires nor is it fine."""
    notifier = Notifier()
    notifier.due([fired("a")], now_ms=0)
    found = notifier.due([alert("a", Phase.NO_DATA, Change.LOST)], now_ms=60_000)
    assert told(found) == [[("a", Phase.NO_DATA)]]


def test_a_silence_hides_and_what_still_fires_is_told_when_it_ends() -> None:
    """Silenced for an hour, firing all the time."""
    silences = Silences().added(
        rule="Cpu*", workload="a", now=EPOCH, lasting=timedelta(hours=1), reason="load test"
    )
    notifier = Notifier()
    assert notifier.due([fired("a")], now_ms=0, silences=silences) == ()
    assert notifier.due([firing("a")], now_ms=3_599_000, silences=silences) == ()
    found = notifier.due([firing("a")], now_ms=3_600_000, silences=silences)
    assert told(found) == [[("a", Phase.FIRING)]]


def test_a_silence_is_for_what_it_names_only() -> None:
    """b is told of although a is silent."""
    silences = Silences().added(
        rule="*", workload="a", now=EPOCH, lasting=timedelta(hours=1), reason="known"
    )
    found = Notifier().due([fired("a"), fired("b")], now_ms=0, silences=silences)
    assert told(found) == [[("b", Phase.FIRING)]]


def test_a_restart_tells_nothing_twice() -> None:
    """The new notifier knows what the old one said."""
    first = Notifier()
    first.due([fired("a")], now_ms=0)
    kept = NotifierState.model_validate_json(first.kept().model_dump_json())
    second = Notifier(kept=kept)
    assert second.due([firing("a")], now_ms=90_000) == ()
    assert told(second.due([resolved("a")], now_ms=150_000)) == [[("a", Phase.INACTIVE)]]


def test_a_clock_set_back_holds_nothing() -> None:
    """The wall goes back a day between two alerts: the second is told at once."""
    notifier = Notifier()
    day_ms = 86_400_000
    notifier.due([fired("a")], now_ms=day_ms)
    assert told(notifier.due([firing("a"), fired("b")], now_ms=0))


@pytest.mark.parametrize("lasting", [timedelta(), timedelta(days=31), timedelta(hours=-1)])
def test_a_silence_lasts_some_time_but_not_for_ever(lasting: timedelta) -> None:
    """Nothing, less than nothing and more than 30 days are refused."""
    with pytest.raises(ConfigError, match="at most 30 days"):
        Silences().added(rule="*", workload="*", now=EPOCH, lasting=lasting, reason="x")


def test_silences_are_taken_away_by_number() -> None:
    """An unknown number names the known ones."""
    silences = Silences().added(
        rule="*", workload="a", now=EPOCH, lasting=timedelta(hours=1), reason="known"
    )
    assert silences.without(1).items == ()
    with pytest.raises(ConfigError, match="no silence 2; known are: 1"):
        silences.without(2)


def test_the_sentence_says_who_and_how_much() -> None:
    """For a log line or a chat."""
    (message,) = Notifier().due([fired("a")], now_ms=0)
    assert message.sentence == "CpuHigh (CPU is high): firing: a (0.95)"
