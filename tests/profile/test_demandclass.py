"""Demand classes: one workload made to order for each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rightsizing.profile.dailyquantile import daily_quantile
from rightsizing.profile.daytable import DayTable, cpu_days_of
from rightsizing.profile.demandclass import DemandClass, classify, is_leaking
from rightsizing.profile.rows import FloatArray

CORES = 8.0
DAYS = 35
BINS = 200
INTERVALS = 288


def _table(cpu: FloatArray, memory: FloatArray | None = None) -> DayTable:
    """A table of (W, D, 288) CPU cores and (W, D) daily memory peaks."""
    rows, days, _ = cpu.shape
    counts = np.zeros((rows, days, BINS), dtype=np.uint16)
    row, day, at = np.nonzero(np.isfinite(cpu))
    bins = np.minimum(np.floor(cpu[row, day, at] / CORES * BINS), BINS - 1).astype(int)
    np.add.at(counts, (row, day, bins), 1)
    measured = np.isfinite(cpu)
    hours = np.where(measured, cpu, 0).reshape(rows, days, 24, 12).sum(axis=3)
    per_hour = measured.reshape(rows, days, 24, 12).sum(axis=3)
    mean = np.where(per_hour > 0, hours / np.maximum(per_hour, 1), np.nan)
    largest = np.where(measured.any(axis=2), np.where(measured, cpu, -1).max(axis=2), np.nan)
    blank = DayTable.blank([f"w{i}" for i in range(rows)], 20_000, days, BINS)
    return replace(
        blank,
        cpu_capacity_cores=np.full(rows, CORES),
        cpu_counts=counts,
        cpu_samples=measured.sum(axis=2),
        cpu_max_cores=largest,
        cpu_hour_mean_cores=mean.astype(np.float32),
        memory_max_bytes=blank.memory_max_bytes if memory is None else memory,
    )


def _demand(seed: int = 1, sigma: float = 0.05) -> FloatArray:
    """Two cores with independent noise of 5 %."""
    noise = np.random.default_rng(seed).normal(size=(1, DAYS, INTERVALS))
    return 2.0 * np.exp(sigma * noise)


DAY = np.arange(DAYS)[None, :, None]
HOUR = (np.arange(INTERVALS) / 12)[None, None, :]
MADE: dict[DemandClass, FloatArray] = {
    DemandClass.STEADY: _demand(),
    DemandClass.IDLE: _demand() * 0.1,  # 0.2 of 8 cores is 2.5 %
    DemandClass.STEP: _demand() * np.where(DAY >= 20, 2.0, 1.0),
    DemandClass.GROWTH: _demand() * (1 + 0.02 * DAY),
    DemandClass.WEEKLY: _demand() * np.where(DAY % 7 >= 5, 0.3, 1.0),
    DemandClass.DIURNAL: _demand() * (1 + 0.5 * np.sin(HOUR / 24 * 2 * np.pi)),
    DemandClass.SPIKY: np.where(
        np.random.default_rng(7).random((1, DAYS, INTERVALS)) < 0.02, 7.5, 0.7 * _demand()
    ),
    DemandClass.UNKNOWN: np.where(DAY >= DAYS - 6, _demand(), np.nan),
}


@pytest.mark.parametrize("expected", MADE)
def test_each_class_is_recognised(expected: DemandClass) -> None:
    """A workload made to be of a class is put in it."""
    assert classify(_table(MADE[expected])) == (expected,)


def test_leak_shows_in_memory() -> None:
    """Memory that climbs 15 % a day and restarts weekly is a leak, whatever CPU does."""
    memory = (1 + 0.15 * (np.arange(DAYS) % 7))[None, :] * 1e9
    assert classify(_table(_demand(), memory)) == (DemandClass.LEAK,)


def test_classes_do_not_depend_on_company() -> None:
    """All workloads in one table are classified as they are alone."""
    classes = list(MADE)
    together = classify(_table(np.concatenate([MADE[item] for item in classes])))
    assert together == tuple(classes)


def test_an_empty_table_has_no_classes() -> None:
    """No workloads, no classes; workloads without a day are unknown."""
    assert classify(DayTable.blank([], 20_000, 14)) == ()
    assert classify(DayTable.blank(["a"], 20_000, 0)) == (DemandClass.UNKNOWN,)
    assert classify(DayTable.blank(["a"], 20_000, 14)) == (DemandClass.UNKNOWN,)


def test_random_memory_is_no_leak() -> None:
    """Noise of 10 % to 30 % around a level hardly ever looks like one."""
    rng = np.random.default_rng(3)
    for days in (14, 28, 93):
        for sigma in (0.1, 0.3):
            assert is_leaking(np.exp(sigma * rng.normal(size=(1000, days)))).mean() <= 0.01


def test_growth_without_resets_is_no_leak() -> None:
    """Memory that only ever grows has no restart to tell a leak by."""
    assert not is_leaking(np.exp(0.02 * np.arange(60))[None, :])[0]


def test_leak_survives_gaps() -> None:
    """Unmeasured days are skipped."""
    memory = (1 + 0.15 * (np.arange(DAYS) % 7))[None, :] * np.ones((1, 1))
    memory[0, [2, 10, 18]] = np.nan
    assert is_leaking(memory)[0]


@pytest.mark.parametrize("quantile", [0.5, 0.95, 1.0])
def test_daily_quantile_is_the_order_statistic(quantile: float) -> None:
    """The upper edge of the bin of the ceil(q n)-th sample, at most the day's maximum."""
    cpu = np.random.default_rng(9).gamma(2.0, 0.8, size=(3, 5, INTERVALS)).clip(max=7.9)
    found = daily_quantile(cpu_days_of(_table(cpu)), quantile)
    rank = int(np.ceil(quantile * INTERVALS))
    sample = np.sort(cpu, axis=2)[:, :, rank - 1]
    edge = (np.floor(sample / CORES * BINS) + 1) * CORES / BINS
    np.testing.assert_allclose(found, np.minimum(edge, cpu.max(axis=2)))


def test_a_day_without_cpu_has_no_quantile() -> None:
    """NaN, not zero."""
    cpu = _demand()
    cpu[0, 4] = np.nan
    assert np.isnan(daily_quantile(cpu_days_of(_table(cpu)), 0.95)[0, 4])
