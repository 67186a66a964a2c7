"""vCPU and memory of one instance, task or container of a size, whatever kind of size it is."""

from __future__ import annotations

from dataclasses import dataclass

from rightsizing.catalog.catalog import Catalog
from rightsizing.errors import CatalogError
from rightsizing.model.base import NoData
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize, Size
from rightsizing.units import mib_to_bytes


@dataclass(frozen=True, slots=True)
class SizeCapacity:
    """What one instance of a size has: cores (vCPUs for EC2) and bytes."""

    cores: float
    memory_bytes: float


def capacity_of(size: Size, catalog: Catalog) -> SizeCapacity | NoData:
    """Capacity of a size; NoData for an instance type the catalog does not hold."""
    match size:
        case FleetSize():
            return type_capacity(size.instance_type, catalog)
        case ServiceSize() | ContainerSize():
            return SizeCapacity(size.cpu_cores, size.memory_bytes)


def type_capacity(instance_type: str, catalog: Catalog) -> SizeCapacity | NoData:
    """Capacity of an instance type; NoData when the catalog does not hold it."""
    try:
        shape = catalog.shape(instance_type)
    except CatalogError as error:
        return NoData(str(error))
    return SizeCapacity(shape.vcpus, mib_to_bytes(shape.memory_mib))
