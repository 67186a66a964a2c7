"""A rule of one line on a real trace, against the same rule written in SQL and plain Python."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

import duckdb
import numpy as np
import pytest

from rightsizing.backtest.contestants import contestants
from rightsizing.backtest.schedule import Schedule
from rightsizing.backtest.study import Role, study_of
from rightsizing.backtest.trial import Trial
from rightsizing.cli.backtesting import tracks_of_path
from rightsizing.measure.progress import ignore_progress

DATA = os.environ.get("RIGHTSIZING_DATA", "")
STEP_S, DAY_STEPS = 300, 288


@pytest.mark.skipif(not DATA, reason="RIGHTSIZING_DATA is not set")
def test_the_maximum_of_14_days_on_real_machines() -> None:
    """Cost over the oracle's and exceedance of 30 days of Bitbrains machines are equal.

    Written here as it is defined: the largest use of the 14 days before each week, held for the
    week; with less than a day of measurements in them the limit in force stays, at first the
    latest capacity. The oracle is the week's own 99.9th percentile.
    """
    path = Path(DATA) / "traces" / "bitbrains_faststorage.parquet"
    tracks = tracks_of_path(path, 1000, ignore_progress)
    rules = contestants(["maximum-14d"], ["1"])
    trial = Trial.run(tracks.series, rules.all, Schedule.of(tracks.series))
    (found,) = study_of([trial], rules, seed=1).of(Role.PEER)

    rows = duckdb.execute(
        "SELECT resource_id, epoch_ms(timestamp) // 300000, max(cpu_cores), max(capacity_cores) "
        "FROM read_parquet(?) "
        "WHERE cpu_cores IS NOT NULL AND capacity_cores > 0 GROUP BY 1, 2",
        [str(path)],
    ).fetchall()
    steps: dict[str, dict[int, float]] = defaultdict(dict)
    capacities: dict[str, dict[int, float]] = defaultdict(dict)
    for key, step, cores, capacity in rows:
        steps[key][step] = cores
        capacities[key][step] = capacity
    first_day = min(min(held) for held in steps.values()) // DAY_STEPS
    last_day = max(max(held) for held in steps.values()) // DAY_STEPS
    cost = oracle = exceeded = measured = 0.0
    for key, held in steps.items():
        begins = min(held) // DAY_STEPS
        limit = None
        for monday in range(first_day + 14, last_day + 1 - 6, 7):
            start = monday * DAY_STEPS
            week = [held[step] for step in held if 0 <= step - start < 7 * DAY_STEPS]
            past = [held[step] for step in held if 0 < start - step <= 14 * DAY_STEPS]
            if monday - begins < 14:
                continue
            if len(past) >= DAY_STEPS:
                limit = max(past)
            elif limit is None:
                limit = capacities[key][max(step for step in held if step < start)]
            cost += limit * len(week)
            oracle += float(np.quantile(week, 0.999)) * len(week) if week else 0.0
            exceeded += sum(cores > limit for cores in week)
            measured += len(week)
    assert found.overall.cost_ratio == pytest.approx(cost / oracle)
    assert found.overall.exceedance_ratio == pytest.approx(exceeded / measured)
