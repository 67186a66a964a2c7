"""The instance types a fleet may move to, what one of each costs, and which one to take.

Options are compared by on-demand list price of one instance in the workload's region, with the
surplus CPU credits that a burstable type in unlimited mode would be billed. Where the region has no
prices, sizes of the same family are compared by memory, to which list prices of a family are
proportional, and the money stays unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Self

from rightsizing.catalog.catalog import Catalog
from rightsizing.decide.burst import BurstVerdict
from rightsizing.decide.candidates import first_shortfall, usable
from rightsizing.decide.choice import Option, cheapest, choose
from rightsizing.decide.excuses import Rejected
from rightsizing.decide.policy import Scope, SizingPolicy
from rightsizing.decide.requirement import Requirement
from rightsizing.model.base import NoData
from rightsizing.model.price import Price
from rightsizing.model.recommendation import Excuse, ExcuseCode
from rightsizing.model.shape import InstanceShape
from rightsizing.model.workload import Workload
from rightsizing.units import HOURS_PER_MONTH

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
    ``surplus_usd_per_hour`` is what a type is billed for CPU credits beyond what it earns.
    """

    current: InstanceShape
    shapes: Mapping[str, InstanceShape]
    prices: Mapping[str, Price | NoData]
    by_memory: bool
    unusable: Mapping[str, Excuse]
    surplus_usd_per_hour: Mapping[str, Decimal] = field(default_factory=dict)

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

    def pick(
        self,
        requirement: Requirement,
        *,
        current_is_enough: bool,
        minimum_saving_ratio: float = 0.0,
    ) -> Pick:
        """Take the cheapest fitting type, or stay with the current one if that is as good."""
        name = self.current.instance_type
        options: list[Option] = []
        rejected: list[Rejected] = []
        for candidate, shape in self.shapes.items():
            cost = self.cost(candidate)
            excuse = self.excuse(shape, requirement)
            if excuse is not None:
                rejected.append(Rejected(excuse, cost))
            elif cost is not None:
                options.append(_option(shape, cost))
        best = cheapest(options, prefer=name)
        own_cost = self.cost(name)
        if own_cost is None:  # nothing to compare with
            taken = None if best is None else best.name
            chosen = name if current_is_enough else taken
        else:
            found = choose(
                _option(self.current, own_cost),
                options,
                current_is_enough=current_is_enough,
                minimum_saving_ratio=minimum_saving_ratio,
            )
            chosen = None if found is None else found.name
        dearer = [
            Rejected(
                Excuse(option.name, ExcuseCode.COSTS_MORE, self._dearer(option.name)), option.cost
            )
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
