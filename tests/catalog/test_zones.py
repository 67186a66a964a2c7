"""In which zones a type is offered, by zone id and by zone name."""

from __future__ import annotations

import gzip
import json
from datetime import date
from pathlib import Path

import moto
import pytest

from rightsizing.catalog.catalog import Catalog
from rightsizing.catalog.zones import ZONE_ID_PATTERN, RegionZones, ZoneFile, ZoneOfferings
from rightsizing.model.base import NoData

IDS = ("xx1-az1", "xx1-az2", "xx1-az3")


@pytest.fixture
def offerings() -> ZoneOfferings:
    """m5 in all three zones, c5 in the first two, one size of r5 in the last only."""
    region = RegionZones(
        zones=IDS, offered={"0 1 2": ("m5",), "0 1": ("c5", "r5.large"), "2": ("r5.xlarge",)}
    )
    return ZoneOfferings.of(
        ZoneFile(source="by hand", as_of=date(2026, 1, 2), regions={"xx-1": region})
    )


@pytest.mark.parametrize(
    ("instance_type", "used", "lacking"),
    [
        ("c5.large", ("xx1-az1", "xx1-az2"), ()),
        ("c5.large", ("xx1-az1", "xx1-az3"), ("xx1-az3",)),
        ("r5.xlarge", IDS, ("xx1-az1", "xx1-az2")),
        ("m5.large", ("xx-1a", "xx-1b"), ()),  # every zone offers it, whichever these are
        ("r5.xlarge", ("xx-1a", "xx-1b"), ("xx-1a", "xx-1b")),  # one zone cannot be both
        ("c5.large", (), ()),
    ],
)
def test_what_is_certain(offerings, instance_type, used, lacking) -> None:
    """Ids are compared; names only where the answer does not depend on the account."""
    assert offerings.lacking(instance_type, "xx-1", used) == lacking


@pytest.mark.parametrize(
    ("instance_type", "region", "used"),
    [
        ("c5.large", "xx-1", ("xx-1a",)),  # two of three zones: it may be the third
        ("z9.large", "xx-1", ("xx1-az1",)),
        ("m5.large", "yy-1", ("yy1-az1",)),
    ],
)
def test_what_is_not_known(offerings, instance_type, region, used) -> None:
    """A type or region the list lacks, or a name that may be any zone."""
    assert isinstance(offerings.lacking(instance_type, region, used), NoData)


def test_a_zone_with_id_and_one_with_name(offerings) -> None:
    """c5 is in az1 and az2; with az1 taken, the named zone may be az2 or az3."""
    assert isinstance(offerings.lacking("c5.large", "xx-1", ("xx1-az1", "xx-1b")), NoData)
    assert offerings.lacking("c5.large", "xx-1", ("xx1-az1", "xx-1b", "xx-1c")) == (
        "xx-1b",
        "xx-1c",
    )


def test_the_bundled_list_equals_its_source() -> None:
    """Every type the catalog holds, in every zone of three regions."""
    catalog = Catalog.load()
    folder = Path(moto.__file__).parent / "ec2/resources/instance_type_offerings"
    compared = 0
    for region in ("us-east-1", "eu-west-1", "ap-southeast-2"):
        packed = folder / "availability-zone-id" / f"{region}.json.gz"
        listed: dict[str, set[str]] = {}
        for entry in json.loads(gzip.decompress(packed.read_bytes())):
            listed.setdefault(entry["InstanceType"], set()).add(entry["Location"])
        for shape in catalog.shapes(region):
            name = shape.instance_type
            assert catalog.zones.zones_of(name, region) == listed[name], (region, name)
            compared += 1
        assert all(ZONE_ID_PATTERN.match(zone) for zone in catalog.zones.zones_in(region))
    assert compared > 2_000


def test_the_oldest_zone_of_virginia_lacks_the_newer_types() -> None:
    """use1-az3 has no m7g; t2 is everywhere but there is no promise for that."""
    zones = Catalog.load().zones
    assert zones.lacking("m7g.large", "us-east-1", ("use1-az1", "use1-az3")) == ("use1-az3",)
    assert zones.lacking("m7g.large", "us-east-1", ("use1-az1", "use1-az2")) == ()
