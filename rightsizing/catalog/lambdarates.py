"""AWS Lambda's list prices and limits.

us-east-1, as of 2024-07-01 by infracost's golden files, and the same on AWS's own page as read in
2026 (https://aws.amazon.com/lambda/pricing/): duration tiers, requests, ephemeral storage above
512 MB, provisioned concurrency. Limits: the Lambda developer guide, "Lambda quotas". A GB is 2^30
bytes there, so memory in MiB over 1,024.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from rightsizing.model.base import NoData
from rightsizing.model.workload import Architecture

LEAST_MEMORY_MIB = 128
MOST_MEMORY_MIB = 10_240
MIB_PER_VCPU = 1_769  # memory at which a function has the equivalent of one vCPU
MOST_SECONDS = 900
FREE_EPHEMERAL_MIB = 512
MOST_EPHEMERAL_MIB = 10_240
FREE_REQUESTS = 1_000_000  # a month and account, of the free tier
FREE_GB_SECONDS = 400_000


@dataclass(frozen=True, slots=True)
class LambdaRates:
    """Prices of one region and architecture, US dollars.

    ``tiers`` are (GB-seconds of a month up to which it holds, dollars a GB-second); the last has
    no end (None).
    """

    tiers: tuple[tuple[int | None, Decimal], ...]
    usd_per_request: Decimal
    usd_per_ephemeral_gb_second: Decimal
    usd_per_provisioned_gb_second: Decimal  # held
    usd_per_provisioned_run_gb_second: Decimal  # run on what is held
    source: str
    as_of: date


_SOURCE = "us-east-1 Lambda list (infracost golden files)"
_REQUEST = Decimal("0.0000002")
_EPHEMERAL = Decimal("3.09e-8")
_RATES = {
    Architecture.X86_64: LambdaRates(
        tiers=(
            (6_000_000_000, Decimal("0.0000166667")),
            (15_000_000_000, Decimal("0.000015")),
            (None, Decimal("0.0000133334")),
        ),
        usd_per_request=_REQUEST,
        usd_per_ephemeral_gb_second=_EPHEMERAL,
        usd_per_provisioned_gb_second=Decimal("0.0000041667"),
        usd_per_provisioned_run_gb_second=Decimal("0.0000097222"),
        source=_SOURCE,
        as_of=date(2024, 7, 1),
    ),
    Architecture.ARM64: LambdaRates(
        tiers=(
            (7_500_000_000, Decimal("0.0000133334")),
            (18_750_000_000, Decimal("0.0000120001")),
            (None, Decimal("0.0000106667")),
        ),
        usd_per_request=_REQUEST,
        usd_per_ephemeral_gb_second=_EPHEMERAL,
        usd_per_provisioned_gb_second=Decimal("0.0000033334"),
        usd_per_provisioned_run_gb_second=Decimal("0.0000077778"),
        source=_SOURCE,
        as_of=date(2024, 7, 1),
    ),
}


def lambda_rates(region: str, architecture: Architecture) -> LambdaRates | NoData:
    """The list of a region; NoData where the package holds none."""
    if region != "us-east-1":
        return NoData(f"the package holds Lambda prices of us-east-1 only, not of {region}")
    return _RATES[architecture]
