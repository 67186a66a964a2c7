"""The instance types a fleet may move to, what one of each costs, and which one to take.

Options are compared by on-demand list price of one instance in the workload's region, with the
surplus CPU credits that a burstable type in unlimited mode would be billed, and by what the
shortage that is left at each is worth (``decide.typesteps``). Where the region has no
prices, sizes of the same family are compared by memory, to which list prices of a family are
proportional, and the money stays unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Self

import numpy as np

from rightsizing.catalog.catalog import Catalog
from rightsizing.decide.burst import BurstVerdict
from rightsizing.decide.candidates import first_shortfall, usable
from rightsizing.decide.choice import Option, cheapest, choose
from rightsizing.decide.excuses import Rejected
from rightsizing.decide.policy import Scope, SizingPolicy
from rightsizing.decide.requirement import Requirement
from rightsizing.decide.typesteps import Steps, step_costs
from rightsizing.model.base import NoData
from rightsizing.model.price import Price
from rightsizing.model.recommendation import Excuse, ExcuseCode
from rightsizing.model.shape import InstanceShape
from rightsizing.model.workload import Workload
from rightsizing.units import HOURS_PER_MONTH, mib_to_bytes, usd_per_month

_MICRODOLLAR = Decimal("1e-6")


@dataclass(frozen=True, slots=True)
class Pick:
    """The type to run (None: nothing is large enough) and why the others were not taken."""

    shape: InstanceShape | None
    rejected: tuple[Rejected, ...]
    cheaper_exists: bool  # something fitting is cheaper than the current type


@dataclass(frozen=True, slots=True)
class Market:
    """Types offered in a region within a scope, and their prices.

    ``unusable`` are those the owner's image, wishes, devices or zones rule out whatever the demand;
    ``surplus_usd_per_hour`` is what a type is billed for CPU credits beyond what it earns, and
    ``shortage_cost`` what the shortage at a type is worth, in the unit of ``cost``.
    """

    current: InstanceShape
    shapes: Mapping[str, InstanceShape]
    prices: Mapping[str, Price | NoData]
    by_memory: bool
    unusable: Mapping[str, Excuse]
    surplus_usd_per_hour: Mapping[str, Decimal] = field(default_factory=dict)
    shortage_cost: Mapping[str, Decimal] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        current: InstanceShape,
        workload: Workload,
        catalog: Catalog,
        *,
        policy: SizingPolicy,
        scope: Scope,
    ) -> Self:
        """Collect the candidates. Raises CatalogError for an unknown region."""
        region = workload.region
        shapes = {
            shape.instance_type: shape
            for shape in catalog.shapes(region)
            if scope is Scope.ANY_FAMILY or shape.family == current.family
        }
        shapes[current.instance_type] = current
        prices = {name: catalog.price(name, region) for name in shapes}
        unpriced = isinstance(prices[current.instance_type], NoData)
        excuses = {
            name: usable(shape, current, workload, policy, catalog.zones)
            for name, shape in shapes.items()
        }
        return cls(
            current,
            shapes,
            prices,
            by_memory=unpriced and scope is Scope.SAME_FAMILY,
            unusable={name: excuse for name, excuse in excuses.items() if excuse is not None},
        )

    def charging(self, bursts: Mapping[str, BurstVerdict]) -> Market:
        """The same market with the surplus credits of these verdicts on the price."""
        surplus = {
            name: (Decimal(str(verdict.surplus_usd)) / HOURS_PER_MONTH).quantize(_MICRODOLLAR)
            for name, verdict in bursts.items()
        }
        return replace(
            self, surplus_usd_per_hour={name: usd for name, usd in surplus.items() if usd > 0}
        )

    def pricing(self, requirement: Requirement) -> Market:
        """The same market with the priced shortage of this requirement."""
        shortage = requirement.shortage
        costs = {
            name: cost
            for name in self.shapes
            if name not in self.unusable and (cost := self.cost(name)) is not None
        }
        if isinstance(shortage, NoData) or not costs:
            return replace(self, shortage_cost={})
        shapes = [self.shapes[name] for name in costs]
        steps = Steps(
            cores=np.array([requirement.cores(shape) for shape in shapes]),
            memory_bytes=np.array([mib_to_bytes(shape.memory_mib) for shape in shapes]),
            cost=np.array([float(cost) for cost in costs.values()]),
        )
        left = step_costs(shortage, steps)[0] - steps.cost
        return replace(
            self,
            shortage_cost={
                name: Decimal(str(float(cost))).quantize(_MICRODOLLAR)
                for name, cost in zip(costs, left, strict=True)
            },
        )

    def price(self, instance_type: str) -> Price | NoData:
        """List price, with the surplus credits the demand would be billed."""
        price, surplus = self.prices[instance_type], self.surplus_usd_per_hour.get(instance_type)
        if isinstance(price, NoData) or surplus is None:
            return price
        return replace(price, usd_per_hour=price.usd_per_hour + surplus)

    def cost(self, instance_type: str) -> Decimal | None:
        """What options are compared by; None when the price is unknown."""
        if self.by_memory:
            return Decimal(self.shapes[instance_type].memory_mib)
        price = self.price(instance_type)
        return None if isinstance(price, NoData) else price.usd_per_hour

    def left(self, instance_type: str) -> Decimal:
        """What the shortage at the type is worth; 0 where shortage is not priced."""
        return self.shortage_cost.get(instance_type, Decimal(0))

    def pick(
        self,
        requirement: Requirement,
        *,
        current_is_enough: bool,
        minimum_saving_ratio: float = 0.0,
    ) -> Pick:
        """Take the cheapest fitting type, or stay with the current one if that is as good.

        Cheapest by price and priced shortage together.
        """
        market = self.pricing(requirement)
        name = self.current.instance_type
        options: list[Option] = []
        rejected: list[Rejected] = []
        for candidate, shape in self.shapes.items():
            cost = self.cost(candidate)
            excuse = self.excuse(shape, requirement)
            if excuse is not None:
                rejected.append(Rejected(excuse, cost))
            elif cost is not None:
                options.append(_option(shape, cost + market.left(candidate)))
        best = cheapest(options, prefer=name)
        own_cost = self.cost(name)
        if own_cost is None:  # nothing to compare with
            taken = None if best is None else best.name
            chosen = name if current_is_enough else taken
        else:
            found = choose(
                _option(self.current, own_cost + market.left(name)),
                options,
                current_is_enough=current_is_enough,
                minimum_saving_ratio=minimum_saving_ratio,
            )
            chosen = None if found is None else found.name
        dearer = [
            Rejected(market.outweighed(option.name, chosen, requirement), self.cost(option.name))
            for option in options
            if option.name not in {chosen, name}
        ]
        return Pick(
            shape=None if chosen is None else self.shapes[chosen],
            rejected=tuple(
                item for item in (*rejected, *dearer) if item.excuse.candidate != chosen
            ),
            cheaper_exists=best is not None and own_cost is not None and best.cost < own_cost,
        )

    def excuse(self, shape: InstanceShape, requirement: Requirement) -> Excuse | None:
        """Why a type is not an option at all, with full margins; None when it is one."""
        unusable = self.unusable.get(shape.instance_type)
        if unusable is not None:
            return unusable
        shortfall = first_shortfall(shape, requirement)
        if shortfall is not None:
            return shortfall.excuse
        price = self.prices[shape.instance_type]
        if isinstance(price, NoData) and not self.by_memory and shape is not self.current:
            return Excuse(shape.instance_type, ExcuseCode.PRICE_UNKNOWN, price.reason)
        return None

    def outweighed(
        self, instance_type: str, chosen: str | None, requirement: Requirement
    ) -> Excuse:
        """Why a type that fits is not the choice: its price, or what its shortage is worth."""
        own, theirs = self.cost(instance_type), None if chosen is None else self.cost(chosen)
        if own is None or theirs is None or own >= theirs:
            return Excuse(instance_type, ExcuseCode.COSTS_MORE, self._dearer(instance_type))
        short = requirement.short_ratio(self.shapes[instance_type])
        saved = "" if self.by_memory else f" the ${usd_per_month(theirs - own):.2f} a month"
        return Excuse(
            instance_type,
            ExcuseCode.CPU_TOO_SMALL,
            f"short {short * 100:.2f} % of past time, which is worth more than{saved} it saves",
        )

    def _dearer(self, instance_type: str) -> str:
        surplus = self.surplus_usd_per_hour.get(instance_type)
        if surplus is None:
            return "it fits and costs more"
        return (
            f"it fits and costs more, with ${surplus * HOURS_PER_MONTH:.2f} a month of surplus "
            f"CPU credits"
        )


def _option(shape: InstanceShape, cost: Decimal) -> Option:
    return Option(
        shape.instance_type, cost, shape.vcpus, shape.memory_mib, generation=shape.generation
    )
