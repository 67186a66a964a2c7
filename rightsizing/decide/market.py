"""The instance types a fleet may move to, what one of each costs, and which one to take.

Options are compared by on-demand list price of one instance in the workload's region. Where the
region has no prices, sizes of the same family are compared by memory, to which list prices of a
family are proportional, and the money stays unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from rightsizing.catalog.catalog import Catalog
from rightsizing.decide.candidates import Requirement, shortfalls, usable
from rightsizing.decide.choice import Option, cheapest, choose
from rightsizing.decide.excuses import Rejected
from rightsizing.decide.policy import Scope, SizingPolicy
from rightsizing.model.base import NoData
from rightsizing.model.price import Price
from rightsizing.model.recommendation import Excuse, ExcuseCode
from rightsizing.model.shape import InstanceShape
from rightsizing.model.workload import Workload


@dataclass(frozen=True, slots=True)
class Pick:
    """The type to run (None: nothing is large enough) and why the others were not taken."""

    shape: InstanceShape | None
    rejected: tuple[Rejected, ...]
    cheaper_exists: bool  # something fitting is cheaper than the current type


@dataclass(frozen=True, slots=True)
class Market:
    """Types offered in a region within a scope, and their prices.

    ``unusable`` are those the owner's image, wishes or devices rule out whatever the demand.
    """

    current: InstanceShape
    shapes: Mapping[str, InstanceShape]
    prices: Mapping[str, Price | NoData]
    by_memory: bool
    unusable: Mapping[str, Excuse]

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
            name: usable(shape, current, workload.architectures, policy)
            for name, shape in shapes.items()
        }
        return cls(
            current,
            shapes,
            prices,
            by_memory=unpriced and scope is Scope.SAME_FAMILY,
            unusable={name: excuse for name, excuse in excuses.items() if excuse is not None},
        )

    def cost(self, instance_type: str) -> Decimal | None:
        """What options are compared by; None when the price is unknown."""
        if self.by_memory:
            return Decimal(self.shapes[instance_type].memory_mib)
        price = self.prices[instance_type]
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
            excuse = self._excuse(shape, requirement)
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
                Excuse(option.name, ExcuseCode.COSTS_MORE, "it fits and costs more"), option.cost
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

    def _excuse(self, shape: InstanceShape, requirement: Requirement) -> Excuse | None:
        unusable = self.unusable.get(shape.instance_type)
        if unusable is not None:
            return unusable
        for shortfall in shortfalls(shape, requirement, with_full_margins=True):
            return shortfall.excuse
        price = self.prices[shape.instance_type]
        if isinstance(price, NoData) and not self.by_memory and shape is not self.current:
            return Excuse(shape.instance_type, ExcuseCode.PRICE_UNKNOWN, price.reason)
        return None


def _option(shape: InstanceShape, cost: Decimal) -> Option:
    return Option(shape.instance_type, cost, shape.vcpus, shape.memory_mib)
