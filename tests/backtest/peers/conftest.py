"""Series made of a few given values."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from rightsizing.backtest.series import DemandSeries

Track = Callable[..., DemandSeries]


@pytest.fixture(scope="session")
def track() -> Track:
    """``track(cpu=[...], memory=[...])``: from the first midnight on; the rest is unmeasured."""

    def make(
        cpu: Sequence[float] | np.ndarray = (),
        memory: Sequence[float] | np.ndarray = (),
        interval_s: int = 300,
        workload: str = "web",
        days: int = 0,
    ) -> DemandSeries:
        per_day = 86_400 // interval_s
        length = max(days, -(-max(len(cpu), len(memory)) // per_day)) * per_day
        used, held = np.full(length, np.nan), np.full(length, np.nan)
        used[: len(cpu)], held[: len(memory)] = cpu, memory
        return DemandSeries(
            workload=workload,
            first_day=20_000,
            interval_s=interval_s,
            cpu_cores=used,
            cpu_mean_cores=used,
            memory_bytes=held,
            capacity_cores=np.full(length, 8.0),
            capacity_memory_bytes=np.full(length, 2.0**35),
        )

    return make
