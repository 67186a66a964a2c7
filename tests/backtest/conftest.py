"""Small series for the back-test's own tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rightsizing.backtest.series import DemandSeries, FloatArray

MakeSeries = Callable[..., DemandSeries]


@pytest.fixture
def make_series() -> MakeSeries:
    """A series from CPU by day and step; mean, memory and capacity as given, else not measured."""

    def make(
        cpu: FloatArray,
        *,
        key: str = "a",
        first_day: int = 0,
        memory: FloatArray | None = None,
        capacity: float = np.nan,
        capacity_memory: float = np.nan,
    ) -> DemandSeries:
        days, steps = cpu.shape
        flat = np.asarray(cpu, dtype=np.float64).ravel()
        none = np.full(flat.shape, np.nan)
        return DemandSeries(
            workload=key,
            first_day=first_day,
            interval_s=86_400 // steps,
            cpu_cores=flat,
            cpu_mean_cores=flat,
            memory_bytes=none if memory is None else np.asarray(memory, dtype=float).ravel(),
            capacity_cores=np.full(days * steps, capacity),
            capacity_memory_bytes=np.full(days * steps, capacity_memory),
        )

    return make
