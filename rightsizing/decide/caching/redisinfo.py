"""What Redis ``INFO`` tells about a cache in use: one point, not a curve.

Hits and misses give its ratio, memory its size; evictions say that it is too small, expirations
that the time to live ends many lives. What another size or time to live would give needs a log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rightsizing.errors import BadTrace
from rightsizing.model.base import NoData


@dataclass(frozen=True, slots=True)
class RedisFigures:
    """Counters since the server started, and its memory in bytes."""

    hits: int
    misses: int
    evicted_keys: int
    expired_keys: int
    used_bytes: int
    peak_bytes: int
    limit_bytes: int  # 0: none set
    uptime_s: int
    keys: int

    @property
    def hit_ratio(self) -> float | NoData:
        """Share (0-1) of look-ups that hit."""
        looked_up = self.hits + self.misses
        if looked_up == 0:
            return NoData("no key was looked up since the server started")
        return self.hits / looked_up

    @property
    def lookups_per_month(self) -> float | NoData:
        """Look-ups of a month of 730 hours at this rate."""
        if self.uptime_s <= 0:
            return NoData("the server has just started")
        return (self.hits + self.misses) / self.uptime_s * 730 * 3600


def parse_info(name: str, text: str) -> RedisFigures:
    """Read the output of ``redis-cli INFO``. Raises BadTrace naming what is missing."""
    fields: dict[str, str] = {}
    keys = 0
    for line in text.splitlines():
        field, colon, value = line.strip().partition(":")
        if not colon or field.startswith("#"):
            continue
        fields[field] = value
        if field.startswith("db") and field[2:].isdigit():
            keys += int(dict(part.split("=", 1) for part in value.split(",")).get("keys", "0"))
    return RedisFigures(
        hits=_number(name, fields, "keyspace_hits"),
        misses=_number(name, fields, "keyspace_misses"),
        evicted_keys=_number(name, fields, "evicted_keys"),
        expired_keys=_number(name, fields, "expired_keys"),
        used_bytes=_number(name, fields, "used_memory"),
        peak_bytes=_number(name, fields, "used_memory_peak"),
        limit_bytes=_number(name, fields, "maxmemory"),
        uptime_s=_number(name, fields, "uptime_in_seconds"),
        keys=keys,
    )


def _number(name: str, fields: Mapping[str, str], field: str) -> int:
    text = fields.get(field)
    if text is None:
        raise BadTrace(f"{name} has no {field}; give the whole output of `redis-cli INFO`")
    if not text.isdigit():
        raise BadTrace(f"{name}: {field} {text[:40]!r} must be a whole number of at least 0")
    return int(text)
