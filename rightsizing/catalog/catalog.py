"""Look-ups over instance shapes and list prices.

Every price carries its region, source and date. A price the catalog does not hold is
``NoData(reason)``, never zero. Data: ``data/catalog.json``, or a file written by
``rightsize catalog refresh``.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Self

from rightsizing.catalog.catalogfile import (
    BUNDLED_CATALOG,
    CatalogFile,
    FamilyPrice,
    FamilySpecification,
    FargateTable,
    PriceTable,
    SizeRow,
    read_catalog_file,
)
from rightsizing.catalog.performance import Performance, bundled_performance
from rightsizing.catalog.specification import BYTES_PER_S_PER_MBPS
from rightsizing.catalog.zones import ZoneOfferings, bundled_zones
from rightsizing.errors import CatalogError
from rightsizing.model.base import NoData
from rightsizing.model.price import Price, Rates
from rightsizing.model.shape import InstanceShape
from rightsizing.model.workload import Architecture
from rightsizing.units import usd_per_month

ON_DEMAND = "on-demand"
_SUGGESTIONS = 3


@dataclass(frozen=True, slots=True)
class Catalog:
    """Shapes by type; price tables by region and purchase option; types offered by region.

    Speeds and zones come with the package, whichever file the rest is from.
    """

    _shapes: Mapping[str, InstanceShape]
    _prices: Mapping[tuple[str, str], PriceTable]
    _fargate: Mapping[tuple[str, Architecture], FargateTable]
    _offered: Mapping[str, tuple[InstanceShape, ...]]
    description: str
    performance: Performance = field(default_factory=bundled_performance)
    zones: ZoneOfferings = field(default_factory=bundled_zones)

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Load the bundled catalog, or the file at ``path``.

        Raises CatalogError if the file is missing or damaged.
        """
        return cls.of(read_catalog_file(path or BUNDLED_CATALOG))

    @classmethod
    def of(cls, document: CatalogFile) -> Self:
        """Build the look-ups from a parsed document."""
        shapes = {
            shape.instance_type: shape
            for family, specification in document.specifications.families.items()
            for shape in shapes_of(family, specification)
        }
        sizes = {
            family: tuple(specification.sizes)
            for family, specification in document.specifications.families.items()
        }
        offered = {}
        for region, offerings in document.offerings.items():
            names = [
                f"{family}.{size}" for family in offerings.whole for size in sizes.get(family, ())
            ]
            names += [
                f"{family}.{size}" for family, part in offerings.part.items() for size in part
            ]
            offered[region] = tuple(shapes[name] for name in sorted(names) if name in shapes)
        for table in document.prices:  # a region whose offerings no source lists: what it prices
            if table.region not in offered and table.option == ON_DEMAND:
                offered[table.region] = tuple(
                    shapes[name] for name in sorted(_priced(table, sizes)) if name in shapes
                )
        on_demand = [table for table in document.prices if table.option == ON_DEMAND]
        newest = max((table.as_of for table in on_demand), default=None)
        return cls(
            _shapes=shapes,
            _prices={(table.region, table.option): table for table in document.prices},
            _fargate={(table.region, table.architecture): table for table in document.fargate},
            _offered=offered,
            description=(
                f"{len(shapes)} instance types ({document.specifications.source}, "
                f"{document.specifications.as_of}); list prices of {len(on_demand)} regions, "
                f"newest {newest or 'none'}"
            ),
        )

    def regions(self) -> tuple[str, ...]:
        """Regions whose offerings are known, sorted."""
        return tuple(sorted(self._offered))

    def shape(self, instance_type: str) -> InstanceShape:
        """Specification of a type. Raises CatalogError with the nearest names if unknown."""
        found = self._shapes.get(instance_type)
        if found is None:
            raise CatalogError(_unknown("instance type", instance_type, list(self._shapes)))
        return found

    def shapes(self, region: str) -> tuple[InstanceShape, ...]:
        """Types offered in a region, sorted by name. Raises CatalogError for an unknown region."""
        offered = self._offered.get(region)
        if offered is None:
            raise CatalogError(_unknown("region", region, list(self._offered)))
        return offered

    def offers(self, instance_type: str, region: str) -> bool:
        """True when the region offers the type. Raises CatalogError for an unknown region."""
        return any(shape.instance_type == instance_type for shape in self.shapes(region))

    def price(self, instance_type: str, region: str, option: str = ON_DEMAND) -> Price | NoData:
        """List price (Linux, shared tenancy), or why it is unknown.

        ``option`` other than on-demand gives the effective dollars an hour of a commitment, for
        instance "3y standard all-upfront". Raises CatalogError for an unknown type.
        """
        shape = self.shape(instance_type)
        table = self._prices.get((region, option))
        if table is None:
            return NoData(f"the catalog holds no {option} prices for {region}")
        usd = table.types.get(instance_type)
        if usd is None:
            family = table.families.get(shape.family)
            usd = None if family is None else self._by_rule(shape, family)
        if usd is None:
            return NoData(
                f"{table.source} of {table.as_of} gives no {option} price for {instance_type} "
                f"in {region}"
            )
        return Price(usd, region, table.source, table.as_of)

    def options(self, region: str) -> tuple[str, ...]:
        """Purchase options with a price table for the region, sorted."""
        return tuple(sorted(option for known, option in self._prices if known == region))

    def fargate_rates(
        self, region: str, architecture: Architecture = Architecture.X86_64
    ) -> Rates | NoData:
        """Fargate's Linux rates of a month of 730 hours (the list states them an hour)."""
        table = self._fargate.get((region, architecture))
        if table is None:
            return NoData(f"the catalog holds no Fargate rates for {architecture} in {region}")
        return Rates(
            usd_per_core_month=usd_per_month(table.usd_per_vcpu_hour),
            usd_per_gib_month=usd_per_month(table.usd_per_gib_hour),
            source=f"{region} Fargate list, {table.source}, {table.as_of}",
        )

    def _by_rule(self, shape: InstanceShape, family: FamilyPrice) -> Decimal | None:
        size = shape.instance_type.split(".", 1)[1]
        if size in family.unknown:
            return None
        if size in family.exceptions:
            return family.exceptions[size]
        reference = self._shapes.get(f"{shape.family}.{family.of}")
        if reference is None:
            return None
        return linear_price(family.usd, reference.memory_mib, shape.memory_mib, family.decimals)


def linear_price(
    usd_per_hour: Decimal, reference_mib: int, memory_mib: int, decimals: int
) -> Decimal:
    """The rule for a size that is no exception: price in proportion to memory, rounded half up."""
    exact = usd_per_hour * memory_mib / reference_mib
    return exact.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)


def _priced(table: PriceTable, sizes: Mapping[str, tuple[str, ...]]) -> set[str]:
    names = set(table.types)
    for family, price in table.families.items():
        names |= {f"{family}.{size}" for size in sizes.get(family, ()) if size not in price.unknown}
    return names


def shapes_of(family: str, specification: FamilySpecification) -> tuple[InstanceShape, ...]:
    """All sizes of a family, as the file lists them."""
    return tuple(
        _shape(f"{family}.{size}", specification, row) for size, row in specification.sizes.items()
    )


def _shape(name: str, family: FamilySpecification, row: SizeRow) -> InstanceShape:
    vcpus, cores, memory_mib, network, ebs, ops, baseline, accelerators, storage, metal = row
    unknown = NoData(f"AWS gives no such baseline for {name}")
    return InstanceShape(
        instance_type=name,
        vcpus=vcpus,
        physical_cores=cores,
        memory_mib=memory_mib,
        architecture=family.architecture,
        current_generation=family.current_generation,
        burstable=family.burstable,
        baseline_cpu_ratio=unknown if baseline is None else baseline,
        network_baseline_bytes_per_s=(
            unknown if network is None else network * BYTES_PER_S_PER_MBPS
        ),
        ebs_baseline_bytes_per_s=unknown if ebs is None else ebs * BYTES_PER_S_PER_MBPS,
        ebs_baseline_ops_per_s=unknown if ops is None else ops,
        gpu_count=accelerators,
        local_storage_gb=storage,
        bare_metal=metal,
    )


def _unknown(noun: str, name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=_SUGGESTIONS, cutoff=0.5)
    hint = (
        f"did you mean {', '.join(near)}?"
        if near
        else "`rightsize catalog refresh` reads the newest from AWS"
    )
    return f"{noun} {name[:60]!r} is not in the catalog of {len(known)}; {hint}"
