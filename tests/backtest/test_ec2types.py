"""The cheapest type for cores and memory, against a search through the whole catalog."""

from __future__ import annotations

import numpy as np
import pytest

from rightsizing.backtest.ec2types import TypeTable
from rightsizing.catalog.catalog import Catalog
from rightsizing.errors import CatalogError
from rightsizing.model.base import NoData
from rightsizing.model.workload import Architecture

GIB = 1024.0**3
REGION = "us-east-1"


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """The packaged catalog."""
    return Catalog.load()


@pytest.fixture(scope="module")
def types(catalog: Catalog) -> TypeTable:
    """Its types in one region."""
    return TypeTable.of(catalog, REGION)


def cheapest_price(catalog: Catalog, cores: float, memory_bytes: float) -> float:
    """Least price of all x86 types of general use that hold the needs, one by one."""
    prices = []
    for shape in catalog.shapes(REGION):
        price = catalog.price(shape.instance_type, REGION)
        if (
            shape.current_generation
            and shape.architecture is Architecture.X86_64
            and not (shape.burstable or shape.bare_metal or shape.gpu_count)
            and shape.local_storage_gb == 0
            and shape.vcpus >= cores
            and shape.memory_mib * 1024.0**2 >= memory_bytes
            and not isinstance(price, NoData)
        ):
            prices.append(float(price.usd_per_hour))
    return min(prices)


def test_the_cheapest_that_fits(catalog: Catalog, types: TypeTable) -> None:
    """Random needs: price equal to the full search, cores and memory at least as asked."""
    generator = np.random.default_rng(6)
    cores = generator.uniform(0.01, 60, size=(1, 40))
    memory = generator.uniform(0.1, 200, size=(1, 40)) * GIB
    found = types.cheapest(cores, memory)
    assert (found.cpu_cores >= cores).all()
    assert (found.memory_bytes >= memory).all()
    for index in range(40):
        wanted = cheapest_price(catalog, cores[0, index], memory[0, index])
        assert found.price[0, index] == pytest.approx(wanted)


def test_memory_that_is_unknown_asks_for_nothing(types: TypeTable) -> None:
    """The cheapest type with two cores, whatever its memory."""
    found = types.cheapest(np.array([[2.0]]), np.array([[np.nan]]))
    assert found.price[0, 0] == types.cheapest(np.array([[2.0]]), np.array([[0.0]])).price[0, 0]


def test_unknown_cores_stay_unknown(types: TypeTable) -> None:
    """No need, no type, no price."""
    found = types.cheapest(np.array([[np.nan]]), np.array([[GIB]]))
    assert np.isnan([found.cpu_cores, found.memory_bytes, found.price]).all()


def test_more_than_any_type_has_gets_the_largest(types: TypeTable) -> None:
    """A million cores fit nothing: the type with most cores is held, and is exceeded."""
    found = types.cheapest(np.array([[1e6]]), np.array([[GIB]]))
    assert found.cpu_cores[0, 0] == types.cores.max()


def test_rounding_does_not_move_to_the_next_type(types: TypeTable) -> None:
    """4.000000000001 cores are 4."""
    exact = types.cheapest(np.array([[4.0]]), np.array([[GIB]]))
    nearly = types.cheapest(np.array([[4.0 * (1 + 1e-12)]]), np.array([[GIB]]))
    assert exact.price[0, 0] == nearly.price[0, 0]


def test_an_unknown_region_is_refused(catalog: Catalog) -> None:
    """As everywhere, with the nearest names."""
    with pytest.raises(CatalogError, match="us-east-9"):
        TypeTable.of(catalog, "us-east-9")
