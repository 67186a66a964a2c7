"""In which availability zones a region offers an instance type.

A zone has an id (``use1-az1``), the same for everybody, and a name (``us-east-1a``), which AWS maps
to an id for each account differently. Offerings are kept by id. For zones known only by name the
answer is still certain when all zones of the region offer the type, or fewer than are used; else it
is NoData.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from rightsizing.errors import CatalogError
from rightsizing.model.base import FrozenModel, NoData

BUNDLED_ZONES = Path(__file__).parent / "data" / "zones.json"
ZONE_ID_PATTERN = re.compile(r"^[a-z]+\d+-(?:[a-z]+\d-)?az\d+$")


class RegionZones(FrozenModel):
    """One region. ``offered`` maps positions in ``zones``, joined by blanks, to what exactly those
    zones offer: whole families by name, sizes of others as ``family.size``."""

    zones: tuple[str, ...]
    offered: dict[str, tuple[str, ...]]


class ZoneFile(FrozenModel):
    """The bundled offerings."""

    source: str
    as_of: date
    regions: dict[str, RegionZones]


@dataclass(frozen=True, slots=True)
class ZoneOfferings:
    """Zone ids by region, and the zone ids that offer a type or family by (region, name)."""

    _zones: Mapping[str, tuple[str, ...]]
    _offered: Mapping[tuple[str, str], frozenset[str]]
    description: str

    @classmethod
    def of(cls, document: ZoneFile) -> Self:
        """Build the look-ups from a parsed file."""
        offered = {
            (region, name): frozenset(entry.zones[int(position)] for position in positions.split())
            for region, entry in document.regions.items()
            for positions, names in entry.offered.items()
            for name in names
        }
        zones = {region: entry.zones for region, entry in document.regions.items()}
        return cls(zones, offered, f"{document.source}, {document.as_of}")

    def zones_of(self, instance_type: str, region: str) -> frozenset[str] | NoData:
        """Ids of the zones that offer the type; empty if the region does not."""
        if region not in self._zones:
            return NoData(f"no list of zones for {region} ({self.description})")
        family = instance_type.split(".", 1)[0]
        for name in (instance_type, family):
            if (region, name) in self._offered:
                return self._offered[region, name]
        return NoData(f"{self.description} does not list {instance_type} in {region}")

    def zones_in(self, region: str) -> frozenset[str]:
        """Ids of the region's zones; empty if they are not known."""
        return frozenset(self._zones.get(region, ()))

    def lacking(
        self, instance_type: str, region: str, used: Sequence[str]
    ) -> tuple[str, ...] | NoData:
        """Zones of ``used`` that do not offer the type.

        For zone names, which cannot be told apart, either all of them (fewer zones than are used
        offer it), none (all zones of the region do), or NoData.
        """
        offering = self.zones_of(instance_type, region)
        if isinstance(offering, NoData):
            return offering
        ids = {zone for zone in used if ZONE_ID_PATTERN.match(zone)}
        names = tuple(dict.fromkeys(zone for zone in used if zone not in ids))
        missing = tuple(sorted(ids - offering))
        if missing or not names:
            return missing
        left, others = offering - ids, set(self._zones[region]) - ids
        if len(left) < len(names):
            return names
        if left == others:
            return ()
        return NoData(
            f"{instance_type} is offered in {len(offering)} of {len(self._zones[region])} zones "
            f"of {region}; which of them {', '.join(names)} are differs by account, zone ids "
            f"such as {self._zones[region][0]} do not"
        )


@cache
def bundled_zones() -> ZoneOfferings:
    """The offerings that come with the package. Raises CatalogError if the file is damaged."""
    try:
        document = ZoneFile.model_validate_json(BUNDLED_ZONES.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        kind = "cannot be read" if isinstance(error, OSError) else "is damaged"
        raise CatalogError(
            f"the list of zones {BUNDLED_ZONES} {kind}; install the package again"
        ) from None
    return ZoneOfferings.of(document)
