"""The frontier: what less and more risk would cost."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest

from rightsizing.decide.demand import demand_of
from rightsizing.decide.frontier import CHOSEN
from rightsizing.decide.guards import guards_of
from rightsizing.decide.instance import decide_fleet
from rightsizing.decide.policy import Scope, SizingPolicy
from rightsizing.decide.recommend import recommend
from rightsizing.decide.requirement import conditions_of
from rightsizing.model.base import NoData
from rightsizing.model.price import Price
from rightsizing.model.recommendation import Exceedance
from rightsizing.model.size import FleetSize
from rightsizing.model.workload import Workload, WorkloadKind
from rightsizing.units import usd_per_month

SIZE = FleetSize(instance_type="m5.4xlarge", min_instances=1, max_instances=2)
FLEET = Workload(key="web", kind=WorkloadKind.FLEET, size=SIZE)
POLICY = SizingPolicy(allowed_types=("m5.*", "m5a.*", "m7i.*", "c5a.*", "r6a.*"))


def linear(cores: float) -> Exceedance | NoData:
    """100 minutes less for each core, none from 8 cores, unknown below 2."""
    if cores < 2:
        return NoData("exceeded most of the time")
    minutes = max(800 - 100 * cores, 0)
    return Exceedance(minutes, minutes / 2, minutes * 2, 0.9)


@pytest.fixture
def profile(make_profile, make_cpu, make_memory, steady):
    """4 cores of 16 and 9 GiB: 4 cores and 9 x e ** 0.04 = 9.37 GiB are needed."""
    return make_profile(cpu=make_cpu(steady(3.999), 16.0), memory=make_memory(9, 64))


@pytest.fixture
def points(profile, catalog):
    """The frontier of that fleet under the linear prediction."""
    outcome = decide_fleet(
        FLEET,
        SIZE,
        demand_of(profile, POLICY),
        guards_of(profile, POLICY),
        catalog,
        policy=POLICY,
        scope=Scope.ANY_FAMILY,
        credits_ran_out=False,
        conditions=conditions_of(profile),
        predict=linear,
    )
    return outcome.frontier, outcome.target.instance_type


def test_no_candidate_beats_a_point_of_the_frontier(points, catalog) -> None:
    """Brute force over every type with the memory: none is cheaper with as few minutes.

    The chosen one, which has a margin, is shown even if it is beaten.
    """
    frontier, _target = points
    speed = catalog.performance
    everything = {}
    for shape in catalog.shapes("us-east-1"):
        price = catalog.price(shape.instance_type, "us-east-1")
        predicted = linear(shape.vcpus * speed.ratio("m5", shape.family))
        if (
            POLICY.allows(shape.instance_type)
            and (shape.current_generation or shape.family == "m5")
            and shape.memory_gib >= 9.37
            and not shape.bare_metal
            and isinstance(price, Price)
            and isinstance(predicted, Exceedance)
        ):
            usd = usd_per_month(price.usd_per_hour)
            everything[shape.instance_type] = (usd, predicted.minutes_per_month)
    for point in frontier:
        own = (point.usd_per_month, point.exceedance.minutes_per_month)
        assert own == everything[point.candidate]
        assert point.chosen or not any(
            usd <= own[0] and minutes <= own[1] and (usd, minutes) != own
            for usd, minutes in everything.values()
        )
    shown = {(p.usd_per_month, p.exceedance.minutes_per_month) for p in frontier}
    for usd, minutes in everything.values():
        dominated = any(u <= usd and m <= minutes for u, m in shown)
        assert dominated


def test_dearer_means_less_risk(points) -> None:
    """Price rises and minutes fall from point to point, but for the chosen one."""
    frontier, _target = points
    assert len(frontier) > 2
    for cheaper, dearer in pairwise(point for point in frontier if not point.chosen):
        assert cheaper.usd_per_month < dearer.usd_per_month
        assert cheaper.exceedance.minutes_per_month > dearer.exceedance.minutes_per_month


def test_each_cheaper_point_says_why_it_lost(points) -> None:
    """With the value and the limit; the chosen one is marked, dearer ones name their price."""
    frontier, target = points
    chosen = next(point for point in frontier if point.chosen)
    assert chosen.candidate == target
    assert chosen.sentence == CHOSEN
    for point in frontier:
        if point.usd_per_month < chosen.usd_per_month:
            assert "4.00 are needed" in point.sentence
        elif point is not chosen:
            assert "a month more for less risk than was asked for" in point.sentence


def test_a_point_shows_how_full_it_would_be(points, catalog) -> None:
    """3.999 cores (the target) over the translated vCPUs, 9 GiB over the memory."""
    frontier, _target = points
    for point in frontier:
        shape = catalog.shape(point.candidate)
        cores = shape.vcpus * catalog.performance.ratio("m5", shape.family)
        assert point.cpu_ratio == pytest.approx(3.999 / cores, rel=0.01)
        assert point.memory_ratio == pytest.approx(9 / shape.memory_gib)


def test_what_the_evidence_forbids_is_not_on_the_frontier(
    make_profile, make_cpu, make_memory, steady, catalog
) -> None:
    """Throttled demand keeps its vCPUs: no point has fewer than 16."""
    profile = make_profile(
        cpu=make_cpu(steady(3.999), 16.0, throttled_ratio=0.5), memory=make_memory(9, 64)
    )
    found = recommend(FLEET, profile, catalog, POLICY, scope=Scope.ANY_FAMILY, rates=NoData("none"))
    for point in found.frontier:
        assert catalog.shape(point.candidate).vcpus >= 16


def test_without_prices_there_is_no_frontier(profile, catalog) -> None:
    """eu-central-2 has no dated prices, so there is nothing to trade."""
    abroad = FLEET.model_copy(update={"region": "eu-central-2"})
    for scope in Scope:
        found = recommend(abroad, profile, catalog, POLICY, scope=scope, rates=NoData("none"))
        assert found.frontier == ()


def test_a_recommendation_carries_its_frontier(profile, catalog) -> None:
    """With the bundled prediction: the target is on it, nothing is exceeded there."""
    found = recommend(FLEET, profile, catalog, POLICY, scope=Scope.ANY_FAMILY, rates=NoData("none"))
    chosen = next(point for point in found.frontier if point.chosen)
    assert chosen.candidate == found.target.instance_type
    assert chosen.exceedance == found.exceedance
    assert isinstance(chosen.usd_per_month, Decimal)
