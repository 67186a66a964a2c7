"""Limits of a fleet: the properties a decision must have, and measurements that are broken."""

from __future__ import annotations

from dataclasses import replace

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rightsizing.backtest.daytracks import day_table_of
from rightsizing.backtest.series import DemandSeries
from rightsizing.decide.fleet import FleetDecisions, FleetPolicy, Limits, decide_limits
from rightsizing.decide.fleetguards import Guard
from rightsizing.decide.limits import Move
from rightsizing.decide.risk import Risk
from rightsizing.errors import ConfigError, StoreError
from rightsizing.measure.schema import STORE_SCHEMA
from rightsizing.measure.store import Store
from rightsizing.model.recommendation import ReasonCode
from rightsizing.profile.build import build_day_tables
from rightsizing.profile.daycache import DayCache
from rightsizing.profile.daytable import DayTable
from rightsizing.profile.rowprofile import profile_of

GIB = 2.0**30
STEP_S = 900
PER_DAY = 96
FIRST = 20_724  # 2026-09-28
SEEDS = st.integers(0, 10_000)
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def demand(seed: int, days: int = 14, name: str = "web") -> DemandSeries:
    """A workload of 1.5 to 8 cores in 16, with a daily swing and spikes."""
    chance = np.random.default_rng(seed)
    hour = np.arange(days * PER_DAY) * 24 / PER_DAY
    swing = 1 + chance.uniform(0, 0.6) * np.sin(hour * np.pi / 12 + chance.uniform(0, 6))
    cpu = chance.uniform(1.5, 3.0) * swing * chance.lognormal(0, 0.1, len(hour))
    cpu = cpu + (chance.random(len(hour)) < 0.003) * chance.uniform(0, 4)
    memory = chance.uniform(2, 20) * GIB * (1 + 0.03 * chance.random(len(hour)))
    return DemandSeries(
        workload=name,
        first_day=FIRST,
        interval_s=STEP_S,
        cpu_cores=cpu,
        cpu_mean_cores=cpu * 0.8,
        memory_bytes=memory,
        capacity_cores=np.full(len(hour), 16.0),
        capacity_memory_bytes=np.full(len(hour), 32 * GIB),
    )


def table_of(*series: DemandSeries) -> DayTable:
    """Day table of a few series."""
    return day_table_of(series)


def scaled(series: DemandSeries, factor: float) -> DemandSeries:
    """The same workload with all amounts times ``factor``."""
    return replace(
        series,
        cpu_cores=series.cpu_cores * factor,
        cpu_mean_cores=series.cpu_mean_cores * factor,
        memory_bytes=series.memory_bytes * factor,
        capacity_cores=series.capacity_cores * factor,
        capacity_memory_bytes=series.capacity_memory_bytes * factor,
    )


def sized(series: DemandSeries, cores: float, memory_bytes: float) -> DemandSeries:
    """The same use under other capacities."""
    return replace(
        series,
        capacity_cores=np.full_like(series.capacity_cores, cores),
        capacity_memory_bytes=np.full_like(series.capacity_memory_bytes, memory_bytes),
    )


def assert_in_order(decisions: FleetDecisions) -> None:
    """Bounds around each target, and a reason for each workload."""
    for limits in (decisions.cpu, decisions.memory):
        known = ~np.isnan(limits.target)
        assert (limits.lower[known] <= limits.target[known]).all()
        assert (limits.target[known] <= limits.upper[known]).all()
    for row in range(len(decisions.workloads)):
        assert decisions.reasons(row)


def assert_shrinks_on_evidence(decisions: FleetDecisions, table: DayTable) -> None:
    """A reduction has no guard and stays above what the newest day used of memory."""
    for limits, capacity in (
        (decisions.cpu, table.cpu_capacity_cores),
        (decisions.memory, table.memory_capacity_bytes),
    ):
        lower = limits.target < capacity
        assert (limits.moves(Move.DOWN) == lower).all()
        assert (limits.guards[lower] == 0).all()


def test_an_idle_machine_is_reduced_and_a_full_one_raised() -> None:
    """2 busy cores of 16 and 10 GiB of 64 shrink; a machine used in full grows."""
    flat = np.full(14 * PER_DAY, 2.0)
    idle = replace(
        sized(demand(1), 16.0, 64 * GIB),
        cpu_cores=flat,
        cpu_mean_cores=flat * 0.9,
        memory_bytes=flat * 5 * GIB,
    )
    busy = replace(sized(idle, 1.9, 10.2 * GIB), workload="zoo")
    found = decide_limits(table_of(idle, busy))
    # All demand is 2.0 cores, so is the target; the peak of memory is 10 GiB, and a margin.
    assert found.cpu.target[0] == pytest.approx(2.0)
    assert 10 * GIB <= found.memory.target[0] < 16 * GIB
    assert found.cpu.moves(Move.DOWN).tolist() == [True, False]
    assert found.memory.moves(Move.DOWN).tolist() == [True, False]
    # 2.0 cores under 1.9 and 10 of 10.2 GiB (over 95 %): both go up, though demand is censored.
    assert found.cpu.moves(Move.UP).tolist() == [False, True]
    assert found.memory.moves(Move.UP).tolist() == [False, True]
    assert found.reasons(0) == (
        ReasonCode.CPU_OVERPROVISIONED,
        ReasonCode.MEMORY_OVERPROVISIONED,
    )


def test_a_small_reduction_is_not_made() -> None:
    """A target of 2.0 cores under 2.1 is less than 10 % away."""
    flat = np.full(14 * PER_DAY, 2.0)
    series = replace(sized(demand(1), 2.1, 32 * GIB), cpu_cores=flat, cpu_mean_cores=flat * 0.9)
    found = decide_limits(table_of(series))
    assert found.cpu.moves(Move.TOO_SMALL) | found.cpu.moves(Move.REFUSED)
    assert found.cpu.target[0] == 2.1


@pytest.mark.parametrize("days", [1, 3, 6])
def test_few_days_forbid_a_reduction(days: int) -> None:
    """Under seven full days nothing shrinks, and the reason says so."""
    found = decide_limits(table_of(demand(3, days)))
    assert not found.cpu.moves(Move.DOWN).any()
    assert not found.memory.moves(Move.DOWN).any()
    assert ReasonCode.EVIDENCE_TOO_WEAK in found.reasons(0)


@pytest.mark.parametrize(
    ("column", "guard"),
    [
        ("cpu_at_limit", Guard.AT_LIMIT),
        ("memory_near_limit", Guard.NEAR_LIMIT),
        ("credits_exhausted", Guard.OUT_OF_CREDITS),
        ("throttled_sum", Guard.THROTTLED),
    ],
)
def test_censored_demand_forbids_a_reduction(column: str, guard: Guard) -> None:
    """2 of 96 intervals a day, 2 %, pass the limits of 0.5 and 1 %."""
    table = table_of(demand(4))
    marked = np.full_like(getattr(table, column), 2)
    samples = {"credit_samples": table.cpu_samples, "throttled_samples": table.cpu_samples}
    found = decide_limits(replace(table, **{**samples, column: marked}))
    assert Guard(int(found.cpu.guards[0])) == guard
    assert Guard(int(found.memory.guards[0])) == guard
    assert found.reasons(0) == (ReasonCode.DEMAND_CENSORED,)


def test_long_averages_are_weak_evidence() -> None:
    """Means of an hour hide the peaks that size CPU."""
    table = table_of(demand(5))
    means = replace(
        table,
        interval_s=np.array([3600]),
        cpu_peak_samples=np.zeros_like(table.cpu_peak_samples),
    )
    found = decide_limits(means)
    assert found.cpu.moves(Move.REFUSED).all()
    assert ReasonCode.EVIDENCE_TOO_WEAK in found.reasons(0)


@QUICK
@given(SEEDS, st.integers(5, 10), st.floats(0.3, 0.7))
def test_full_days_are_counted_as_a_profile_counts_them(seed: int, days: int, share: float) -> None:
    """Gaps that leave about half of a day: weak here exactly where the profile says so."""
    series = demand(seed, days)
    chance = np.random.default_rng(seed)
    gone = chance.random(days * PER_DAY) < np.repeat(chance.random(days) * share, PER_DAY) * 2
    table = table_of(
        replace(
            series,
            cpu_cores=np.where(gone, np.nan, series.cpu_cores),
            cpu_mean_cores=np.where(gone, np.nan, series.cpu_mean_cores),
            memory_bytes=np.where(gone, np.nan, series.memory_bytes),
        )
    )
    weak = bool(decide_limits(table).cpu.guards[0] & Guard.WEAK_EVIDENCE)
    assert weak == (profile_of(table, 0).evidence.days < 7)


@QUICK
@given(SEEDS)
def test_order_of_workloads_and_samples_is_irrelevant(seed: int) -> None:
    """The same rows shuffled, through the query: equal decisions."""
    rows = frame(seed, "plain")
    order = np.random.default_rng(seed).permutation(len(rows))
    left, right = (decided(part) for part in (rows, rows.take(pa.array(order))))
    np.testing.assert_array_equal(left.cpu.target, right.cpu.target)
    np.testing.assert_array_equal(left.memory.target, right.memory.target)
    assert left.reasons(0) == right.reasons(0)


@QUICK
@given(SEEDS, st.sampled_from([0.5, 2.0, 4.0]))
def test_targets_scale_with_usage(seed: int, factor: float) -> None:
    """Powers of two change no bin, so the targets scale but for rounding; mean use over 0.25."""
    series = demand(seed)
    one = decide_limits(table_of(series))
    other = decide_limits(table_of(scaled(series, factor)))
    np.testing.assert_allclose(other.cpu.target, one.cpu.target * factor, rtol=1e-9)
    np.testing.assert_allclose(other.memory.target, one.memory.target * factor, rtol=1e-9)
    np.testing.assert_array_equal(other.cpu.move, one.cpu.move)


@QUICK
@given(SEEDS, st.floats(1e-5, 0.3), st.floats(1e-5, 0.3), st.floats(1.0, 40.0))
def test_more_risk_never_costs_more(seed: int, a: float, b: float, cores: float) -> None:
    """Of two risks the larger gives no larger limit, whatever is in force."""
    table = table_of(sized(demand(seed), cores, 32 * GIB))
    little, much = (
        decide_limits(table, FleetPolicy(risk=Risk(ratio))) for ratio in (min(a, b), max(a, b))
    )
    assert (much.cpu.target <= little.cpu.target * (1 + 1e-12)).all()
    assert (much.memory.target <= little.memory.target * (1 + 1e-12)).all()
    assert_in_order(little)
    assert_in_order(much)


@settings(QUICK, max_examples=60)
@given(SEEDS, st.floats(1e-4, 0.1), st.floats(1.0, 20.0), st.floats(4.0, 64.0))
def test_its_own_output_is_not_changed(seed: int, risk: float, cores: float, gib: float) -> None:
    """With the targets in force nothing moves."""
    policy = FleetPolicy(risk=Risk(risk))
    series = sized(demand(seed), cores, gib * GIB)
    first = decide_limits(table_of(series), policy)
    cpu, memory = float(first.cpu.target[0]), float(first.memory.target[0])
    now = sized(series, cores, gib * GIB)  # what was measured was measured under the old sizes
    now.capacity_cores[-1], now.capacity_memory_bytes[-1] = cpu, memory
    again = decide_limits(table_of(now), policy)
    assert again.cpu.target[0] == cpu
    assert again.memory.target[0] == memory


@QUICK
@given(SEEDS, st.floats(2.0, 4.0))
def test_history_before_a_change_point_does_not_matter(seed: int, ratio: float) -> None:
    """14 days at one level and 14 at another: the first 14 may be anything of the old level."""
    new, old = demand(seed, 28), demand(seed, 28)
    before = np.arange(28 * PER_DAY) < 14 * PER_DAY
    noise = np.random.default_rng(seed + 1).uniform(0.95, 1.05, 28 * PER_DAY)

    def joined(early: np.ndarray) -> DemandSeries:
        factor = np.where(before, early / ratio, 1.0)
        return replace(
            new,
            cpu_cores=old.cpu_cores * factor,
            cpu_mean_cores=old.cpu_mean_cores * factor,
            memory_bytes=old.memory_bytes * factor,
        )

    one = decide_limits(table_of(joined(np.ones(28 * PER_DAY))))
    two = decide_limits(table_of(joined(noise)))
    np.testing.assert_array_equal(one.memory.target, two.memory.target)
    np.testing.assert_array_equal(one.cpu.target, two.cpu.target)


@QUICK
@given(SEEDS, st.integers(0, 14))
def test_missing_memory_never_shrinks_memory(seed: int, measured_days: int) -> None:
    """Memory of fewer than 7 days: the present size, and a reason."""
    series = demand(seed)
    memory = series.memory_bytes.copy()
    memory[measured_days * PER_DAY :] = np.nan
    found = decide_limits(table_of(replace(series, memory_bytes=memory)))
    if measured_days < 7:
        assert found.memory.target[0] >= 32 * GIB
    if measured_days == 0:
        assert found.memory.moves(Move.UNMEASURED).all()
        assert ReasonCode.MEMORY_UNMEASURED in found.reasons(0)
    assert_in_order(found)


KINDS = (
    "plain",
    "gaps",
    "nan",
    "infinite",
    "negative",
    "reset",
    "mixed",
    "jumps",
    "one",
    "years",
    "zero",
    "full",
    "unlimited",
    "resized",
)


def frame(seed: int, kind: str) -> pa.Table:
    """Measurements of one workload, broken in one way."""
    chance = np.random.default_rng(seed)
    count = {"one": 1, "years": 1826}.get(kind, int(chance.integers(1, 12)) * 48)
    step_s = 86_400 if kind == "years" else 1800
    at = np.arange(count, dtype=np.int64) * step_s * 1000
    cpu = chance.gamma(2.0, 0.5, count)
    memory = chance.uniform(1, 2, count) * GIB
    cores, limit = np.full(count, 4.0), np.full(count, 8 * GIB)
    interval = np.full(count, step_s, dtype=np.int64)
    bad = chance.random(count) < 0.3
    match kind:
        case "gaps":
            at = at + np.cumsum(bad) * int(chance.integers(1, 40)) * 3_600_000
        case "nan":
            cpu[bad], memory[~bad], cores[chance.random(count) < 0.1] = np.nan, np.nan, np.nan
        case "infinite":
            cpu[bad], memory[bad] = np.inf, -np.inf
        case "negative":
            cpu[bad], memory[bad], limit[bad] = -cpu[bad], -1.0, -5.0
        case "reset":
            cpu[bad], memory[bad] = 1e300, 2.0**63
        case "mixed":
            interval = chance.choice([0, 60, 300, 1800, 86_400], count)
        case "jumps":
            at = chance.permutation(at) - np.where(bad, 10**13, 0)
        case "zero":
            cpu[:], memory[:] = 0.0, 0.0
        case "full":
            cpu, memory = cores.copy(), limit.copy()
        case "unlimited":
            cores[:], limit[:] = np.nan, np.nan
        case "resized":
            cores, limit = chance.choice([1.0, 4.0], count), chance.choice([GIB, 8 * GIB], count)
    columns = {
        "workload": pa.array(["w"] * count),
        "resource_id": pa.array(["w"] * count),
        "timestamp_ms": pa.array(FIRST * 86_400_000 + at),
        "interval_s": pa.array(interval.astype(np.int64)),
        "source": pa.array(["test"] * count),
        "cpu_cores_max": pa.array(cpu),
        "capacity_cores": pa.array(cores),
        "memory_bytes_max": pa.array(memory),
        "capacity_memory_bytes": pa.array(limit),
    }
    return pa.table(
        [
            columns.get(field.name, pa.nulls(count, field.type)).cast(field.type)
            for field in STORE_SCHEMA
        ],
        schema=STORE_SCHEMA,
    )


def decided(rows: pa.Table) -> FleetDecisions:
    """Decisions of the one table of these measurements, checked."""
    (table,) = build_day_tables(ibis.memtable(rows))
    found = decide_limits(table)
    assert_in_order(found)
    assert_shrinks_on_evidence(found, table)
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SEEDS, st.sampled_from(KINDS))
def test_broken_measurements_never_fail_nor_shrink_without_evidence(seed: int, kind: str) -> None:
    """Whatever is broken: no error, bounds in order, a reason, and no unfounded reduction."""
    for table in build_day_tables(ibis.memtable(frame(seed, kind))):
        found = decide_limits(table)
        assert_in_order(found)
        assert_shrinks_on_evidence(found, table)
        if kind in {"one", "full", "unlimited"}:
            assert not found.cpu.moves(Move.DOWN).any()
            assert not found.memory.moves(Move.DOWN).any()


REFUSED_BY_STORE = {"nan", "infinite", "negative", "mixed", "jumps", "unlimited"}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "years"])
def test_decisions_through_store_and_cache_are_the_same(kind: str, tmp_path) -> None:
    """The store refuses in words; what it takes is decided equally from cache and from rows."""
    rows = frame(7, kind)
    store = Store(tmp_path / "store", buckets=1)
    if kind in REFUSED_BY_STORE:
        with pytest.raises(StoreError, match=r"\w+ \w+"):
            store.append(rows, "test")
        return
    store.append(rows, "test")
    cache = DayCache(tmp_path / "cache", store.read)
    cached = [decide_limits(table) for table in cache.tables(store.partitions())]
    direct = [decide_limits(table) for table in build_day_tables(ibis.memtable(rows))]
    for one, two in zip(cached, direct, strict=True):
        for left, right in ((one.cpu, two.cpu), (one.memory, two.memory)):
            assert_same_limits(left, right)
        assert one.reasons(0) == two.reasons(0)


def assert_same_limits(left: Limits, right: Limits) -> None:
    """Equal in every bit."""
    for name in ("target", "lower", "upper", "wanted", "move", "guards"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)


@pytest.mark.parametrize("wrong", [{"minimum_days": 0}, {"minimum_change_ratio": 1.0}])
def test_impossible_policies_are_refused(wrong: dict[str, float]) -> None:
    """A number of days or a share that no fleet can have."""
    with pytest.raises(ConfigError):
        FleetPolicy(**wrong)
