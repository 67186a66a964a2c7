"""From which day on CPU demand counts: up at once after a week, down after two."""

from __future__ import annotations

import numpy as np
import pytest

from rightsizing.decide.regime import FALL_DAYS, cpu_regime
from rightsizing.model.cpudays import CpuDays


def _days(daily: list[float]) -> CpuDays:
    """24 samples a day within 3 % of a level, of 8 cores."""
    generator = np.random.default_rng(2)
    values = np.array(daily)[:, None] * generator.uniform(0.97, 1.0, (len(daily), 24))
    counts = np.stack(
        [np.bincount(np.floor(day * 25).astype(np.int64), minlength=201) for day in values]
    )
    return CpuDays(
        capacity_cores=np.array([8.0]),
        counts=counts[None],
        samples=np.full((1, len(daily)), 24),
        sum_cores=values.sum(axis=1)[None],
        max_cores=values.max(axis=1)[None],
    )


@pytest.mark.parametrize("days", [8, 14, 20])
def test_a_higher_level_counts_alone_after_a_week(days: int) -> None:
    """28 days at one core, then at three."""
    assert cpu_regime(_days([1.0] * 28 + [3.0] * days)).start[0] == 28


@pytest.mark.parametrize(("days", "start"), [(8, 0), (FALL_DAYS - 1, 0), (FALL_DAYS, 28), (20, 28)])
def test_a_lower_level_counts_alone_after_two(days: int, start: int) -> None:
    """28 days at three cores, then at one: until day 14 the three are not forgotten."""
    assert cpu_regime(_days([3.0] * 28 + [1.0] * days)).start[0] == start
