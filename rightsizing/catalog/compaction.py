"""Turns shapes and offered names into the catalog's compact form: sizes under their family."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from rightsizing.catalog.catalogfile import FamilySpecification, Offerings, SizeRow
from rightsizing.catalog.specification import BYTES_PER_S_PER_MBPS
from rightsizing.errors import CatalogError
from rightsizing.model.base import NoData
from rightsizing.model.shape import InstanceShape


def families_of(shapes: Iterable[InstanceShape]) -> dict[str, FamilySpecification]:
    """Group shapes by family, families by name, sizes by memory.

    Raises CatalogError if two sizes of a family disagree on what a family shares.
    """
    grouped: dict[str, list[InstanceShape]] = defaultdict(list)
    for shape in shapes:
        grouped[shape.family].append(shape)
    return {family: _family(family, grouped[family]) for family in sorted(grouped)}


def offerings_of(names: Iterable[str], shapes: Iterable[InstanceShape]) -> Offerings:
    """Types offered somewhere: whole families by name, the sizes of the others. Unknown names
    are left out."""
    sizes: dict[str, set[str]] = defaultdict(set)
    for shape in shapes:
        sizes[shape.family].add(_size(shape))
    offered: dict[str, set[str]] = defaultdict(set)
    for name in names:
        family, _, size = name.partition(".")
        if size in sizes.get(family, ()):
            offered[family].add(size)
    return Offerings(
        whole=tuple(sorted(family for family in offered if offered[family] == sizes[family])),
        part={
            family: tuple(sorted(offered[family]))
            for family in sorted(offered)
            if offered[family] != sizes[family]
        },
    )


def _family(family: str, shapes: list[InstanceShape]) -> FamilySpecification:
    shared = {(shape.architecture, shape.current_generation, shape.burstable) for shape in shapes}
    if len(shared) != 1:
        raise CatalogError(
            f"the sizes of family {family} disagree on architecture, generation or burst "
            f"({len(shared)} combinations); the specification source mixes dates"
        )
    architecture, current_generation, burstable = shared.pop()
    ordered = sorted(shapes, key=lambda shape: (shape.memory_mib, shape.instance_type))
    return FamilySpecification(
        architecture=architecture,
        current_generation=current_generation,
        burstable=burstable,
        sizes={_size(shape): _row(shape) for shape in ordered},
    )


def _size(shape: InstanceShape) -> str:
    return shape.instance_type.split(".", 1)[1]


def _row(shape: InstanceShape) -> SizeRow:
    return (
        shape.vcpus,
        shape.physical_cores,
        shape.memory_mib,
        _mbps(shape.network_baseline_bytes_per_s),
        _mbps(shape.ebs_baseline_bytes_per_s),
        _shortest(shape.ebs_baseline_ops_per_s),
        _shortest(shape.baseline_cpu_ratio),
        shape.gpu_count,
        shape.local_storage_gb,
        shape.bare_metal,
    )


def _mbps(bytes_per_s: float | NoData) -> float | None:
    if isinstance(bytes_per_s, NoData):
        return None
    return _shortest(round(bytes_per_s / BYTES_PER_S_PER_MBPS, 3))


def _shortest(figure: float | NoData) -> float | None:
    """Whole figures as integers: a third of the file would be ``.0``."""
    if isinstance(figure, NoData):
        return None
    return int(figure) if float(figure).is_integer() else figure
