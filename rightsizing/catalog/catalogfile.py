"""The catalog's file format: specifications by family, price tables by region, offerings.

One JSON document, the same for the bundled catalog and for a refreshed one. A price table gives,
for each family, the price of one size and the rule "linear in memory" for the others; sizes that
break the rule are listed with their price, sizes the source does not price as unknown.
"""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from rightsizing.errors import CatalogError
from rightsizing.model.base import FrozenModel
from rightsizing.model.workload import Architecture

BUNDLED_CATALOG = Path(__file__).parent / "data" / "catalog.json"

# One size: vCPUs, physical cores, memory MiB, then baselines (network Mbit/s, EBS Mbit/s, EBS
# operations/s, share of each vCPU), accelerators, local storage GB, bare metal. null: unknown.
SizeRow = tuple[
    int, int, int, float | None, float | None, float | None, float | None, int, int, bool
]


class FamilySpecification(FrozenModel):
    """All sizes of one family."""

    architecture: Architecture
    current_generation: bool
    burstable: bool = False
    sizes: dict[str, SizeRow]


class Specifications(FrozenModel):
    """What every instance type is."""

    source: str
    as_of: date
    families: dict[str, FamilySpecification]


class FamilyPrice(FrozenModel):
    """``usd`` is the hourly price of size ``of``; another size costs that times its memory ratio,
    rounded half up to ``decimals`` places. ``unknown``: sizes the source does not price."""

    of: str
    usd: Decimal = Field(gt=0)
    decimals: int = Field(default=4, ge=0, le=8)
    exceptions: dict[str, Decimal] = Field(default_factory=dict)
    unknown: tuple[str, ...] = ()


class PriceTable(FrozenModel):
    """List prices of one region and purchase option (Linux, shared tenancy, US dollars)."""

    region: str
    option: str = "on-demand"  # or e.g. "3y standard all-upfront": effective dollars an hour
    source: str
    as_of: date
    families: dict[str, FamilyPrice] = Field(default_factory=dict)
    types: dict[str, Decimal] = Field(default_factory=dict)  # exact prices, no rule


class FargateTable(FrozenModel):
    """Fargate's Linux rates of one region."""

    region: str
    architecture: Architecture
    source: str
    as_of: date
    usd_per_vcpu_hour: Decimal = Field(gt=0)
    usd_per_gib_hour: Decimal = Field(gt=0)


class Offerings(FrozenModel):
    """Which types a region offers: whole families, and the sizes of partly offered ones."""

    whole: tuple[str, ...]
    part: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class CatalogFile(FrozenModel):
    """The whole document."""

    version: Literal[1] = 1
    specifications: Specifications
    prices: tuple[PriceTable, ...]
    fargate: tuple[FargateTable, ...] = ()
    offerings_source: str
    offerings_as_of: date
    offerings: dict[str, Offerings]


def read_catalog_file(path: Path) -> CatalogFile:
    """Read and check a catalog. Raises CatalogError naming the file and what is wrong in it."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CatalogError(
            f"the catalog {path} cannot be read ({error.strerror}); run `rightsize catalog refresh`"
        ) from None
    try:
        return CatalogFile.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise CatalogError(
            f"the catalog {path} is damaged at {place} ({first['msg']}); "
            "run `rightsize catalog refresh` or delete the file to use the bundled catalog"
        ) from None


def format_catalog_file(catalog: CatalogFile) -> str:
    """The document as JSON with one family or region a line, so that changes can be reviewed."""
    document = catalog.model_dump(mode="json", exclude_defaults=True)
    document["version"] = catalog.version
    return _format(document, depth=0) + "\n"


_OPEN_DEPTH = 4  # deeper values stay on one line


def _format(value: object, depth: int) -> str:
    indent = " " * (depth + 1)
    nested = depth < _OPEN_DEPTH
    if isinstance(value, dict) and value and nested and _holds_containers(list(value.values())):
        body = ",\n".join(
            f"{indent}{json.dumps(key)}: {_format(item, depth + 1)}" for key, item in value.items()
        )
        return "{\n" + body + "\n" + " " * depth + "}"
    if isinstance(value, list) and value and nested and _holds_containers(value):
        body = ",\n".join(indent + _format(item, depth + 1) for item in value)
        return "[\n" + body + "\n" + " " * depth + "]"
    return json.dumps(value, separators=(",", ":"))


def _holds_containers(values: list[object]) -> bool:
    return any(isinstance(value, (dict, list)) for value in values)
