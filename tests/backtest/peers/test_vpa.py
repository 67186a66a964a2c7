"""The Vertical Pod Autoscaler: published vectors, and a sample-by-sample oracle."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.backtest.peers.vpa import VPA, Bounds, VpaLimits, VpaRecommendation
from rightsizing.backtest.peers.vpahistogram import CPU_BUCKETS, MEMORY_BUCKETS
from rightsizing.backtest.peers.vpamemory import OomKill, memory_after_oom_bytes
from rightsizing.backtest.rule import Limits
from rightsizing.backtest.series import DemandSeries
from rightsizing.model.base import NoData

MIB = 1024**2
MINUTES = 1440
DAYS = 8


def _daily(base: float, spike: float, first_minute: int, minutes: int) -> np.ndarray:
    day = np.full(MINUTES, base)
    day[first_minute : first_minute + minutes] = spike
    return np.tile(day, DAYS)


def _cpu(says: VpaRecommendation) -> tuple[int, int, int]:
    assert isinstance(says.cpu_millicores, Bounds)
    return (says.cpu_millicores.lower, says.cpu_millicores.target, says.cpu_millicores.upper)


def _memory(says: VpaRecommendation, unit: float) -> tuple[float, float, float]:
    found = says.memory_bytes
    assert isinstance(found, Bounds)
    return (
        round(found.lower / unit, 1),
        round(found.target / unit, 1),
        round(found.upper / unit, 1),
    )


@pytest.mark.parametrize(
    ("cpu", "expected"),
    [
        # 0.1 core is in bucket 8, whose upper edge is 110m; + 15 % of 110 cut to 16 is 126.
        (_daily(0.1, 0.1, 0, 0), (125, 126, 141)),
        (_daily(0.2, 1.0, 0, 60), (246, 247, 277)),
        (_daily(0.2, 1.0, 0, 180), (246, 247, 1314)),
        (_daily(0.2, 1.0, MINUTES - 180, 180), (246, 1168, 1314)),
    ],
    ids=["steady", "one-hour-spike", "three-hours-at-start", "three-hours-at-end"],
)
def test_published_cpu_vectors(track, cpu, expected) -> None:
    """Steady use, and spikes whose visibility depends on the time of day only."""
    assert _cpu(VPA.recommend([track(cpu=cpu, interval_s=60)])) == expected


@pytest.mark.parametrize(
    ("age_days", "expected"),
    [
        (0, (728.5, 728.7, 819.7)),
        (1, (362.6, 728.7, 819.7)),
        (2, (362.6, 728.7, 819.7)),
        (3, (362.6, 362.6, 819.7)),
        (4, (362.6, 362.6, 408.0)),
        (7, (362.6, 362.6, 408.0)),
    ],
)
def test_published_memory_vectors(track, age_days, expected) -> None:
    """Eight daily peaks of 300 MiB, one of 600 MiB some days ago: forgotten after three."""
    peaks = np.full(DAYS, 300.0 * MIB)
    peaks[DAYS - 1 - age_days] = 600.0 * MIB
    series = track(
        cpu=np.full(DAYS * MINUTES, 0.1), memory=np.repeat(peaks, MINUTES), interval_s=60
    )
    assert _memory(VPA.recommend([series]), MIB) == expected


def test_published_steady_memory_vector(track) -> None:
    """500 MB on eight days; bucket 25 ends at 511.1 MB, + 15 %."""
    count = DAYS * MINUTES
    series = track(cpu=np.full(count, 0.1), memory=np.full(count, 5e8), interval_s=60)
    assert _memory(VPA.recommend([series]), 1e6) == (587.7, 587.8, 661.3)


@pytest.mark.parametrize(
    ("minutes", "upper_factor", "lower_factor"),
    [
        # confidence c = days: upper 1 + 1/c, lower (1 + 0.001/c)^-2
        (5, 289, 0.603),
        (30, 49, 0.910),
        (720, 3, 0.996),
        (1440, 2, 0.998),
        (7 * 1440, 8 / 7, 1.0),
    ],
)
def test_published_confidence_vectors(track, minutes, upper_factor, lower_factor) -> None:
    """Bounds widen with little history: n minutes are n + 1 samples, one a minute."""
    says = VPA.recommend([track(cpu=np.full(minutes + 1, 0.1), interval_s=60)])
    lower, target, upper = _cpu(says)
    assert target == 126
    assert upper == int(126 * upper_factor)
    assert lower == pytest.approx(126 * lower_factor, abs=1)


@pytest.mark.parametrize(
    ("used", "asked"),
    [(50 * MIB, 150 * MIB), (1024 * MIB, int(1228.8 * MIB)), (500 * MIB, 600 * MIB)],
)
def test_published_oom_vectors(used, asked) -> None:
    """100 MiB more, or 20 % from 500 MiB on."""
    assert memory_after_oom_bytes(used) == asked


def test_an_oom_kill_counts_as_the_peak_of_its_window(track) -> None:
    """A request of 1 GiB killed on the last day: 1,228.8 MiB of bucket 42 become the target."""
    count = DAYS * MINUTES
    series = track(cpu=np.full(count, 0.1), memory=np.full(count, 300.0 * MIB), interval_s=60)
    kill = OomKill(time_s=(20_000 + 7.5) * 86_400, requested_bytes=1024 * MIB)
    says = VPA.recommend([series], oom_kills=[kill])
    edge = MEMORY_BUCKETS.start(MEMORY_BUCKETS.find(1228.8 * MIB) + 1)
    assert isinstance(says.memory_bytes, Bounds)
    assert says.memory_bytes.target == int(edge) + int(int(edge) * 0.15)


def test_repeated_kills_do_not_feed_on_each_other(track) -> None:
    """The second kill starts from the request and the usage, not from what the first one asked."""
    count = DAYS * MINUTES
    series = track(cpu=np.full(count, 0.1), memory=np.full(count, 300.0 * MIB), interval_s=60)
    kills = [
        OomKill(time_s=(20_007.5) * 86_400 + second, requested_bytes=1024 * MIB)
        for second in (0, 60, 120)
    ]
    assert VPA.recommend([series], oom_kills=kills) == VPA.recommend([series], oom_kills=kills[:1])


def test_pods_of_one_container_are_added_up(track) -> None:
    """One pod busy at 1 core of three pods holds a third of the weight: the target follows it."""
    idle, busy = np.full(DAYS * 288, 0.1), np.full(DAYS * 288, 1.0)
    alone = VPA.recommend([track(cpu=idle)])
    together = VPA.recommend([track(cpu=idle), track(cpu=idle), track(cpu=busy)])
    assert _cpu(alone)[1] == 126
    assert _cpu(together)[:2] == (125, 1168)  # median of the idle, P90 of the busy


def test_floors_are_shared_by_the_containers_of_a_pod(track) -> None:
    """25m and 250 MiB a pod; with two containers 12m (cut) and 125 MiB."""
    series = track(cpu=np.full(DAYS * 288, 0.001), memory=np.full(DAYS * 288, 1e6))
    one, two = VPA.recommend([series]), VPA.recommend([series], containers_per_pod=2)
    assert one.cpu_millicores == Bounds(25, 25, 25)
    assert isinstance(one.memory_bytes, Bounds)
    assert one.memory_bytes.target == 250 * MIB
    assert _cpu(two)[1] == 12
    assert isinstance(two.memory_bytes, Bounds)
    assert two.memory_bytes.target == 125 * MIB


def _oracle(series: DemandSeries) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Sample by sample with dictionaries, from the description of the algorithm."""
    per_day = 86_400 // series.interval_s
    start = max(series.days - 8, 0) * per_day
    cpu: dict[int, float] = {}
    memory: dict[int, float] = {}
    times: list[float] = []
    end = peak = None
    for index in range(start, len(series.cpu_cores)):
        second = index * series.interval_s  # whole, so that windows of 24 hours end exactly
        time = second / 86_400
        used, held = series.cpu_cores[index], series.memory_bytes[index]
        if not math.isnan(used):
            bucket = CPU_BUCKETS.find(int(used * 1000) / 1000)
            cpu[bucket] = cpu.get(bucket, 0.0) + 0.1 * 2.0**time
            times.append(time)
        if math.isnan(held):
            continue
        held = float(int(held))
        if end is None or second >= end:
            opened = second if end is None else end
            end = opened + ((second - opened) // 86_400 + 1) * 86_400
            peak = held
            bucket = MEMORY_BUCKETS.find(held)
            memory[bucket] = memory.get(bucket, 0.0) + 2.0 ** (end / 86_400)
        elif peak and held > peak:
            memory[MEMORY_BUCKETS.find(peak)] -= 2.0 ** (end / 86_400)
            peak = held
            bucket = MEMORY_BUCKETS.find(held)
            memory[bucket] = memory.get(bucket, 0.0) + 2.0 ** (end / 86_400)
    confidence = min(times[-1] - times[0], len(times) * series.interval_s / 86_400)
    return (
        _oracle_bounds(cpu, CPU_BUCKETS.start, 1000, confidence, 25),
        _oracle_bounds(memory, MEMORY_BUCKETS.start, 1, confidence, 250 * MIB),
    )


def _oracle_bounds(weights, start, unit, confidence, floor) -> tuple[int, int, int]:
    total, found = sum(weights.values()), []
    for share in (0.5, 0.9, 0.95):
        reached, chosen = 0.0, max(key for key, weight in weights.items() if weight > 1e-9)
        for bucket in sorted(weights):
            reached += weights[bucket]
            if reached >= share * total:
                chosen = bucket
                break
        base = int(start(min(chosen + 1, 175)) * unit)
        found.append(base + int(base * 0.15))
    if confidence == 0:
        return max(0, floor), max(found[1], floor), 10**14
    lower = int(found[0] * (1 + 0.001 / confidence) ** -2)
    upper = int(found[2] * (1 + 1 / confidence))
    return max(lower, floor), max(found[1], floor), max(upper, floor)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), days=st.integers(1, 11), gaps=st.floats(0, 0.8))
def test_arrays_and_sample_by_sample_agree(track, seed, days, gaps) -> None:
    """Random series with gaps: the histogram of arrays equals the one fed sample by sample."""
    rng = np.random.default_rng(seed)
    count = days * 24
    cpu = rng.gamma(1.0, 0.5, count)
    memory = rng.gamma(2.0, 3e8, count)
    cpu[rng.random(count) < gaps] = np.nan
    memory[rng.random(count) < gaps] = np.nan
    cpu[-1], memory[-1] = 0.5, 3e8
    series = track(cpu=cpu, memory=memory, interval_s=3600)
    says = VPA.recommend([series])
    assert isinstance(says.memory_bytes, Bounds)
    memory_bounds = (says.memory_bytes.lower, says.memory_bytes.target, says.memory_bytes.upper)
    assert (_cpu(says), memory_bounds) == _oracle(series)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_kill_that_asks_for_nothing_new_changes_nothing(track, seed) -> None:
    """Event by event equals window by window when the kill stays below the window's peak."""
    rng = np.random.default_rng(seed)
    memory = rng.gamma(2.0, 3e8, 5 * 24) + 1e9
    memory[rng.random(memory.size) < 0.3] = np.nan
    memory[0] = memory[-1] = 9e12  # far above 1.2 times the rest
    series = track(cpu=np.full(memory.size, 0.1), memory=memory, interval_s=3600)
    first = 20_000 * 86_400
    kill = OomKill(time_s=first + 3600, requested_bytes=0.0)
    with_kill = VPA.recommend([series], oom_kills=[kill])
    # u is the window's own peak 9e12, 1.2 times that is the same (last) bucket
    assert with_kill == VPA.recommend([series])


@given(value=st.floats(0, 2000, allow_nan=False))
def test_a_bucket_holds_its_values(value) -> None:
    """Start of the bucket <= value <= start of the next, up to rounding at the edge."""
    bucket = CPU_BUCKETS.find(value)
    assert CPU_BUCKETS.start(bucket) <= value * (1 + 1e-9)
    assert bucket == 175 or value <= CPU_BUCKETS.start(bucket + 1) * (1 + 1e-9)


def _said(cpu: Bounds, memory: Bounds | NoData) -> VpaLimits:
    return VpaLimits(
        cpu_cores=cpu.target / 1000,
        memory_bytes=memory if isinstance(memory, NoData) else float(memory.target),
        says=VpaRecommendation(cpu, memory),
    )


def test_the_updater_leaves_small_differences_alone() -> None:
    """5 % of CPU and 4 % of memory sum to 9 %: nothing moves."""
    said = _said(Bounds(100, 1050, 2000), Bounds(10**8, 1_040_000_000, 10**10))
    current = Limits(1.0, 1e9)
    assert VPA.accept(current, said) == current


def test_the_updater_moves_both_at_a_sum_of_ten_percent() -> None:
    """5 % of CPU and 6 % of memory sum to 11 %: both move."""
    said = _said(Bounds(100, 1050, 2000), Bounds(10**8, 1_060_000_000, 10**10))
    assert VPA.accept(Limits(1.0, 1e9), said) == Limits(1.05, 1_060_000_000.0)


@pytest.mark.parametrize("bounds", [Bounds(1010, 1050, 2000), Bounds(900, 950, 990)])
def test_the_updater_moves_whatever_is_out_of_bounds(bounds) -> None:
    """5 % is small, but 1 core is outside [1.01, 2] or [0.9, 0.99]."""
    said = _said(bounds, NoData("none"))
    assert VPA.accept(Limits(1.0, 1e9), said) == Limits(bounds.target / 1000, 1e9)


def test_a_missing_request_is_set() -> None:
    """No memory request in force: the pod counts as outside, both are set."""
    said = _said(Bounds(900, 1001, 2000), Bounds(1, 10**9, 10**10))
    assert VPA.accept(Limits(1.0, NoData("none")), said) == Limits(1.001, 1e9)


def test_memory_alone_is_sized_without_confidence(track) -> None:
    """No CPU: confidence 0, so nothing is too small or too large; CPU is abstained from."""
    says = VPA.recommend([track(memory=np.full(288, 5e8))])
    assert isinstance(says.cpu_millicores, NoData)
    assert isinstance(says.memory_bytes, Bounds)
    assert (says.memory_bytes.lower, says.memory_bytes.upper) == (250 * MIB, 10**14)
