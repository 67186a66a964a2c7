"""What a change of sizing costs a month, workload by workload and slot by slot.

A fleet's slot costs its minimum number of instances at list price for 730 hours, whatever weight it
has: an old slot kept at weight 0 is still billed. Services and containers cost their capacity at
the rates given. What no price covers (load balancers, storage, traffic) is not in these figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from rightsizing.decide.cost import container_cost, fleet_cost, service_cost
from rightsizing.errors import CatalogError
from rightsizing.model.base import NoData
from rightsizing.model.price import MonthlyCost, Price, Rates
from rightsizing.model.rollout import FleetRollout, Slot, SlotState
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize, Size
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.update import Step
from rightsizing.model.workload import Architecture, Workload

# The resource whose size the money of a workload or slot belongs to; others carry none.
_PRICED_TYPES = frozenset(
    {
        "aws:autoscaling/group:Group",
        "aws:ecs/service:Service",
        "docker:index/container:Container",
    }
)
_FULL_WEIGHT = 100
NO_SERVICE_RATES = NoData("no Fargate rates are known for the region")
NO_CONTAINER_RATES = NoData("a container's capacity has no list price; give own rates")


class PricedTypes(Protocol):
    """The part of the catalog that prices instances."""

    def price(self, instance_type: str, region: str) -> Price | NoData:
        """On-demand list price; raises CatalogError for an unknown type."""
        ...


@dataclass(frozen=True, slots=True)
class WorkloadRates:
    """Rates a month for capacity without an instance price; NoData where none is known."""

    service: Rates | NoData = NO_SERVICE_RATES
    service_arm64: Rates | NoData = NO_SERVICE_RATES
    container: Rates | NoData = NO_CONTAINER_RATES


NO_RATES = WorkloadRates()


@dataclass(frozen=True, slots=True)
class MoneyLine:
    """One workload or slot. None: it does not exist on that side, which really costs nothing."""

    workload: str
    slot: Slot | None
    before_size: Size | None
    after_size: Size | None
    before: MonthlyCost | NoData | None
    after: MonthlyCost | NoData | None

    @property
    def difference(self) -> Decimal | NoData:
        """After minus before, a month; unknown when either is."""
        before, after = _amount(self.before), _amount(self.after)
        if isinstance(before, NoData):
            return before
        if isinstance(after, NoData):
            return after
        return after - before


@dataclass(frozen=True, slots=True)
class PreviewMoney:
    """All lines of a change, and how they attach to its steps."""

    lines: tuple[MoneyLine, ...]
    names: Mapping[tuple[str, Slot | None], str]  # (workload, slot) -> logical resource name

    def line_of(self, step: Step) -> MoneyLine | None:
        """The line a step's resource belongs to; None for a resource that carries no size."""
        if step.type not in _PRICED_TYPES:
            return None
        return next(
            (line for line in self.lines if self.names[line.workload, line.slot] == step.name), None
        )

    @property
    def before(self) -> tuple[Decimal, int]:
        """Known sum a month before, and how many lines are unknown."""
        return _sum(line.before for line in self.lines)

    @property
    def after(self) -> tuple[Decimal, int]:
        """Known sum a month after, and how many lines are unknown."""
        return _sum(line.after for line in self.lines)

    @property
    def difference(self) -> tuple[Decimal, int]:
        """Sum of the known differences a month, and how many lines have none."""
        known = [line.difference for line in self.lines]
        return (
            sum((item for item in known if isinstance(item, Decimal)), Decimal(0)),
            sum(isinstance(item, NoData) for item in known),
        )


def preview_money(
    workloads: Sequence[Workload],
    before: StackSizing | None,
    after: StackSizing,
    catalog: PricedTypes,
    *,
    rates: WorkloadRates = NO_RATES,
    names: Mapping[str, str] | None = None,
) -> PreviewMoney:
    """Price every declared workload on both sides. ``before`` None: nothing runs yet.

    ``names`` gives the logical resource name of a workload where it is not its key; a fleet's slots
    append ``-a`` and ``-b``. Workloads without a declared size are left out.
    """
    lines: list[MoneyLine] = []
    logical: dict[tuple[str, Slot | None], str] = {}
    for workload in sorted(workloads, key=lambda item: item.key):
        if workload.size is None:
            continue
        stem = (names or {}).get(workload.key, workload.key)
        for line in _lines(workload, workload.size, (before, after), catalog, rates):
            lines.append(line)
            suffix = "" if line.slot is None else f"-{line.slot.value}"
            logical[line.workload, line.slot] = f"{stem}{suffix}"
    return PreviewMoney(tuple(lines), logical)


def size_cost(
    workload: Workload, size: Size, catalog: PricedTypes, rates: WorkloadRates
) -> MonthlyCost | NoData:
    """A month's cost of one size of a workload; an unknown price stays unknown."""
    if isinstance(size, FleetSize):
        try:
            price = catalog.price(size.instance_type, workload.region)
        except CatalogError as error:
            return NoData(str(error))
        return fleet_cost(price, size)
    if isinstance(size, ServiceSize):
        arm = workload.architectures[0] is Architecture.ARM64
        return service_cost(size, rates.service_arm64 if arm else rates.service)
    return container_cost(workload.kind, size, rates.container)


def _lines(
    workload: Workload,
    declared: Size,
    sides: tuple[StackSizing | None, StackSizing],
    catalog: PricedTypes,
    rates: WorkloadRates,
) -> list[MoneyLine]:
    key = workload.key
    before, after = sides

    def cost(size: Size | None) -> MonthlyCost | NoData | None:
        return None if size is None else size_cost(workload, size, catalog, rates)

    if not (isinstance(declared, FleetSize) or workload.proxied):
        was = None if before is None else before.size_of(key, declared)
        will = after.size_of(key, declared)
        return [MoneyLine(key, None, was, will, cost(was), cost(will))]
    assert not isinstance(declared, ServiceSize)  # services have no slots
    old = None if before is None else _slots(before, key, declared)
    new = _slots(after, key, declared)
    lines = []
    for slot in Slot:
        old_state = None if old is None else old.slot(slot)
        new_state = new.slot(slot)
        if old_state is None and new_state is None:
            continue
        was_size = None if old_state is None else old_state.size
        will_size = None if new_state is None else new_state.size
        lines.append(MoneyLine(key, slot, was_size, will_size, cost(was_size), cost(will_size)))
    return lines


def _slots(sizing: StackSizing, workload: str, declared: FleetSize | ContainerSize) -> FleetRollout:
    """Slots of a workload that has them; slot a at full weight when no rollout has moved it."""
    found = sizing.rollout.fleets.get(workload)
    if found is not None:
        return found
    size = sizing.size_of(workload, declared)
    assert not isinstance(size, ServiceSize)  # size_of refuses a different kind
    return FleetRollout(live=Slot.A, a=SlotState(size=size, weight=_FULL_WEIGHT))


def _amount(cost: MonthlyCost | NoData | None) -> Decimal | NoData:
    if cost is None:
        return Decimal(0)
    return cost if isinstance(cost, NoData) else cost.usd_per_month


def _sum(costs: Iterable[MonthlyCost | NoData | None]) -> tuple[Decimal, int]:
    amounts = [_amount(cost) for cost in costs]
    known = sum((item for item in amounts if isinstance(item, Decimal)), Decimal(0))
    return known, sum(isinstance(item, NoData) for item in amounts)
