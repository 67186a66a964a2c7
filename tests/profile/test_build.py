"""Profiles built from small tables whose answers are known by hand or by numpy."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from rightsizing.model.base import NoData
from rightsizing.model.profile import CpuProfile, Grade, MemoryProfile
from rightsizing.profile.build import build_day_tables, build_profiles
from rightsizing.profile.daytable import cpu_days_of
from rightsizing.profile.histograms import cpu_upper_edge, log_upper_edge, samples_in
from rightsizing.profile.quantiles import quantile_of

GIB = 2**30
DAY = 288  # intervals of 5 minutes
DAY_MS = 86_400_000


def test_histogram_quantiles_are_within_a_bin_of_numpy(rows, table) -> None:
    """14 days of lognormal demand on 16 cores: each quantile is at most one bin (0.08) above."""
    generator = np.random.default_rng(1)
    cores = np.minimum(generator.lognormal(0, 0.6, 14 * DAY), 15.9)
    profile = build_profiles(table(rows(cpu_cores_max=cores.tolist(), capacity_cores=16.0)))["web"]
    cpu = profile.cpu
    assert isinstance(cpu, CpuProfile)
    for quantile in (0.5, 0.9, 0.95, 0.99, 0.995):
        exact = np.quantile(cores, quantile, method="inverted_cdf")
        got = quantile_of(cpu.histogram, quantile, lambda index: cpu_upper_edge(index, 16.0))
        assert exact < got <= exact + 0.08
    assert cpu.samples == samples_in(cpu.histogram) == 14 * DAY
    assert cpu.peak_cores == cores.max()
    assert cpu.mean_cores == pytest.approx(cores.mean())
    assert cpu.daily_max_cores == tuple(cores.reshape(14, DAY).max(axis=1))


def test_the_days_are_those_of_the_day_table(rows, table) -> None:
    """Every day and bin, hourly means by numpy: one rule sizes a table and a profile alike."""
    generator = np.random.default_rng(2)
    cores = generator.random(10 * DAY) * 3.9
    own = rows(cpu_cores_max=cores.tolist(), capacity_cores=4.0)
    alone = build_profiles(table(own))["web"].cpu
    assert isinstance(alone, CpuProfile)
    days = alone.days
    assert days.counts.shape[:2] == (1, 10)
    assert days.counts.sum(axis=(0, 1)).tolist() == [
        dict(alone.histogram).get(index, 0) for index in range(days.counts.shape[2])
    ]
    assert days.samples.tolist() == [[DAY] * 10]
    assert days.max_cores[0].tolist() == list(alone.daily_max_cores)
    assert days.sum_cores.sum() == pytest.approx(cores.sum())
    assert days.hour_mean_cores is not None
    hourly = cores.reshape(10, 24, DAY // 24).mean(axis=2)
    assert days.hour_mean_cores[0] == pytest.approx(hourly, rel=1e-5)
    (fleet,) = build_day_tables(table(own))
    assert cpu_days_of(fleet).take(0) == replace(days, hour_mean_cores=None)


def test_the_order_of_rows_is_irrelevant(rows, table) -> None:
    """Shuffled rows give the identical profile."""
    generator = np.random.default_rng(4)
    given = rows(
        # Quarters add up exactly in any order, so that even the means are identical.
        cpu_cores_max=[float(value) / 4 for value in generator.integers(0, 16, 3 * DAY)],
        capacity_cores=4.0,
        memory_bytes_max=[float(value) for value in generator.integers(1, 4 * GIB, 3 * DAY)],
        capacity_memory_bytes=8.0 * GIB,
    )
    shuffled = list(given)
    random.Random(5).shuffle(shuffled)
    assert build_profiles(table(given)) == build_profiles(table(shuffled))


def test_a_merged_profile_is_the_sum_of_its_days(rows, table) -> None:
    """Histograms of two weeks add up to the histogram of both."""
    generator = np.random.default_rng(6)
    cores = (generator.random(4 * DAY) * 2).tolist()
    first = rows(cpu_cores_max=cores[: 2 * DAY], capacity_cores=2.0)
    second = rows(
        cpu_cores_max=cores[2 * DAY :],
        capacity_cores=2.0,
        start_ms=first[0]["timestamp_ms"] + 2 * DAY_MS,
    )
    parts = [build_profiles(table(part))["web"].cpu for part in (first, second)]
    whole = build_profiles(table([*first, *second]))["web"].cpu
    added: dict[int, int] = {}
    for part in parts:
        for index, count in part.histogram:
            added[index] = added.get(index, 0) + count
    assert dict(whole.histogram) == added


def test_peaks_are_preferred_to_means_and_means_are_told(rows, table) -> None:
    """With a peak the peak counts; without one the mean does, and the evidence says so."""
    with_peak = build_profiles(
        table(rows(cpu_cores_mean=[0.5] * DAY, cpu_cores_max=[1.5] * DAY, capacity_cores=2.0))
    )["web"]
    assert with_peak.cpu.peak_cores == 1.5
    assert with_peak.cpu.mean_cores == 0.5
    assert not with_peak.cpu.averages_only
    without = build_profiles(table(rows(cpu_cores_mean=[0.5] * DAY, capacity_cores=2.0)))["web"]
    assert without.cpu.peak_cores == 0.5
    assert without.cpu.averages_only
    assert "mean of each interval" in without.evidence.statement


def test_hourly_means_are_weak_evidence_however_long(rows, table) -> None:
    """40 days of hourly averages hide every peak; hourly peaks do not."""
    means = rows(interval_s=3600, cpu_cores_mean=[0.5] * 40 * 24, capacity_cores=2.0)
    assert build_profiles(table(means))["web"].evidence.grade is Grade.WEAK
    peaks = rows(interval_s=3600, cpu_cores_max=[0.5] * 40 * 24, capacity_cores=2.0)
    assert build_profiles(table(peaks))["web"].evidence.grade is Grade.STRONG


@pytest.mark.parametrize(
    ("days", "grade"),
    [(1, Grade.WEAK), (6, Grade.WEAK), (7, Grade.FAIR), (13, Grade.FAIR), (14, Grade.GOOD),
     (31, Grade.GOOD), (32, Grade.STRONG)],
)  # fmt: skip
def test_grade_by_whole_days(rows, table, days: int, grade: Grade) -> None:
    """A week is fair, two are good, 32 days strong."""
    evidence = build_profiles(
        table(rows(interval_s=3600, cpu_cores_max=[1.0] * days * 24, capacity_cores=2.0))
    )["web"].evidence
    assert (evidence.days, evidence.grade) == (days, grade)
    assert evidence.samples == evidence.expected_samples == days * 24


def test_a_window_that_starts_at_noon_is_not_a_day_longer(rows, table) -> None:
    """14 days from noon touch 15 calendar days, each of them at least half full."""
    evidence = build_profiles(
        table(
            rows(
                start_ms=1_790_553_600_000 + DAY_MS // 2,
                cpu_cores_max=[1.0] * 14 * DAY,
                capacity_cores=2.0,
            )
        )
    )["web"].evidence
    assert evidence.days == 14


def test_days_with_less_than_half_of_their_samples_do_not_count(rows, table) -> None:
    """Ten days of which four hold only two hours: six count."""
    given = [
        row
        for day in range(10)
        for row in rows(
            start_ms=1_790_553_600_000 + day * DAY_MS,
            cpu_cores_max=[1.0] * (24 if day % 5 < 2 else DAY),
            capacity_cores=2.0,
        )
    ]
    evidence = build_profiles(table(given))["web"].evidence
    assert evidence.days == 6
    assert evidence.grade is Grade.WEAK
    assert evidence.samples == 6 * DAY + 4 * 24


def test_memory_is_read_from_its_peak(rows, table) -> None:
    """One interval of 6 GiB among 4 GiB ones is the peak; the histogram is within 1 %."""
    used = [4.0 * GIB] * (DAY - 1) + [6.0 * GIB]
    memory = build_profiles(table(rows(memory_bytes_max=used, capacity_memory_bytes=8.0 * GIB)))[
        "web"
    ].memory
    assert isinstance(memory, MemoryProfile)
    assert memory.peak_bytes == 6 * GIB
    assert memory.daily_max_bytes == (6 * GIB,)
    median = quantile_of(memory.histogram, 0.5, log_upper_edge)
    assert 4 * GIB < median <= 4 * GIB * 1.01
    assert memory.near_limit_ratio == 0


def test_censored_demand_is_counted_against_the_capacity_of_its_time(rows, table) -> None:
    """Half at 2 of 2 cores, then at 2 of 4: the first half is at its limit, the second is not."""
    given = rows(cpu_cores_max=[2.0] * 2 * DAY, capacity_cores=[2.0] * DAY + [4.0] * DAY)
    profile = build_profiles(table(given))["web"]
    assert profile.cpu.capacity_cores == 4.0  # in force at the end
    assert profile.cpu.at_limit_ratio == 0.5
    assert "capacity changed in between (2 -> 4 cores)" in profile.evidence.statement
    # One absolute scale: 2 cores of 4 are bin 100 (2.00 to 2.02); of 2 cores they were bin 200
    # (2.00 to 2.01), whose upper edge lies in bin 100 too.
    assert profile.cpu.histogram == ((100, 2 * DAY),)


def test_a_machine_that_is_off_has_no_capacity(rows, table) -> None:
    """A capacity of zero is not a size, and does not become the current one."""
    given = rows(
        cpu_cores_mean=[1.0] * DAY + [None] * DAY, capacity_cores=[2.0] * DAY + [0.0] * DAY
    )
    profile = build_profiles(table(given))["web"]
    assert profile.cpu.capacity_cores == 2.0
    assert profile.cpu.samples == DAY


def test_what_was_not_measured_is_no_data(rows, table) -> None:
    """Each absent resource says so; a workload with neither CPU nor memory is absent."""
    given = [
        *rows("cpu", cpu_cores_max=[1.0] * 9, capacity_cores=2.0),
        *rows("memory", memory_bytes_max=[1.0 * GIB] * 9, capacity_memory_bytes=2.0 * GIB),
        *rows("bare", cpu_cores_max=[1.0] * 9),
        *rows("none", requests=[5.0] * 9),
    ]
    profiles = build_profiles(table(given))
    assert sorted(profiles) == ["bare", "cpu", "memory"]
    assert isinstance(profiles["cpu"].memory, NoData)
    assert isinstance(profiles["memory"].cpu, NoData)
    assert isinstance(profiles["cpu"].rates.network_bytes_per_s, NoData)
    assert isinstance(profiles["cpu"].instances_mean, NoData)
    assert isinstance(profiles["cpu"].cpu.throttled_ratio, NoData)
    assert isinstance(profiles["cpu"].cpu.credit_exhausted_ratio, NoData)
    assert "capacity" in profiles["bare"].cpu.reason


def test_an_empty_table_gives_no_profiles(table) -> None:
    """Not an error: there is nothing to say."""
    assert build_profiles(table([])) == {}


def test_the_busiest_slot_of_a_fleet_counts(rows, table) -> None:
    """Two groups at once: each interval keeps the larger demand; instances add up."""
    given = [
        *rows(resource_id="web-a", cpu_cores_max=[0.2, 1.0], capacity_cores=2.0, instances=3.0),
        *rows(resource_id="web-b", cpu_cores_max=[0.6, 0.1], capacity_cores=4.0, instances=1.0),
    ]
    profile = build_profiles(table(given))["web"]
    assert profile.cpu.samples == 2
    assert profile.cpu.peak_cores == 1.0
    assert profile.cpu.capacity_cores == 4.0
    # 0.6 of 4 cores: bin 30; 1.0 of 4: bin 50.
    assert profile.cpu.histogram == ((30, 1), (50, 1))
    assert profile.instances_mean == profile.instances_max == 4.0
    assert profile.evidence.samples == 2


def test_single_and_double_resources_mix_in_one_table(rows, table) -> None:
    """A fleet with two slots does not change what a container's profile says."""
    alone = rows("box", cpu_cores_max=[0.5] * 9, capacity_cores=1.0)
    fleet = [
        *rows(resource_id="a", cpu_cores_max=[0.2] * 9, capacity_cores=2.0),
        *rows(resource_id="b", cpu_cores_max=[0.3] * 9, capacity_cores=2.0),
    ]
    mixed = build_profiles(table([*alone, *fleet]))
    assert mixed["box"] == build_profiles(table(alone))["box"]
    assert mixed["web"].cpu.peak_cores == 0.3


def test_network_counts_the_busier_direction_and_disk_both(rows, table) -> None:
    """Bandwidth is per direction: max(40, 90) MB/s; disk adds reads and writes: 30 MB/s."""
    given = rows(
        cpu_cores_max=[0.5] * 9,
        capacity_cores=1.0,
        network_in_bytes_per_s=40e6,
        network_out_bytes_per_s=90e6,
        disk_read_bytes_per_s=10e6,
        disk_write_bytes_per_s=20e6,
        disk_write_ops_per_s=500.0,
    )
    rates = build_profiles(table(given))["web"].rates
    assert 90e6 < rates.network_bytes_per_s <= 90e6 * 1.01
    assert 30e6 < rates.disk_bytes_per_s <= 30e6 * 1.01
    assert 500 < rates.disk_ops_per_s <= 500 * 1.01


def test_kills_under_a_smaller_limit_are_answered_by_the_larger_one(rows, table) -> None:
    """Two kills at 1 GiB, then 2 GiB without: none count; under the present limit they do."""
    used = [0.9 * GIB] * 4
    answered = rows(
        memory_bytes_max=used,
        capacity_memory_bytes=[1.0 * GIB] * 2 + [2.0 * GIB] * 2,
        oom_kills=[1.0, 1.0, 0.0, 0.0],
        interval_s=86_400,
    )
    assert build_profiles(table(answered))["web"].memory.oom_kills == 0
    present = rows(
        memory_bytes_max=used, capacity_memory_bytes=1.0 * GIB, oom_kills=[1.0, 1.0, 0.0, 0.0]
    )
    assert build_profiles(table(present))["web"].memory.oom_kills == 2


def test_throttling_and_credits(rows, table) -> None:
    """A tenth of periods throttled on average; two of four intervals without a credit left."""
    given = rows(
        cpu_cores_max=[0.5] * 4,
        capacity_cores=1.0,
        cpu_throttled_ratio=[0.0, 0.2, 0.2, 0.0],
        cpu_credit_balance=[50.0, 0.0, 0.5, 20.0],
    )
    cpu = build_profiles(table(given))["web"].cpu
    assert cpu.throttled_ratio == pytest.approx(0.1)
    assert cpu.credit_exhausted_ratio == 0.5


def test_a_broken_limit_is_remembered_after_it_was_raised(rows, table) -> None:
    """Killed under 1 GiB, which then became 2: answered, but 1 GiB is known to be too little."""
    given = rows(
        memory_bytes_max=[0.9 * GIB] * 4,
        capacity_memory_bytes=[1.0 * GIB] * 2 + [2.0 * GIB] * 2,
        oom_kills=[1.0, 1.0, 0.0, 0.0],
        interval_s=86_400,
    )
    memory = build_profiles(table(given))["web"].memory
    assert (memory.oom_kills, memory.oom_limit_bytes) == (0, 1.0 * GIB)


def test_capacity_in_force_is_that_of_the_last_hour_not_of_the_last_day(rows, table) -> None:
    """8 cores and 4 GiB until noon, then 2 and 2: a kill in the afternoon counts at once."""
    given = rows(
        cpu_cores_max=[1.0] * 4,
        capacity_cores=[8.0, 8.0, 2.0, 2.0],
        memory_bytes_max=[1.5 * GIB] * 4,
        capacity_memory_bytes=[4.0 * GIB] * 2 + [2.0 * GIB] * 2,
        oom_kills=[0.0, 0.0, 0.0, 1.0],
        interval_s=21_600,
    )
    profile = build_profiles(table(given))["web"]
    assert (profile.cpu.capacity_cores, profile.memory.capacity_bytes) == (2.0, 2 * GIB)
    assert profile.memory.oom_kills == 1
