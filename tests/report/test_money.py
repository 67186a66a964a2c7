"""Money of a preview: what each workload and slot costs before and after."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rightsizing.model.base import NoData
from rightsizing.model.price import MonthlyCost, Rates
from rightsizing.model.release import Release
from rightsizing.model.rollout import FleetRollout, RolloutState, Slot, SlotState
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.update import OperationResult, PropertyChange, Step, StepOp, UpdateStatus
from rightsizing.model.workload import Architecture, Workload, WorkloadKind
from rightsizing.report.jsonview import preview
from rightsizing.report.money import WorkloadRates, preview_money
from rightsizing.report.previewpage import preview_page
from rightsizing.report.terminal import terminal_text

M5 = FleetSize(instance_type="m5.large", min_instances=2, max_instances=4)
M7G = FleetSize(instance_type="m7g.large", min_instances=2, max_instances=4)
NOTHING = StackSizing(None, 0, RolloutState())
OWN = Rates(Decimal("2.604375"), Decimal("12.31"), "the review's own rates")


def _both_slots(release: Release) -> StackSizing:
    fleet = FleetRollout(
        live=Slot.B, a=SlotState(size=M5, weight=0), b=SlotState(size=M7G, weight=100)
    )
    return StackSizing(release, 2, RolloutState(fleets={"web": fleet}))


@pytest.fixture
def after() -> StackSizing:
    return _both_slots(Release(baseline={"web": M5}, phases={"2": {"web": M7G}}))


def _amount(cost: MonthlyCost | NoData | None) -> Decimal:
    assert isinstance(cost, MonthlyCost)
    return cost.usd_per_month


def test_an_old_slot_at_weight_0_is_still_billed(fleet: Workload, prices, after) -> None:
    """Before 2 x 0.096 x 730 = 140.16; after another 2 x 0.0816 x 730 = 119.136 on top."""
    money = preview_money([fleet], NOTHING, after, prices)
    old, new = money.lines
    assert (_amount(old.before), _amount(old.after)) == (Decimal("140.16"), Decimal("140.16"))
    assert new.before is None
    assert new.difference == Decimal("119.136")
    assert money.difference == (Decimal("119.136"), 0)


def test_retiring_the_old_slot_saves(fleet: Workload, prices, after) -> None:
    """140.16 no longer paid."""
    alone = FleetRollout(live=Slot.B, b=SlotState(size=M7G, weight=100))
    retired = StackSizing(after.release, 2, RolloutState(fleets={"web": alone}))
    money = preview_money([fleet], after, retired, prices)
    assert money.difference == (Decimal("-140.16"), 0)
    assert money.lines[0].after is None


def test_an_unknown_price_is_counted_not_summed(fleet: Workload, prices) -> None:
    """Neither an unpriced nor an unknown type becomes $0."""
    for name in ("z1.large", "x9.large"):
        other = FleetSize(instance_type=name, min_instances=2, max_instances=4)
        release = Release(baseline={"web": M5}, phases={"1": {"web": other}})
        money = preview_money([fleet], NOTHING, StackSizing(release, 1, RolloutState()), prices)
        assert isinstance(money.lines[0].difference, NoData)
        assert money.difference == (Decimal(0), 1)
        assert money.after == (Decimal(0), 1)
        assert money.before == (Decimal("140.16"), 0)


def test_containers_need_rates(trader: Workload, prices) -> None:
    """14.25 cores x 2.604375 = 37.11 less; unknown without rates."""
    small = ContainerSize(cpu_millicores=1750, memory_mib=15667)
    release = Release(baseline={"trader": trader.size}, phases={"1": {"trader": small}})
    target = StackSizing(release, 1, RolloutState())
    unpriced = preview_money([trader], NOTHING, target, prices)
    assert isinstance(unpriced.lines[0].difference, NoData)
    priced = preview_money([trader], NOTHING, target, prices, rates=WorkloadRates(container=OWN))
    assert priced.lines[0].difference == Decimal("-37.11234375")


def test_services_cost_their_tasks(prices) -> None:
    """2 tasks of 1 vCPU and 2 GiB: 2 x (30 + 2 x 3) = 72."""
    size = ServiceSize(cpu_units=1024, memory_mib=2048, min_tasks=2, max_tasks=4)
    service = Workload(key="reports", kind=WorkloadKind.SERVICE, size=size)
    rates = WorkloadRates(service=Rates(Decimal(30), Decimal(3), "test"))
    money = preview_money([service], NOTHING, NOTHING, prices, rates=rates)
    assert _amount(money.lines[0].before) == 72


def _step(op: StepOp, kind: str, name: str, *changes: PropertyChange) -> Step:
    return Step(op, f"urn:pulumi:dev::p::{kind}::{name}", kind, changes)


def test_money_attaches_to_the_resource_that_has_the_size(fleet: Workload, prices, after) -> None:
    """The group of slot b, not its target group of the same name."""
    money = preview_money([fleet], NOTHING, after, prices)
    group = _step(StepOp.CREATE, "aws:autoscaling/group:Group", "web-b")
    target = _step(StepOp.CREATE, "aws:lb/targetGroup:TargetGroup", "web-b")
    found = money.line_of(group)
    assert found is not None
    assert found.slot is Slot.B
    assert money.line_of(target) is None


def test_a_stem_names_resources_of_long_keys(prices, after) -> None:
    """The program shortens names; the caller says how."""
    long = Workload(key="web", kind=WorkloadKind.FLEET, size=M5)
    money = preview_money([long], NOTHING, after, prices, names={"web": "w-1b5d"})
    assert money.line_of(_step(StepOp.CREATE, "aws:autoscaling/group:Group", "w-1b5d-b"))


@pytest.fixture
def result() -> OperationResult:
    change = PropertyChange("cpus", "16", "1.75", forces_replacement=True)
    return OperationResult(
        status=UpdateStatus.SUCCEEDED,
        steps=(
            _step(StepOp.CREATE, "aws:autoscaling/group:Group", "web-b"),
            _step(StepOp.REPLACE, "docker:index/container:Container", "trader", change),
            _step(StepOp.SAME, "aws:ec2/vpc:Vpc", "net"),
        ),
        diagnostics=("warning: [b]x[/b]",),
    )


def test_a_preview_shows_steps_and_money(fleet, trader, prices, after, result) -> None:
    """Changed properties, replacement, money by step, unknown as unknown, and the old slot."""
    money = preview_money([fleet, trader], NOTHING, after, prices)
    text = terminal_text(preview_page(result, money), width=140)
    for expected in (
        "cpus: 16 -> 1.75 (replaces)",
        "+$119.14",
        "1 create, 1 replace, 1 same.",
        "web, slot a",
        "m7g.large x 2-4",
        "trader: unknown, a container's capacity has no list price",
        "warning: [b]x[/b]",
        "2026-07-20, 730 h, 2 instances (minimum)",
    ):
        assert expected in text
    assert "net" not in text


def test_preview_json_keeps_unknown_apart(fleet, trader, prices, after, result) -> None:
    """Known sums with a count of what is missing."""
    money = preview_money([fleet, trader], NOTHING, after, prices)
    data = preview(result, money)
    assert data["usd_per_month"]["difference"] == {"known": "119.136", "unknown_lines": 1}
    assert data["steps"][0]["money"]["slot"] == "b"
    assert "no_data" in data["steps"][1]["money"]["after"]


def test_no_changes_is_said(fleet, prices) -> None:
    """Rather than an empty table."""
    empty = OperationResult(UpdateStatus.SUCCEEDED, ())
    money = preview_money([fleet], NOTHING, NOTHING, prices)
    assert "No changes." in terminal_text(preview_page(empty, money))


def test_services_on_arm_cost_the_rates_of_arm(prices) -> None:
    """1 task of 1 vCPU and 2 GiB: 24 + 2 x 2 = 28, not 36."""
    size = ServiceSize(cpu_units=1024, memory_mib=2048, min_tasks=1, max_tasks=4)
    service = Workload(
        key="reports",
        kind=WorkloadKind.SERVICE,
        size=size,
        architectures=(Architecture.ARM64,),
    )
    rates = WorkloadRates(
        service=Rates(Decimal(30), Decimal(3), "test"),
        service_arm64=Rates(Decimal(24), Decimal(2), "test"),
    )
    money = preview_money([service], NOTHING, NOTHING, prices, rates=rates)
    assert _amount(money.lines[0].before) == 28
