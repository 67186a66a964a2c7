"""Shares over windows, against sums written out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.model.base import NoData
from rightsizing.monitor.windows import CounterPair, DownWindow, ShareWindow


def share_of(pairs: Sequence[tuple[float, float, float]], window_s: float) -> float | NoData:
    """Share at the last of ``(at, part, whole)``."""
    window = ShareWindow(longest_s=window_s)
    for at_s, part, whole in pairs:
        window.add(CounterPair(at_s, part, whole))
    return window.share(window_s, pairs[-1][0])


def test_a_share_is_of_increases() -> None:
    """12 slow of 100 done in the window: 0.12, whatever the counters began at."""
    assert share_of([(0, 1000, 5000), (60, 1004, 5040), (120, 1012, 5100)], 300) == 0.12


def test_a_restarted_counter_begins_at_nothing() -> None:
    """10 of 50 before the restart, 3 of 30 after it: 13 of 80."""
    found = share_of([(0, 0, 0), (60, 10, 50), (120, 3, 30)], 300)
    assert found == pytest.approx(13 / 80)


def test_samples_before_the_window_do_not_count() -> None:
    """All slow until 100 s, none afterwards: nothing slow in the last 100 s."""
    pairs = [(t, min(t, 100.0), float(t)) for t in range(0, 301, 10)]
    assert share_of(pairs, 100) == 0


def test_one_sample_is_no_share() -> None:
    """An increase needs two samples."""
    assert isinstance(share_of([(0, 5, 10)], 300), NoData)


def test_nothing_done_is_no_share() -> None:
    """No unit of work: neither slow nor fast."""
    assert isinstance(share_of([(0, 5, 10), (60, 5, 10)], 300), NoData)


@given(
    samples=st.lists(st.tuples(st.integers(0, 400), st.booleans()), min_size=1, max_size=200),
    window=st.integers(1, 60),
)
@settings(max_examples=150, deadline=None)
def test_down_share_is_the_plain_count(samples: list[tuple[int, bool]], window: int) -> None:
    """Oracle: last sample of each 15 s interval, those of the window counted one by one."""
    samples = sorted(samples, key=lambda item: item[0])
    ring = DownWindow(longest_s=60 * 15, interval_s=15)
    newest: dict[int, bool] = {}
    for number, up in samples:
        ring.add(number * 15.0, up=up)
        newest[number] = up
    last = samples[-1][0]
    inside = [up for number, up in newest.items() if last - window < number <= last]
    assert ring.share(window * 15.0, last * 15.0) == pytest.approx(
        inside.count(False) / len(inside)
    )


def test_an_interval_nobody_looked_in_is_neither() -> None:
    """Down once, then 40 unwatched intervals, then up once: half of what was seen."""
    ring = DownWindow(longest_s=1000, interval_s=15)
    ring.add(0, up=False)
    ring.add(41 * 15, up=True)
    assert ring.share(1000, 41 * 15) == 0.5


def test_a_workload_never_seen_has_no_share() -> None:
    """No sample, no uptime."""
    assert isinstance(DownWindow(longest_s=60, interval_s=15).share(60, 100), NoData)
