# ruff: noqa: INP001, a script, not a package
"""Rebuild ``rightsizing/catalog/data/zones.json``: which zones of a region offer which types.

    python tools/build_zones.py [output]

The source is moto's bundled copy of DescribeInstanceTypeOfferings by zone id (Apache-2.0). Families
whose sizes are all offered in the same zones are named once.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

import moto

from rightsizing.catalog.catalogfile import BUNDLED_CATALOG, read_catalog_file
from rightsizing.catalog.zones import BUNDLED_ZONES, ZoneFile

OFFERINGS = Path(moto.__file__).parent / "ec2/resources/instance_type_offerings"
MOTO_AS_OF = "2026-10-27"  # moto's files carry no date; its 5.2.5 release was packed on this day


def main(output: Path) -> None:
    """Write the zones of every region, one region a line."""
    specified = read_catalog_file(BUNDLED_CATALOG).specifications.families
    known = {f"{family}.{size}" for family, entry in specified.items() for size in entry.sizes}
    lines = []
    for path in sorted((OFFERINGS / "availability-zone-id").glob("*.json.gz")):
        found: dict[str, set[str]] = defaultdict(set)
        for entry in json.loads(gzip.decompress(path.read_bytes())):
            if entry["InstanceType"] in known:
                found[entry["InstanceType"]].add(entry["Location"])
        region = path.name.removesuffix(".json.gz")
        lines.append(f"  {json.dumps(region)}: {json.dumps(packed(found), separators=(',', ':'))}")
    named = f"moto {version('moto')} bundled DescribeInstanceTypeOfferings by zone id (Apache-2.0)"
    body = ",\n".join(lines)
    output.write_text(
        f'{{\n "source": {json.dumps(named)},\n "as_of": "{MOTO_AS_OF}",\n'
        f' "regions": {{\n{body}\n }}\n}}\n',
        encoding="utf-8",
    )
    ZoneFile.model_validate_json(output.read_text(encoding="utf-8"))
    sys.stdout.write(f"{output}: {output.stat().st_size:,} bytes, {len(lines)} regions\n")


def packed(found: dict[str, set[str]]) -> dict[str, object]:
    """Types grouped by the positions of the zones that offer them, families first."""
    zones = sorted(set().union(*found.values()))
    families: dict[str, dict[str, str]] = defaultdict(dict)
    for name, offering in found.items():
        positions = " ".join(str(zones.index(zone)) for zone in sorted(offering))
        families[name.split(".", 1)[0]][name] = positions
    groups: dict[str, list[str]] = defaultdict(list)
    for family, sizes in families.items():
        if len(set(sizes.values())) == 1:
            groups[next(iter(sizes.values()))].append(family)
        else:
            for name, positions in sizes.items():
                groups[positions].append(name)
    return {
        "zones": zones,
        "offered": {positions: sorted(groups[positions]) for positions in sorted(groups)},
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else BUNDLED_ZONES)
