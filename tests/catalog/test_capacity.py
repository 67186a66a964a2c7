"""Capacity of one instance, task or container."""

from __future__ import annotations

from rightsizing.catalog.capacity import SizeCapacity, capacity_of, type_capacity
from rightsizing.catalog.catalog import Catalog
from rightsizing.model.base import NoData
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize

GIB = 2**30


def test_each_kind_of_size() -> None:
    """An m5.large has 2 vCPUs and 8 GiB; 512 units are half a vCPU; 1500 millicores 1.5 cores."""
    catalog = Catalog.load()
    fleet = FleetSize(instance_type="m5.large", min_instances=1, max_instances=9)
    service = ServiceSize(cpu_units=512, memory_mib=1024, min_tasks=1, max_tasks=9)
    container = ContainerSize(cpu_millicores=1500, memory_mib=3072)
    assert capacity_of(fleet, catalog) == SizeCapacity(2, 8 * GIB)
    assert capacity_of(service, catalog) == SizeCapacity(0.5, GIB)
    assert capacity_of(container, catalog) == SizeCapacity(1.5, 3 * GIB)


def test_an_unknown_type_has_no_capacity() -> None:
    """The reason names the type."""
    found = type_capacity("m5.gigantic", Catalog.load())
    assert isinstance(found, NoData)
    assert "m5.gigantic" in found.reason
