"""ElastiCache nodes: usable memory and list prices (us-east-1, on demand).

Current generations only, 2025-04-24, by LeanerCloud's ec2-instances-info. Memory is what AWS gives
the engine on the node; of that it reserves a quarter for copies and connections unless told
otherwise (``reserved-memory-percent``, default 25). Valkey is listed at four fifths of Redis OSS.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum, unique

from rightsizing.model.base import NoData
from rightsizing.model.price import Price

RESERVED_RATIO = 0.25
SOURCE = "ElastiCache list (LeanerCloud ec2-instances-info)"
AS_OF = date(2025, 4, 24)
_VALKEY_RATIO = Decimal("0.8")


@unique
class CacheEngine(StrEnum):
    """What runs on a node."""

    REDIS = "redis"
    VALKEY = "valkey"


@dataclass(frozen=True, slots=True)
class CacheNode:
    """One node type; ``usable_bytes`` is what is left for data, after the reserve."""

    node_type: str
    vcpus: int
    memory_gib: float
    redis_usd_per_hour: Decimal

    @property
    def usable_bytes(self) -> float:
        """Bytes for keys and values with their overhead."""
        return self.memory_gib * (1 - RESERVED_RATIO) * 1024**3

    def price(self, region: str, engine: CacheEngine) -> Price | NoData:
        """List price; NoData where the package holds none."""
        if region != "us-east-1":
            return NoData(
                f"the package holds ElastiCache prices of us-east-1 only, not of {region}"
            )
        ratio = _VALKEY_RATIO if engine is CacheEngine.VALKEY else Decimal(1)
        return Price(self.redis_usd_per_hour * ratio, region, SOURCE, AS_OF)


_ROWS = (
    ("cache.t4g.micro", 2, 0.5, "0.016"),
    ("cache.t4g.small", 2, 1.37, "0.032"),
    ("cache.t4g.medium", 2, 3.09, "0.065"),
    ("cache.m7g.large", 2, 6.38, "0.158"),
    ("cache.m7g.xlarge", 4, 12.93, "0.315"),
    ("cache.r7g.large", 2, 13.07, "0.219"),
    ("cache.r7g.xlarge", 4, 26.32, "0.437"),
    ("cache.r7g.2xlarge", 8, 52.82, "0.873"),
    ("cache.r7g.4xlarge", 16, 105.81, "1.745"),
    ("cache.r7g.8xlarge", 32, 209.55, "3.491"),
    ("cache.r7g.12xlarge", 48, 317.77, "5.235"),
    ("cache.r7g.16xlarge", 64, 419.09, "6.981"),
)
CACHE_NODES = tuple(
    CacheNode(name, vcpus, memory, Decimal(usd)) for name, vcpus, memory, usd in _ROWS
)


def cheapest_node(size_bytes: float) -> CacheNode | NoData:
    """The cheapest node that holds so many bytes."""
    fitting = [node for node in CACHE_NODES if node.usable_bytes >= size_bytes]
    if not fitting:
        return NoData(f"no node holds {size_bytes / 1024**3:,.1f} GiB; shard it over several")
    return min(fitting, key=lambda node: node.redis_usd_per_hour)
