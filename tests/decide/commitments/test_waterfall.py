"""The billing waterfall: AWS's published scenarios, hand-derived ones, and invariants."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.decide.commitments.waterfall import bill
from rightsizing.errors import CatalogError, ConfigError, TelemetryError
from rightsizing.model.commitment import PaymentOption, PlanKind
from rightsizing.model.hourlyusage import Service, Sku, Usage
from rightsizing.model.normalisation import LINUX, SHARED, normalisation_factor
from rightsizing.model.offer import Holding, Offer

REGION = "us-east-1"


def sku(name: str, usd: float, zone: str | None = None, **more) -> Sku:
    return Sku(name, REGION, usd, zone=zone, **more)


def hours(skus, *rows) -> Usage:
    return Usage(tuple(skus), np.array(rows, dtype=float))


def reservation(name: str, usd: float, count: float, zone: str | None = None, **more) -> Holding:
    offer = Offer(
        f"ri-{name}-{zone}",
        PlanKind.ZONAL_RI if zone else PlanKind.REGIONAL_RI,
        1,
        PaymentOption.NO_UPFRONT,
        {(name, REGION, LINUX, SHARED): usd},
        region=REGION,
        instance_type=name,
        zone=zone,
        **more,
    )
    return Holding(offer, count)


def plan(kind: PlanKind, rates: dict[Sku, float], usd: float, family: str | None = None) -> Holding:
    offer = Offer(
        f"{kind.value}-{family}",
        kind,
        1,
        PaymentOption.NO_UPFRONT,
        {item.price_key: rate for item, rate in rates.items()},
        region=REGION if family else None,
        family=family,
    )
    return Holding(offer, usd)


def test_reservations_of_the_published_scenario() -> None:
    """EC2 guide, apply_ri: zonal fits exactly, regional large ones cover half of an xlarge each."""
    skus = [sku("m3.large", 0.133, "a"), sku("m4.xlarge", 0.2, "b"), sku("c4.xlarge", 0.199, "c")]
    found = bill(
        hours(skus, [4, 4, 1]),
        [
            reservation("m3.large", 0.1, 4, "a"),
            reservation("m4.large", 0.06, 4),
            reservation("c4.large", 0.06, 1),
        ],
    )
    # 4 x 4 units of m4.large are 2 of 4 m4.xlarge (8 units each); 4 units are half a c4.xlarge.
    assert found.on_demand[0].tolist() == [0, 2, 0.5]
    assert found.unused_usd == pytest.approx(0)


def test_a_medium_reservation_covers_two_smalls_or_half_a_large() -> None:
    """EC2 guide: t2.medium (2 units) is two t2.small, or half a t2.large."""
    held = [reservation("t2.medium", 0.03, 1)]
    assert bill(hours([sku("t2.small", 0.023)], [2]), held).on_demand[0, 0] == 0
    assert bill(hours([sku("t2.large", 0.0928)], [1]), held).on_demand[0, 0] == 0.5


def test_flexible_reservations_serve_small_sizes_first() -> None:
    """8 units: 1 small (1), 1 medium (2), then 5 of the 8 units of the xlarge."""
    skus = [sku("t3.xlarge", 0.1664), sku("t3.small", 0.0208), sku("t3.medium", 0.0416)]
    found = bill(hours(skus, [1, 1, 1]), [reservation("t3.xlarge", 0.1, 1)])
    assert found.on_demand[0].tolist() == pytest.approx([3 / 8, 0, 0])


@pytest.mark.parametrize(
    ("name", "platform"), [("g5.xlarge", LINUX), ("m5.large", "Windows"), ("m5.large", "RHEL")]
)
def test_what_is_not_size_flexible_covers_its_own_type_only(name: str, platform: str) -> None:
    """Windows, RHEL and accelerated families have no flexibility."""
    family = name.partition(".")[0]
    skus = [sku(name, 1.0, platform=platform), sku(f"{family}.2xlarge", 2.0, platform=platform)]
    found = bill(hours(skus, [0, 1]), [reservation(name, 0.5, 4, platform=platform)])
    assert found.on_demand[0].tolist() == [0, 1]


R5, M5 = sku("r5.4xlarge", 1.0), sku("m5.24xlarge", 10.0)
VCPU = sku("Fargate-vCPU-Hours", 0.04, service=Service.FARGATE)
MEMORY = sku("Fargate-GB-Hours", 0.004, service=Service.FARGATE)
SECONDS = sku("Lambda-GB-Second", 0.000015, service=Service.LAMBDA)
REQUESTS = sku("Lambda-Requests-Million", 0.20, service=Service.LAMBDA)
# Savings Plans user guide, sp-applying: rates and usage of its example hour.
ALL = [R5, M5, VCPU, MEMORY, SECONDS, REQUESTS]
COMPUTE = {R5: 0.70, M5: 8.20, VCPU: 0.03, MEMORY: 0.003, SECONDS: 0.00001275, REQUESTS: 0.20}
HOUR = [4, 1, 400, 1600, 1_500_000, 1]


def test_a_plan_larger_than_the_usage_covers_all_and_loses_the_rest() -> None:
    """Its first scenario, $47.13 of 50: 2.80 + 8.20 + 12 + 4.80 + 19.125 + 0.20."""
    found = bill(hours(ALL, HOUR), [plan(PlanKind.COMPUTE_SP, COMPUTE, 50)])
    assert found.on_demand_usd == 0
    assert found.used_usd[0, 0] == pytest.approx(47.125)
    assert found.total_usd == pytest.approx(50)
    assert found.unused_usd == pytest.approx(2.875)


def test_a_small_plan_goes_to_the_highest_saving() -> None:
    """$2 an hour at 0.70 covers 2.857 of the 4 r5 (30 % off, more than 25 % and 18 %)."""
    found = bill(hours(ALL, HOUR), [plan(PlanKind.COMPUTE_SP, COMPUTE, 2)])
    assert found.covered[0][0].tolist() == pytest.approx([2 / 0.7, 0, 0, 0, 0, 0])


def test_instance_plans_come_before_compute_plans() -> None:
    """r5 at 0.60 under its own plan (2.40 of 3); Compute's 16.80 pays Fargate."""
    found = bill(
        hours(ALL, HOUR),
        [
            plan(PlanKind.COMPUTE_SP, COMPUTE, 16.80),
            plan(PlanKind.EC2_INSTANCE_SP, {R5: 0.60}, 3, "r5"),
        ],
    )
    assert found.used_usd[0].tolist() == pytest.approx([16.80, 2.40])
    assert found.on_demand[0].tolist() == pytest.approx([0, 1, 0, 0, 1_500_000, 1])
    assert found.total() == Decimal("52.5")  # 16.80 + 3 + 10 + 22.50 + 0.20


def test_equal_savings_go_to_the_lowest_rate() -> None:
    """Both half price: the one of the lower rate is covered first."""
    skus = [sku("m5.xlarge", 0.2), sku("m5.large", 0.1)]
    held = [plan(PlanKind.COMPUTE_SP, {skus[0]: 0.1, skus[1]: 0.05}, 0.05)]
    assert bill(hours(skus, [1, 1]), held).covered[0][0].tolist() == pytest.approx([0, 1])


def test_ones_own_account_is_served_first() -> None:
    """The owner's lower saving comes before another account's higher one."""
    mine, theirs = sku("m5.large", 0.1, account="1"), sku("r5.large", 0.2, account="2")
    offer = Offer(
        "x",
        PlanKind.COMPUTE_SP,
        1,
        PaymentOption.NO_UPFRONT,
        {mine.price_key: 0.08, theirs.price_key: 0.1},
        account="1",
    )
    found = bill(hours([mine, theirs], [1, 1]), [Holding(offer, 0.08)])
    assert found.on_demand[0].tolist() == pytest.approx([0, 1])


def test_holdings_cost_and_cover_within_their_dates_only() -> None:
    """Hours 1 and 2 of 4: covered and paid there."""
    held = reservation("m5.large", 0.06, 1)
    dated = Holding(held.offer, 1, 1, 3)
    found = bill(hours([sku("m5.large", 0.1)], [1], [1], [1], [1]), [dated])
    assert found.on_demand[:, 0].tolist() == [1, 0, 0, 1]
    assert found.total() == Decimal("0.32")  # 2 x 0.1 + 2 x 0.06


def test_hours_without_data_count_on_neither_side() -> None:
    """A hole costs nothing, is covered by nothing, and is no zero."""
    found = bill(hours([sku("m5.large", 0.1)], [1], [np.nan]), [reservation("m5.large", 0.06, 1)])
    assert found.total() == Decimal("0.06")
    assert found.usage.hours == 1


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("t3.nano", 0.25),
        ("m5.9xlarge", 72),
        ("m5.metal", 192),
        ("c5n.metal", 144),
        ("a1.metal", 32),
    ],
)
def test_factors(name: str, factor: float) -> None:
    """AWS's table."""
    assert normalisation_factor(name) == factor


def test_mistakes_are_one_sentence() -> None:
    """Negative usage, negative commitments and unknown sizes are refused by name."""
    with pytest.raises(TelemetryError, match=r"m5.large is -1 in hour 0"):
        hours([sku("m5.large", 0.1)], [-1])
    with pytest.raises(ConfigError, match="must be 0 or more"):
        reservation("m5.large", 0.06, -1)
    with pytest.raises(CatalogError, match=r"x9.huge"):
        normalisation_factor("x9.huge")


NAMES = [("m5.large", 0.096), ("m5.xlarge", 0.192), ("c5.large", 0.085), ("r5.2xlarge", 0.504)]
SKUS = [sku(name, usd, zone) for name, usd in NAMES for zone in ("a", "b")]
counts = st.floats(0, 20).map(lambda value: round(value, 3))


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.lists(counts, min_size=8, max_size=8), min_size=1, max_size=4),
    zonal=counts,
    regional=counts,
    own=counts,
    compute=counts,
    more=counts,
)
def test_conserved_and_monotone(rows, zonal, regional, own, compute, more) -> None:
    """Units are conserved, nothing is used twice or over, and more never costs more on demand."""
    own_rates = {item: 0.6 * item.usd_per_unit for item in SKUS if item.family == "m5"}
    rates = {item: (0.7 + 0.01 * place) * item.usd_per_unit for place, item in enumerate(SKUS)}
    usage = hours(SKUS, *rows)

    def held(extra: float) -> list[Holding]:
        return [
            plan(PlanKind.COMPUTE_SP, rates, compute + extra),
            plan(PlanKind.EC2_INSTANCE_SP, own_rates, own + extra, "m5"),
            reservation("m5.xlarge", 0.12, regional + extra),
            reservation("c5.large", 0.05, zonal + extra, "a"),
        ]

    found = bill(usage, held(0))
    whole = sum(found.covered) + found.on_demand
    assert np.allclose(whole, usage.quantity, atol=1e-9)
    assert min(part.min() for part in (*found.covered, found.on_demand)) >= 0
    assert (found.used_usd <= found.committed_usd + 1e-9).all()
    # List cost splits into covered and on demand, to a hundredth of a cent.
    assert found.covered_list_usd + found.on_demand_usd == pytest.approx(usage.list_usd, abs=1e-4)
    assert bill(usage, held(more)).on_demand_usd <= found.on_demand_usd + 1e-6
