"""Normalisation factors of instance sizes, and which reservations are flexible in size.

Source: AWS, "How Reserved Instances are applied" (apply_ri): the table of sizes, the families
without flexibility, and the platforms that have it. Sizes beyond the table follow its own rule,
8 for each ``xlarge``; a metal size counts as the largest virtual size of its family.
"""

from __future__ import annotations

import re
from fractions import Fraction

from rightsizing.errors import CatalogError

_SMALL = {
    "nano": Fraction(1, 4),
    "micro": Fraction(1, 2),
    "small": Fraction(1),
    "medium": Fraction(2),
    "large": Fraction(4),
    "xlarge": Fraction(8),
}
_PER_XLARGE = 8
_XLARGES = re.compile(r"^(?P<count>\d+)xlarge$")
_METAL = re.compile(r"^metal-(?P<count>\d+)xl$")
# Plain "metal" names no size: the virtual size it equals, by family (same source).
_METAL_FACTORS = {
    "a1": 32,
    "c5n": 144,
    "i3": 128,
    "i3en": 192,
    "m6g": 128,
    "m6gd": 128,
    "c6g": 128,
    "c6gd": 128,
    "r6g": 128,
    "r6gd": 128,
    "x2gd": 128,
    "z1d": 96,
}
_METAL_24XL = frozenset(
    {"c5", "c5d", "m5", "m5d", "m5dn", "m5n", "r5", "r5b", "r5d", "r5dn", "r5n"}
)
NOT_FLEXIBLE_FAMILIES = frozenset({"g4ad", "g4dn", "g5", "g5g", "inf1"})
LINUX = "Linux/UNIX"
SHARED = "shared"


def split_type(instance_type: str) -> tuple[str, str]:
    """Family and size. Raises CatalogError for a name without a dot."""
    family, dot, size = instance_type.partition(".")
    if not (family and dot and size):
        raise CatalogError(f"{instance_type[:60]!r} is not an instance type such as m7g.large")
    return family, size


def normalisation_factor(instance_type: str) -> float:
    """Units of one running instance. Raises CatalogError for a size without a factor."""
    family, size = split_type(instance_type)
    if size in _SMALL:
        return float(_SMALL[size])
    found = _XLARGES.match(size) or _METAL.match(size)
    if found is not None:
        return float(_PER_XLARGE * int(found["count"]))
    if size == "metal":
        if family in _METAL_24XL:
            return 192.0
        if family in _METAL_FACTORS:
            return float(_METAL_FACTORS[family])
    raise CatalogError(
        f"{instance_type[:60]!r} has no known normalisation factor; reserve that exact type"
    )


def is_size_flexible(family: str, platform: str, tenancy: str) -> bool:
    """Whether a regional reservation covers other sizes of its family."""
    return platform == LINUX and tenancy == SHARED and family not in NOT_FLEXIBLE_FAMILIES
