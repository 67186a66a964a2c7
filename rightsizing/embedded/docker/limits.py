"""A container's limits: Pulumi's units and Docker's.

``cpus`` is text such as "1.75", sent as whole billionths of a CPU; ``memory`` and ``memorySwap``
are whole MiB (the provider's documentation says MB), -1 swap means unlimited.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from rightsizing.errors import EmbeddedError
from rightsizing.model.update import Json
from rightsizing.units import BYTES_PER_MIB

_NANO = 1_000_000_000


def nano_cpus(cpus: Json) -> int:
    """Billionths of a CPU. Docker's own parser refuses what is not a whole number of them."""
    try:
        exact = Decimal(str(cpus)) * _NANO
    except InvalidOperation as error:
        raise EmbeddedError(f"cpus {cpus!r} is not a number such as 1.75") from error
    if exact != exact.to_integral_value() or exact < 0:
        raise EmbeddedError(f"cpus {cpus!r} is too precise: use at most nine decimals, at least 0")
    return int(exact)


def cpus_text(nano: int) -> str:
    """Billionths back to the shortest decimal text: 1750000000 is "1.75"."""
    return format((Decimal(nano) / _NANO).normalize(), "f")


def bytes_of(mib: Json) -> int:
    """MiB to bytes; zero and negative figures keep their meaning."""
    count = int(mib)
    return count * BYTES_PER_MIB if count > 0 else count


def mib_of(size_bytes: int) -> int:
    """Bytes to whole MiB, as the provider reads them back; zero and negative figures stay."""
    return size_bytes // BYTES_PER_MIB if size_bytes > 0 else size_bytes
