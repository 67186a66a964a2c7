"""Many workloads at once: to the last digit what each of them gets alone."""

from __future__ import annotations

from contextlib import nullcontext, suppress

import ibis
import numpy as np
import pyarrow as pa
import pytest

from rightsizing.catalog.catalog import Catalog
from rightsizing.decide.policy import Scope, SizingPolicy
from rightsizing.decide.recommend import recommend, recommend_all
from rightsizing.errors import ConfigError
from rightsizing.measure.schema import STORE_SCHEMA
from rightsizing.model.base import NoData
from rightsizing.model.profile import Profile
from rightsizing.model.recommendation import Decision, Recommendation
from rightsizing.model.workload import Workload, WorkloadKind
from rightsizing.profile.build import build_profiles

DAY_MS = 86_400_000
FIRST_DAY = 20_724
GIB = 2**30
NO_RATES = NoData("no rates")


def measured(seed: int) -> dict[str, Profile]:
    """Sixty machines of all sorts: 1 to 24 days, steps, gaps, bursts, kills, resizes, no memory."""
    generator = np.random.default_rng(seed)
    tables = []
    for number in range(60):
        days = int(generator.integers(1, 25))
        first = FIRST_DAY + int(generator.integers(0, 4))
        count = days * 24
        cores = float(generator.choice([1, 4, 16]))
        level = generator.random() * 0.5 * np.ones(count)
        if generator.random() < 0.3:
            level[count // 2 :] *= generator.choice([0.3, 3.0])
        share = np.clip(level * (1 + 0.2 * generator.standard_normal(count)), 0.001, 1.0)
        if generator.random() < 0.2:
            share[generator.random(count) < 0.05] = 1.0
        capacity = np.full(count, cores)
        if generator.random() < 0.2:
            capacity[count // 3 :] = cores * 2
        memory = np.clip(level + 0.05 * generator.standard_normal(count), 0.01, 0.99) * cores * GIB
        rows = pa.table(
            {
                "workload": [f"m{number:02d}"] * count,
                "resource_id": [f"m{number:02d}"] * count,
                "timestamp_ms": first * DAY_MS + np.arange(count) * 3_600_000,
                "interval_s": np.full(count, 3600),
                "source": ["t"] * count,
                "cpu_cores_max": share * cores,
                "capacity_cores": capacity,
                "memory_bytes_max": pa.array(
                    memory, mask=np.full(count, bool(generator.random() < 0.15))
                ),
                "capacity_memory_bytes": np.full(count, cores * GIB),
                "oom_kills": (generator.random(count) < 0.002).astype(float),
            }
        )
        tables.append(rows.filter(pa.array(generator.random(count) < generator.choice([1.0, 0.7]))))
    return build_profiles(ibis.memtable(full(pa.concat_tables(tables))))


def full(rows: pa.Table) -> pa.Table:
    """With every column of the store."""
    return pa.table(
        [
            rows[field.name] if field.name in rows.column_names else pa.nulls(len(rows), field.type)
            for field in STORE_SCHEMA
        ],
        schema=STORE_SCHEMA,
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("reference_bytes", [None, 2.0 * GIB])
def test_together_as_alone(catalog: Catalog, seed: int, reference_bytes: float | None) -> None:
    """Recommendations, predictions and errors are equal, field by field."""
    cases = [
        (Workload(key=key, kind=WorkloadKind.HOST), profile)
        for key, profile in measured(seed).items()
    ]
    policy = SizingPolicy()
    together = recommend_all(
        cases,
        catalog,
        policy,
        scope=Scope.ANY_FAMILY,
        rates=NO_RATES,
        memory_reference_bytes=reference_bytes,
    )
    for (workload, profile), found in zip(cases, together, strict=True):
        with suppress(ConfigError) if isinstance(found, ConfigError) else nullcontext():
            alone = recommend(
                workload,
                profile,
                catalog,
                policy,
                scope=Scope.ANY_FAMILY,
                rates=NO_RATES,
                memory_reference_bytes=reference_bytes,
            )
            assert found == alone
    decisions = {item.decision for item in together if isinstance(item, Recommendation)}
    assert {Decision.DOWNSIZE, Decision.UPSIZE, Decision.REFUSE} <= decisions


def test_one_that_cannot_be_sized_stops_no_other(catalog: Catalog) -> None:
    """The error is in its place, and so is a workload that nobody measured."""
    (key, profile), *_others = measured(1).items()
    nobody = Workload(key="nobody", kind=WorkloadKind.HOST)
    host = Workload(key=key, kind=WorkloadKind.HOST)
    cases: list[tuple[Workload, Profile | NoData]] = [(nobody, NoData("none")), (host, profile)]
    lost, found = recommend_all(
        cases, catalog, SizingPolicy(), scope=Scope.ANY_FAMILY, rates=NO_RATES
    )
    assert isinstance(lost, ConfigError)
    assert isinstance(found, Recommendation)
