"""Packing tenants: valid, close to the bound, safe against a loss."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.catalog.catalog import Catalog
from rightsizing.decide.tenancy.bound import fractional_bound
from rightsizing.decide.tenancy.failover import FailoverRule
from rightsizing.decide.tenancy.nodetype import Headroom, NodeType, node_types, undominated
from rightsizing.decide.tenancy.packing import Packing, pack
from rightsizing.decide.tenancy.tenants import Tenants
from rightsizing.errors import CatalogError, ConfigError, PlanRejected

SMALL = NodeType("small", Decimal("0.1"), 2.0, 8192.0, 50)
LARGE = NodeType("large", Decimal("0.4"), 8.0, 32768.0, 50)
FAT = NodeType("fat", Decimal("0.13"), 2.0, 16384.0, 50)
TYPES = (SMALL, LARGE, FAT)


def tenants_of(cores, memory, groups=None, isolated=None) -> Tenants:
    """Tenants named t0, t1, ...; ``cores`` is one profile each."""
    count = len(memory)
    profile = np.array(cores, dtype=float).reshape(count, -1)
    return Tenants(
        tuple(f"t{index}" for index in range(count)),
        profile,
        np.array(memory, dtype=float),
        tuple(groups or [""] * count),
        tuple(isolated or [False] * count),
    )


def assert_valid(packing: Packing, tenants: Tenants, types=TYPES) -> None:
    """Everybody once; no slot, memory or group is broken."""
    rows = {name: row for row, name in enumerate(tenants.names)}
    capacity = {item.name: item for item in types}
    placed = sorted(name for item in packing.instances for name in item.tenants)
    assert placed == sorted(tenants.names)
    for item in packing.instances:
        members = [rows[name] for name in item.tenants]
        kind = capacity[item.instance_type]
        assert tenants.cpu_cores[members].sum(axis=0).max(initial=0) <= kind.cpu_cores * (1 + 1e-6)
        assert tenants.memory_mib[members].sum() <= kind.memory_mib * (1 + 1e-6)
        groups = [tenants.groups[row] for row in members if tenants.groups[row]]
        assert len(groups) == len(set(groups))
        if any(tenants.isolated[row] for row in members):
            assert len(members) == 1


def test_opposite_peaks_share_an_instance() -> None:
    """2 cores by day and 2 by night fit one instance of 2; together in one slot they need two."""
    apart = tenants_of([[2, 0], [0, 2]], [1000, 1000])
    together = tenants_of([[2, 0], [2, 0]], [1000, 1000])
    assert len(pack(apart, TYPES).instances) == 1
    assert pack(together, TYPES).usd_per_hour == Decimal("0.2")


def test_the_bound_is_the_linear_programme_by_hand() -> None:
    """4 cores and 16 GiB are two small ones: 0.2; half of that is 0.1."""
    demand = tenants_of([4], [16384]).demand()
    assert fractional_bound(demand, TYPES).usd_per_hour == pytest.approx(0.2)
    assert fractional_bound(demand / 2, TYPES).usd_per_hour == pytest.approx(0.1)


def test_duals_value_the_load_at_the_bound() -> None:
    """Strong duality: demand times the duals is the bound."""
    generator = np.random.default_rng(3)
    demand = tenants_of(generator.uniform(0, 1, (20, 5)), generator.uniform(0, 9000, 20)).demand()
    bound = fractional_bound(demand, TYPES)
    assert float((demand @ bound.values).sum()) == pytest.approx(bound.usd_per_hour)


@settings(max_examples=25, deadline=None)
@given(
    data=st.data(),
    count=st.integers(1, 12),
    slots=st.integers(1, 4),
    failover=st.sampled_from(list(FailoverRule)),
)
def test_every_packing_is_valid_and_above_the_bound(data, count, slots, failover) -> None:
    """Whatever the loads, groups and isolation."""
    seed = data.draw(st.integers(0, 2**16))
    generator = np.random.default_rng(seed)
    tenants = tenants_of(
        generator.uniform(0, 2, (count, slots)),
        generator.uniform(0, 8000, count),
        [str(value) if value else "" for value in generator.integers(0, 3, count)],
        [bool(value) for value in generator.random(count) < 0.2],
    )
    packing = pack(tenants, TYPES, failover=failover, rounds=10)
    assert_valid(packing, tenants)
    assert float(packing.usd_per_hour) >= packing.bound_usd_per_hour * (1 - 1e-9)
    if not isinstance(packing.first_fit_usd_per_hour, float):
        return
    assert float(packing.usd_per_hour) <= packing.first_fit_usd_per_hour * (1 + 1e-9)


def test_small_cases_are_near_the_optimum() -> None:
    """Never below what brute force over mixes and assignments finds, at most a fifth above."""
    generator = np.random.default_rng(5)
    for _ in range(4):
        tenants = tenants_of(generator.uniform(0.2, 1.9, 5), generator.uniform(500, 8000, 5))
        best = min(
            (
                sum(float(item.usd_per_hour) for item in mix)
                for size in (1, 2, 3, 4)
                for mix in product(TYPES, repeat=size)
                if _fits(tenants, mix)
            ),
        )
        found = float(pack(tenants, TYPES, rounds=60).usd_per_hour)
        assert best - 1e-9 <= found <= 1.2 * best


def _fits(tenants: Tenants, mix) -> bool:
    for places in product(range(len(mix)), repeat=len(tenants.names)):
        at = np.array(places)
        if all(
            tenants.cpu_cores[at == index].sum() <= item.cpu_cores
            and tenants.memory_mib[at == index].sum() <= item.memory_mib
            for index, item in enumerate(mix)
        ):
            return True
    return False


@pytest.mark.parametrize("profile", [1, 24])
def test_a_hundred_tenants_come_close_to_the_bound(profile: int) -> None:
    """Within 4 % on real types after few rounds; the benchmark holds the figures."""
    generator = np.random.default_rng(7)
    cores = generator.uniform(0.1, 4, (100, 1)) * generator.uniform(0.9, 1, (100, profile))
    tenants = tenants_of(cores, generator.uniform(256, 16384, 100))
    patterns = ["c6i.*", "m6i.*", "r6i.*"]
    types = node_types(
        Catalog.load(), "us-east-1", patterns=patterns, headroom=Headroom(0, 0, 0, 1000)
    )
    packing = pack(tenants, types, rounds=150)
    assert_valid(packing, tenants, types)
    assert packing.gap_ratio < 0.04
    assert isinstance(packing.first_fit_usd_per_hour, float)
    assert float(packing.usd_per_hour) <= packing.first_fit_usd_per_hour


def test_the_same_seed_gives_the_same_packing() -> None:
    """Nothing depends on the clock."""
    generator = np.random.default_rng(2)
    tenants = tenants_of(generator.uniform(0, 1, (30, 3)), generator.uniform(0, 4000, 30))
    assert pack(tenants, TYPES, rounds=20) == pack(tenants, TYPES, rounds=20)


def test_any_instance_may_be_lost() -> None:
    """After each loss everybody has a place and no instance is overfull, counted anew."""
    generator = np.random.default_rng(4)
    tenants = tenants_of(
        generator.uniform(0.1, 1.5, (20, 6)),
        generator.uniform(500, 6000, 20),
        ["g" if index < 3 else "" for index in range(20)],
        [index == 19 for index in range(20)],
    )
    packing = pack(tenants, TYPES, failover=FailoverRule.N_PLUS_ONE, rounds=20)
    rows = {name: row for row, name in enumerate(tenants.names)}
    capacity = {item.name: item for item in TYPES}
    for lost, moves in enumerate(packing.moves):
        homes = {
            name: number
            for number, item in enumerate(packing.instances)
            if number != lost
            for name in item.tenants
        }
        homes.update(dict(moves))
        assert set(homes) == set(tenants.names)
        assert lost not in homes.values()
        for number, item in enumerate(packing.instances):
            members = [rows[name] for name, home in homes.items() if home == number]
            kind = capacity[item.instance_type]
            assert tenants.cpu_cores[members].sum(axis=0).max(initial=0) <= kind.cpu_cores + 1e-6
            assert tenants.memory_mib[members].sum() <= kind.memory_mib + 1e-3
            assert sum(tenants.groups[row] == "g" for row in members) <= 1
            assert 19 not in members or len(members) == 1


def test_a_giant_is_refused_by_name() -> None:
    """The tenant, what it needs, and what there is."""
    with pytest.raises(PlanRejected, match=r"tenant 't1' needs 9\.00 cores and 100 MiB, more than"):
        pack(tenants_of([1, 9], [100, 100]), TYPES)


@pytest.mark.parametrize(
    ("cores", "memory", "said"),
    [
        ([1, -1], [1, 1], "tenant 't1' has cpu_cores -1"),
        ([1, 1], [1, float("nan")], "tenant 't1' has memory_mib nan"),
    ],
)
def test_impossible_loads_are_refused(cores, memory, said) -> None:
    """Negative and missing numbers."""
    with pytest.raises(ConfigError, match=said):
        tenants_of(cores, memory)


def test_unknown_types_are_refused() -> None:
    """With the nearest name, or as a pattern that matches nothing."""
    catalog = Catalog.load()
    with pytest.raises(CatalogError, match=r"m6i\.larg"):
        node_types(catalog, "us-east-1", patterns=["m6i.larg"])
    with pytest.raises(CatalogError, match=r"zz\*"):
        node_types(catalog, "us-east-1", patterns=["zz*"])


def test_dominated_types_go() -> None:
    """A type that has less of everything at the same price."""
    worse = NodeType("worse", Decimal("0.1"), 1.0, 8192.0, 50)
    assert worse not in undominated((*TYPES, worse))
