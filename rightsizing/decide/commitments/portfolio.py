"""A mix of plans, terms and payments bought today: a linear or mixed-integer programme.

Demand is given by scenarios of up to three years on weighted hours. A one-year plan covers the
first year only; at its end each scenario may buy one again for what is left, knowing its own
demand. Optional: the mean of the worst cases (CVaR, Rockafellar and Uryasev 2000) weighs in, a cap
on money paid at once, a cap on hourly commitments, whole reservations. Upfront money costs capital:
its price is raised by what the same payments monthly would have been worth less.

Solved by HiGHS through ``scipy.optimize.milp``; what it returns should be billed by ``waterfall``
too, which knows sizes and order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from rightsizing.errors import ConfigError, RightsizingError
from rightsizing.model.hourlyusage import Array
from rightsizing.model.offer import HOURS_PER_YEAR
from rightsizing.units import MONTHS_PER_YEAR

_MOST_RISK_WEIGHT, _MOST_COST_OF_CAPITAL = 1_000.0, 10.0
WHOLE_GAP = 1e-3  # of the cost: whole reservations are searched no further


@dataclass(frozen=True, slots=True)
class PlanChoice:
    """One plan that may be bought. ``pool`` None: covers every pool (Compute).

    ``ratio`` is committed over on-demand price, ``step_usd`` on-demand dollars an hour of one
    reservation (0: any amount), ``upfront_ratio`` the part paid at once.
    """

    name: str
    pool: int | None
    ratio: float
    term_years: int = 1
    upfront_ratio: float = 0.0
    step_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the portfolio must respect. Rates are per year, 0-1."""

    cost_of_capital: float = 0.0
    risk_weight: float = 0.0  # of CVaR beside the mean
    tail: float = 0.1  # share of worst scenarios in CVaR
    upfront_budget_usd: float = float("inf")
    hourly_budget_usd: float = float("inf")

    def __post_init__(self) -> None:
        if (
            not 0 < self.tail <= 1
            or not 0 <= self.risk_weight <= _MOST_RISK_WEIGHT
            or not -1 < self.cost_of_capital <= _MOST_COST_OF_CAPITAL
        ):
            raise ConfigError(
                f"tail {self.tail:g} must be above 0 and at most 1, risk weight "
                f"{self.risk_weight:g} 0 to {_MOST_RISK_WEIGHT:g}, cost of capital "
                f"{self.cost_of_capital:g} above -1 and at most {_MOST_COST_OF_CAPITAL:g} a year"
            )
        if not (self.upfront_budget_usd >= 0 and self.hourly_budget_usd >= 0):
            raise ConfigError(
                f"budgets of ${self.upfront_budget_usd:g} upfront and "
                f"${self.hourly_budget_usd:g} an hour must be at least 0"
            )


@dataclass(frozen=True, slots=True)
class Portfolio:
    """``coverage``: on-demand dollars an hour by choice, bought today; costs are dollars over the
    horizon, capital included. ``scenario_usd`` is each scenario's cost."""

    coverage: tuple[float, ...]
    expected_usd: float
    cvar_usd: float
    upfront_usd: float
    scenario_usd: Array = field(repr=False)


def best_portfolio(
    demand: Array,
    choices: Sequence[PlanChoice],
    wishes: Wishes | None = None,
    *,
    weights: Array | None = None,
    chances: Array | None = None,
) -> Portfolio:
    """Best purchases of today.

    Args:
        demand: on-demand dollars an hour, scenarios x years x hours x pools.
        choices: what is sold.
        wishes: budgets and risk.
        weights: how many hours of a year each row stands for; None: equal shares of 8,760.
        chances: of the scenarios; None: equal.
    """
    wanted = wishes or Wishes()
    scenarios, _, hours, _ = demand.shape
    share = np.full(hours, HOURS_PER_YEAR / hours) if weights is None else weights
    odds = np.full(scenarios, 1 / scenarios) if chances is None else chances
    model = _Model(demand, tuple(choices), wanted, share, odds)
    return model.solve()


class _Model:
    """Columns: purchases today, purchases again (scenario x later year x one-year choice), then by
    cell uncovered by pools, by row uncovered by all, cost of each scenario, its excess, the
    threshold of the tail."""

    def __init__(
        self,
        demand: Array,
        choices: tuple[PlanChoice, ...],
        wishes: Wishes,
        share: Array,
        odds: Array,
    ) -> None:
        self.demand, self.choices, self.wishes = demand, choices, wishes
        self.share, self.odds = share, odds
        scenarios, years, hours, pools = demand.shape
        self.years = years
        self.today = len(choices)
        self.again = scenarios * (years - 1) * self.today
        self.cells = self.today + self.again
        self.rows = self.cells + demand.size
        self.costs = self.rows + scenarios * years * hours
        self.excess = self.costs + scenarios
        self.size = self.excess + scenarios + 1
        self.pools = pools

    def price(self, choice: PlanChoice) -> float:
        """Dollars of a covered dollar an hour for one year, capital included."""
        monthly = (1 + self.wishes.cost_of_capital) ** (1 / MONTHS_PER_YEAR) - 1
        months = choice.term_years * MONTHS_PER_YEAR
        # A payment now instead of equal ones at the ends of months costs their future worth.
        factor = 1.0 if monthly == 0 else months * monthly / (1 - (1 + monthly) ** -months)
        dear = choice.upfront_ratio * factor + 1 - choice.upfront_ratio
        return choice.ratio * dear * HOURS_PER_YEAR

    def _columns(self, scenario: int, year: int) -> list[tuple[int, PlanChoice]]:
        """Columns of the plans active in a year of a scenario."""
        found = [
            (place, choice) for place, choice in enumerate(self.choices) if year < choice.term_years
        ]
        if year > 0:
            first = self.today + (scenario * (self.years - 1) + year - 1) * self.today
            found += [
                (first + place, choice)
                for place, choice in enumerate(self.choices)
                if choice.term_years == 1
            ]
        return found

    def solve(self) -> Portfolio:
        """Build and solve. Raises RightsizingError when HiGHS finds no answer."""
        scenarios, years, hours, pools = self.demand.shape
        row: list[np.ndarray] = []
        column: list[np.ndarray] = []
        value: list[np.ndarray] = []
        low: list[np.ndarray] = []
        count = 0

        def add(rows: np.ndarray, columns: np.ndarray, values: np.ndarray) -> None:
            row.append(np.asarray(rows, dtype=int) + count)
            column.append(np.asarray(columns, dtype=int))
            value.append(np.asarray(values, dtype=float))

        cell = np.arange(hours * pools)
        line = np.arange(hours)
        for scenario in range(scenarios):
            spent_columns: list[int] = []
            spent: list[float] = []
            for year in range(years):
                block = scenario * years + year
                first = self.cells + block * hours * pools
                last = self.rows + block * hours
                active = self._columns(scenario, year)
                # Uncovered by its pool's plans >= demand - their coverage.
                add(cell, first + cell, np.ones(cell.size))
                for place, choice in active:
                    if choice.pool is not None:
                        add(line * pools + choice.pool, np.full(hours, place), np.ones(hours))
                low.append(self.demand[scenario, year].ravel())
                count += hours * pools
                # Uncovered by all >= sum of those - Compute coverage.
                add(line, last + line, np.ones(hours))
                add(cell // pools, first + cell, -np.ones(cell.size))
                for place, choice in active:
                    if choice.pool is None:
                        add(line, np.full(hours, place), np.ones(hours))
                    spent_columns.append(place)
                    spent.append(self.price(choice))
                low.append(np.zeros(hours))
                count += hours
                spent_columns += list(last + line)
                spent += list(self.share)
            # The scenario's cost, and how far it is above the tail's threshold.
            columns = np.array([*spent_columns, self.costs + scenario])
            add(np.zeros(columns.size), columns, np.array([*(-cost for cost in spent), 1.0]))
            low.append(np.zeros(1))
            count += 1
            add(
                np.zeros(3),
                np.array([self.excess + scenario, self.costs + scenario, self.size - 1]),
                np.array([1.0, -1.0, 1.0]),
            )
            low.append(np.zeros(1))
            count += 1
        for budget, needs in self._budgets():
            add(np.zeros(self.today), np.arange(self.today), -needs)
            low.append(np.array([-budget]))
            count += 1
        matrix = sparse.csr_matrix(
            (np.concatenate(value), (np.concatenate(row), np.concatenate(column))),
            shape=(count, self.size),
        )
        return self._answer(LinearConstraint(matrix, np.concatenate(low), np.inf))

    def _budgets(self) -> list[tuple[float, Array]]:
        upfront = np.array(
            [
                one.ratio * one.upfront_ratio * HOURS_PER_YEAR * one.term_years
                for one in self.choices
            ]
        )
        hourly = np.array([one.ratio for one in self.choices])
        limits = (
            (self.wishes.upfront_budget_usd, upfront),
            (self.wishes.hourly_budget_usd, hourly),
        )
        return [(limit, needs) for limit, needs in limits if np.isfinite(limit)]

    def _answer(self, constraints: LinearConstraint) -> Portfolio:
        scenarios = len(self.odds)
        # Reservations are counted: their column is a number of instances, others are dollars.
        steps = np.array([choice.step_usd or 1.0 for choice in self.choices])
        whole = np.zeros(self.size)
        whole[: self.today] = [choice.step_usd > 0 for choice in self.choices]
        scale = np.ones(self.size)
        scale[: self.today] = steps
        scaled = LinearConstraint(
            constraints.A @ sparse.diags(scale, dtype=float), constraints.lb, constraints.ub
        )
        objective = np.zeros(self.size)
        objective[self.costs : self.excess] = self.odds
        objective[self.excess : self.size - 1] = (
            self.wishes.risk_weight * self.odds / self.wishes.tail
        )
        objective[-1] = self.wishes.risk_weight
        found = milp(
            objective,
            constraints=scaled,
            integrality=whole,
            bounds=Bounds(np.zeros(self.size), np.inf),
            options={"mip_rel_gap": WHOLE_GAP},
        )
        if found.x is None:
            raise RightsizingError(f"the portfolio programme was not solved: {found.message}")
        coverage = found.x[: self.today] * steps
        costs = np.asarray(found.x[self.costs : self.costs + scenarios])
        upfront = sum(
            amount * one.ratio * one.upfront_ratio * HOURS_PER_YEAR * one.term_years
            for amount, one in zip(coverage, self.choices, strict=True)
        )
        return Portfolio(
            tuple(float(amount) for amount in coverage),
            float(costs @ self.odds),
            _tail_mean(costs, self.odds, self.wishes.tail),
            float(upfront),
            costs,
        )


def _tail_mean(costs: Array, odds: Array, tail: float) -> float:
    """Mean of the worst share ``tail`` of scenarios."""
    order = np.argsort(-costs)
    before = np.concatenate([[0.0], np.cumsum(odds[order])[:-1]])
    taken = np.clip(tail - before, 0.0, odds[order])
    return float((costs[order] * taken).sum() / tail)
