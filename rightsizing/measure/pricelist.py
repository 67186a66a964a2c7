"""Refreshes the catalog: specifications by DescribeInstanceTypes, prices by the Price List API.

Each region is read whole or not at all; one that cannot be read keeps what the catalog held before,
with its older date, and is named in the result. The file is replaced in one step, so an interrupted
refresh leaves the old one.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from rightsizing.catalog.catalog import ON_DEMAND, shapes_of
from rightsizing.catalog.catalogfile import (
    CatalogFile,
    FargateTable,
    PriceTable,
    Specifications,
    format_catalog_file,
)
from rightsizing.catalog.compaction import families_of, offerings_of
from rightsizing.catalog.priceproduct import (
    FargateUnit,
    fargate_rate,
    instance_rates,
    instance_type_of,
)
from rightsizing.catalog.specification import shape_of
from rightsizing.errors import CatalogError, RightsizingError
from rightsizing.measure.awsclients import AwsClients
from rightsizing.measure.progress import Progress, ProgressListener
from rightsizing.model.shape import InstanceShape
from rightsizing.model.workload import Architecture

SOURCE = "AWS Price List API"

_EC2_FILTERS = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",  # the plain price, not that of a capacity reservation
}


@dataclass(frozen=True, slots=True)
class CatalogRefresh:
    """What a refresh did. ``failures``: one sentence for each region that was not read."""

    path: Path
    regions: tuple[str, ...]
    types: int
    prices: int
    skipped: int  # products that state no usable price
    failures: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """True when every region was read."""
        return not self.failures


@dataclass(slots=True)
class _Region:
    """What one region's calls gave."""

    shapes: dict[str, InstanceShape] = field(default_factory=dict)
    prices: dict[str, dict[str, Decimal]] = field(default_factory=lambda: defaultdict(dict))
    fargate: dict[Architecture, dict[FargateUnit, Decimal]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    published: date | None = None
    skipped: int = 0


def refresh_catalog(
    clients_of: Callable[[str], AwsClients],
    regions: Sequence[str],
    path: Path,
    progress: ProgressListener,
    *,
    base: CatalogFile,
    today: date,
) -> CatalogRefresh:
    """Read specifications and Linux list prices of some regions and write a catalog.

    Args:
        clients_of: clients for a region.
        regions: region codes, for instance ``eu-west-1``.
        path: file to write; its folder is made.
        base: the catalog whose other regions and types are kept.
        today: date of the specifications; prices carry the list's own publication date.

    Raises:
        CatalogError: no region given, or the file cannot be written.
        CredentialsError, Throttled, TelemetryError: no region at all could be read.
    """
    if not regions:
        raise CatalogError("no region given; name at least one, for instance us-east-1")
    read: dict[str, _Region] = {}
    failures: list[str] = []
    last: RightsizingError | None = None
    for done, region in enumerate(regions):
        progress(Progress(f"prices of {region}", done, len(regions)))
        try:
            read[region] = _read_region(clients_of(region), region)
        except RightsizingError as error:
            last = error
            failures.append(f"{region} was not refreshed: {error}")
    if last is not None and not read:
        raise last
    document = _merge(base, read, today)
    _write(path, format_catalog_file(document))
    progress(Progress("catalog written", len(regions), len(regions)))
    return CatalogRefresh(
        path=path,
        regions=tuple(read),
        types=len({name for found in read.values() for name in found.shapes}),
        prices=sum(len(table) for found in read.values() for table in found.prices.values()),
        skipped=sum(found.skipped for found in read.values()),
        failures=tuple(failures),
    )


def _read_region(clients: AwsClients, region: str) -> _Region:
    found = _Region()
    for record in clients.pages("ec2", "describe_instance_types", "InstanceTypes"):
        shape = shape_of(record)
        if shape is not None:
            found.shapes[shape.instance_type] = shape
    for product in _products(clients, "AmazonEC2", {**_EC2_FILTERS, "regionCode": region}, found):
        name = instance_type_of(product)
        if name not in found.shapes:  # a Mac, or "m5" alone: the price of a dedicated host
            continue
        rates = instance_rates(product)
        found.skipped += ON_DEMAND not in rates
        for option, usd in rates.items():
            found.prices[option][name] = usd
    for product in _products(clients, "AmazonECS", {"regionCode": region}, found):
        rate = fargate_rate(product)
        if rate is not None:
            found.fargate[rate.architecture][rate.unit] = rate.usd_per_hour
    if not found.prices[ON_DEMAND]:
        raise CatalogError(f"the Price List holds no Linux instance prices for {region!r}")
    return found


def _products(
    clients: AwsClients, service: str, filters: Mapping[str, str], found: _Region
) -> Iterable[Mapping[str, Any]]:
    """Products of a service; each arrives as a string of JSON."""
    terms = [
        {"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in filters.items()
    ]
    for text in clients.pages(
        "pricing", "get_products", "PriceList", ServiceCode=service, Filters=terms
    ):
        try:
            product = json.loads(text)
        except (TypeError, ValueError):
            found.skipped += 1
            continue
        published = str(product.get("publicationDate", ""))[:10]
        if published:
            stated = date.fromisoformat(published)
            found.published = max(found.published or stated, stated)
        yield product


def _merge(base: CatalogFile, read: Mapping[str, _Region], today: date) -> CatalogFile:
    shapes: dict[str, InstanceShape] = {
        shape.instance_type: shape
        for family, specification in base.specifications.families.items()
        for shape in shapes_of(family, specification)
    }
    fresh = {name: shape for found in read.values() for name, shape in found.shapes.items()}
    of_family = {shape.family: shape for shape in fresh.values()}
    for name, shape in shapes.items():  # sizes not seen now follow their family's newer flags
        newer = of_family.get(shape.family)
        if newer is not None:
            shapes[name] = replace(
                shape, current_generation=newer.current_generation, burstable=newer.burstable
            )
    shapes.update(fresh)
    kept = [table for table in base.prices if table.region not in read]
    kept_fargate = [table for table in base.fargate if table.region not in read]
    return CatalogFile(
        specifications=Specifications(
            source=f"AWS DescribeInstanceTypes in {', '.join(read)}; else "
            f"{base.specifications.source}",
            as_of=today,
            families=families_of(shapes.values()),
        ),
        prices=tuple(kept) + tuple(_tables(read, today)),
        fargate=tuple(kept_fargate) + tuple(_fargate_tables(read, today)),
        offerings_source=f"AWS DescribeInstanceTypes in {', '.join(read)}; else "
        f"{base.offerings_source}",
        offerings_as_of=today,
        offerings={
            **base.offerings,
            **{
                region: offerings_of(found.shapes, shapes.values())
                for region, found in read.items()
            },
        },
    )


def _tables(read: Mapping[str, _Region], today: date) -> Iterable[PriceTable]:
    for region, found in read.items():
        for option, types in sorted(found.prices.items()):
            yield PriceTable(
                region=region,
                option=option,
                source=SOURCE,
                as_of=found.published or today,
                types=dict(sorted(types.items())),
            )


def _fargate_tables(read: Mapping[str, _Region], today: date) -> Iterable[FargateTable]:
    for region, found in read.items():
        for architecture, rates in sorted(found.fargate.items()):
            if set(rates) == set(FargateUnit):
                yield FargateTable(
                    region=region,
                    architecture=architecture,
                    source=SOURCE,
                    as_of=found.published or today,
                    usd_per_vcpu_hour=rates[FargateUnit.VCPU],
                    usd_per_gib_hour=rates[FargateUnit.GIB],
                )


def _write(path: Path, text: str) -> None:
    """Replace the file in one step; a reader sees the old or the new catalog, never half."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CatalogError(
            f"the catalog {path} cannot be written ({error.strerror}); free space or give "
            f"another path"
        ) from None
