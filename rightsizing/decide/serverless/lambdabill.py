"""What AWS bills for a function in a month.

Duration is rounded up to a millisecond an invocation and billed by memory in GB-seconds, in tiers
over the month; initialisation is billed like duration (for all functions since 2025-08-01); each
request costs; ephemeral storage above 512 MB costs by GB-seconds. Equal to the worked examples of
https://aws.amazon.com/lambda/pricing/ ($2.73, $249.49 and $106.41 a month, $18.00 + $0.73 for
provisioned concurrency).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from rightsizing.catalog.lambdarates import (
    FREE_EPHEMERAL_MIB,
    FREE_GB_SECONDS,
    FREE_REQUESTS,
    LambdaRates,
)
from rightsizing.units import MIB_PER_GIB

_MS_PER_SECOND = 1000


@dataclass(frozen=True, slots=True)
class LambdaBill:
    """A month of one function, US dollars."""

    gb_seconds: Decimal
    compute_usd: Decimal
    request_usd: Decimal
    ephemeral_usd: Decimal

    @property
    def usd_per_month(self) -> Decimal:
        """All three parts."""
        return self.compute_usd + self.request_usd + self.ephemeral_usd


def gb_seconds(billed_ms: Decimal | int, memory_mib: int) -> Decimal:
    """Billed milliseconds at a memory size as GB-seconds."""
    return Decimal(billed_ms) * memory_mib / (_MS_PER_SECOND * MIB_PER_GIB)


def tiered_usd(amount: Decimal, rates: LambdaRates) -> Decimal:
    """GB-seconds of a month at the price of their tiers."""
    usd, below = Decimal(0), Decimal(0)
    for end, price in rates.tiers:
        upper = amount if end is None else min(amount, Decimal(end))
        usd += max(upper - below, Decimal(0)) * price
        below = upper
    return usd


def lambda_bill(
    rates: LambdaRates,
    *,
    invocations: Decimal | int,
    billed_ms_each: Decimal | int,
    memory_mib: int,
    ephemeral_mib: int = FREE_EPHEMERAL_MIB,
    free_tier: bool = False,
) -> LambdaBill:
    """A month of invocations.

    Args:
        rates: of the region and architecture.
        invocations: in the month.
        billed_ms_each: mean billed milliseconds, initialisation spread over all invocations.
        memory_mib: configured.
        ephemeral_mib: configured /tmp.
        free_tier: subtract the account's million requests and 400,000 GB-seconds.
    """
    calls = Decimal(invocations)
    duration_ms = calls * Decimal(billed_ms_each)
    used = gb_seconds(duration_ms, memory_mib)
    paid_calls = calls
    paid = used
    if free_tier:
        paid = max(used - FREE_GB_SECONDS, Decimal(0))
        paid_calls = max(calls - FREE_REQUESTS, Decimal(0))
    extra_mib = max(ephemeral_mib - FREE_EPHEMERAL_MIB, 0)
    return LambdaBill(
        gb_seconds=used,
        compute_usd=tiered_usd(paid, rates),
        request_usd=paid_calls * rates.usd_per_request,
        ephemeral_usd=gb_seconds(duration_ms, extra_mib) * rates.usd_per_ephemeral_gb_second,
    )


def provisioned_usd(
    rates: LambdaRates, *, concurrency: int, memory_mib: int, seconds: int
) -> Decimal:
    """Holding so many environments for so long; AWS rounds the time up to five minutes."""
    held = -(-seconds // 300) * 300
    amount = gb_seconds(held * _MS_PER_SECOND * concurrency, memory_mib)
    return amount * rates.usd_per_provisioned_gb_second


def provisioned_run_usd(
    rates: LambdaRates, *, invocations: int, ms: int, memory_mib: int
) -> Decimal:
    """Duration on provisioned environments."""
    return gb_seconds(invocations * ms, memory_mib) * rates.usd_per_provisioned_run_gb_second
