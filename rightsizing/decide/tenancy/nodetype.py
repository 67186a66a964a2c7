"""Instance types as packing sees them: what is left for tenants on one, and its price.

From the specification are taken a reserve of memory for the operating system and the container
agent, and a headroom of both. What is left is what tenants may use together, in every slot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase

import numpy as np

from rightsizing.catalog.catalog import Catalog
from rightsizing.decide.tenancy.tenants import FloatArray
from rightsizing.errors import CatalogError, ConfigError
from rightsizing.model.base import NoData
from rightsizing.model.shape import InstanceShape
from rightsizing.model.workload import Architecture


@dataclass(frozen=True, slots=True)
class Headroom:
    """What tenants may not use of an instance.

    ``cpu_ratio`` and ``memory_ratio`` are shares (0-1) kept free of tenants' load for what profiles
    do not show; ``reserved_memory_mib`` is taken first, for the system and the container agent.
    """

    cpu_ratio: float = 0.10
    memory_ratio: float = 0.10
    reserved_memory_mib: int = 512
    most_tenants: int = 120  # Amazon ECS: tasks of an instance in bridge mode are bound by ports

    def __post_init__(self) -> None:
        """Refuse shares outside 0-0.9 and other figures that leave no room."""
        for noun, value in (("CPU", self.cpu_ratio), ("memory", self.memory_ratio)):
            if not 0 <= value <= 0.9:
                raise ConfigError(f"{noun} headroom {value * 100:g} % must lie between 0 and 90 %")
        if self.reserved_memory_mib < 0:
            raise ConfigError(f"reserved memory {self.reserved_memory_mib} MiB must be at least 0")
        if self.most_tenants < 1:
            raise ConfigError(f"{self.most_tenants} tenants an instance must be at least 1")


@dataclass(frozen=True, slots=True)
class NodeType:
    """One instance type with its price and what tenants may use of it."""

    name: str
    usd_per_hour: Decimal
    cpu_cores: float
    memory_mib: float
    most_tenants: int

    def capacity(self, slots: int) -> FloatArray:
        """In the order of ``Tenants.demand``: CPU of every slot, memory MiB, places."""
        return np.array([*[self.cpu_cores] * slots, self.memory_mib, self.most_tenants])


def node_types(
    catalog: Catalog,
    region: str,
    *,
    patterns: Sequence[str] = (),
    architectures: Sequence[Architecture] = tuple(Architecture),
    headroom: Headroom | None = None,
    cores_of: Callable[[InstanceShape], float] = lambda shape: float(shape.vcpus),
) -> tuple[NodeType, ...]:
    """Types a region offers at a known price, by name.

    Without patterns, those that AWS lists as current, are not burstable or flex, have no
    accelerator and no local storage, and are not bare metal. With patterns, exactly what they name.

    Args:
        catalog: shapes and prices.
        region: AWS region.
        patterns: names such as ``m7g.large`` or ``c7g.*``.
        architectures: for which the tenants' images exist.
        headroom: what tenants may not use.
        cores_of: cores, in those that loads are measured in, of one instance.

    Raises:
        CatalogError: unknown region or type, or a pattern that matches nothing with a price.
    """
    kept = headroom or Headroom()
    found: dict[str, NodeType] = {}
    for shape in catalog.shapes(region):
        name = shape.instance_type
        wanted = any(fnmatchcase(name, item) for item in patterns) if patterns else _plain(shape)
        price = catalog.price(name, region) if wanted else NoData("not asked for")
        if isinstance(price, NoData) or shape.architecture not in architectures:
            continue
        memory = (shape.memory_mib - kept.reserved_memory_mib) * (1 - kept.memory_ratio)
        if memory > 0:
            cores = cores_of(shape) * (1 - kept.cpu_ratio)
            found[name] = NodeType(name, price.usd_per_hour, cores, memory, kept.most_tenants)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in found):
            if not any(mark in pattern for mark in "*?["):
                catalog.shape(pattern)  # raises with the nearest names for an unknown type
            raise CatalogError(
                f"no type {pattern[:60]!r} with a known price and the images' architecture in "
                f"{region}; see `rightsize catalog show`"
            )
    if not found:
        raise CatalogError(f"the catalog holds no priced type for {region}; refresh it")
    return tuple(found[name] for name in sorted(found))


def _plain(shape: InstanceShape) -> bool:
    whole = isinstance(shape.baseline_cpu_ratio, NoData)
    special = shape.burstable or shape.gpu_count or shape.local_storage_gb or shape.bare_metal
    return shape.current_generation and whole and not special


def undominated(types: Sequence[NodeType]) -> tuple[NodeType, ...]:
    """Without types for which another has as much of everything and costs no more."""
    kept: list[NodeType] = []
    for item in sorted(types, key=lambda t: (t.usd_per_hour, -t.cpu_cores, -t.memory_mib, t.name)):
        if not any(
            other.cpu_cores >= item.cpu_cores
            and other.memory_mib >= item.memory_mib
            and other.most_tenants >= item.most_tenants
            for other in kept
        ):
            kept.append(item)
    return tuple(kept)
