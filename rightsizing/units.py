"""Units and the only conversions between them.

Names carry units everywhere: ``_millicores``, ``_cpu_units`` (ECS, 1024 a vCPU), ``_mib``/``_gib``
(powers of two), ``_bytes``, ``_seconds``, ``_usd_per_hour``, ``_usd_per_month``, ``_ratio`` (0-1),
``_pct`` (0-100). Money that is stored or compared is ``Decimal``.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

HOURS_PER_MONTH = 730  # AWS's own convention (Cost Optimization Hub, pricing pages): 8,760 / 12
MONTHS_PER_YEAR = 12
MINUTES_PER_MONTH = HOURS_PER_MONTH * 60
BYTES_PER_MIB = 1024**2
BYTES_PER_GIB = 1024**3
MIB_PER_GIB = 1024
MILLICORES_PER_CORE = 1000
CPU_UNITS_PER_VCPU = 1024  # Amazon ECS task CPU units
SECONDS_PER_DAY = 86_400
MILLISECONDS_PER_DAY = SECONDS_PER_DAY * 1000

_CENT = Decimal("0.01")
_EPOCH = date(1970, 1, 1)
_LAST_DAY = (date.max - _EPOCH).days


def usd_per_month(usd_per_hour: Decimal) -> Decimal:
    """Convert an hourly price to a month of 730 hours, unrounded."""
    return usd_per_hour * HOURS_PER_MONTH


def to_cents(amount: Decimal) -> Decimal:
    """Round half up to whole cents; only for showing, never before adding."""
    return amount.quantize(_CENT, rounding=ROUND_HALF_UP)


def gib(size_bytes: float) -> float:
    """Bytes to GiB."""
    return size_bytes / BYTES_PER_GIB


def mib_to_bytes(size_mib: int) -> int:
    """MiB to bytes, exact."""
    return size_mib * BYTES_PER_MIB


def format_usd(amount: Decimal) -> str:
    """``$1,234.50``, with a leading minus for negative amounts."""
    rounded = to_cents(amount)
    return f"-${-rounded:,.2f}" if rounded < 0 else f"${rounded:,.2f}"


def format_day(day: int) -> str:
    """A day since 1970-01-01 as ``2026-11-03``; ``day N`` beyond the year 9999."""
    return str(_EPOCH + timedelta(days=day)) if day <= _LAST_DAY else f"day {day}"
