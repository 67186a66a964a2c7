"""The best purchases of all that could have been made, knowing the future: a linear programme.

Same choices as a replay has (every pool's plan and the Compute plan, bought at weekly reviews, one
term each, rounded up to whole weeks), so no rule can save more. Rows of equal demand within a week
are merged with weights. Solved by HiGHS through scipy.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from rightsizing.decide.commitments.optimum import PoolPrices
from rightsizing.decide.commitments.outlook import HOURS_PER_WEEK
from rightsizing.errors import RightsizingError
from rightsizing.model.hourlyusage import Array
from rightsizing.model.offer import HOURS_PER_YEAR


def hindsight_cost(demand: Array, prices: PoolPrices, *, term_hours: int = HOURS_PER_YEAR) -> float:
    """Least possible cost of the hours, dollars. ``demand`` is hours x pools, without NaN."""
    rows, weights, week = _merged(demand)
    count, pools = rows.shape
    weeks = -(-len(demand) // HOURS_PER_WEEK)
    term_weeks = -(-term_hours // HOURS_PER_WEEK)
    starts = np.arange(weeks) * HOURS_PER_WEEK
    paid_hours = np.minimum(term_hours, len(demand) - starts)
    plans = [(pool, ratio) for pool, ratio in enumerate(prices.own) if ratio < 1]
    if prices.compute < 1:
        plans.append((pools, prices.compute))
    # Variables: purchases (plan x week), active coverage (plan x week), uncovered by pools
    # (row x pool), uncovered by all (row).
    bought, active = 0, len(plans) * weeks
    short = 2 * len(plans) * weeks
    final = short + count * pools
    size = final + count
    cost = np.zeros(size)
    for place, (_, ratio) in enumerate(plans):
        cost[bought + place * weeks : bought + (place + 1) * weeks] = ratio * paid_hours
    cost[final:] = weights
    left: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    cells = np.arange(count * pools)
    lines = np.arange(count)
    left.append((cells, short + cells, np.full(cells.size, -1.0)))
    left.append((count * pools + cells // pools, short + cells, np.ones(cells.size)))
    left.append((count * pools + lines, final + lines, np.full(count, -1.0)))
    for place, (pool, _) in enumerate(plans):
        column = active + place * weeks + week
        target = lines * pools + pool if pool < pools else count * pools + lines
        left.append((target, column, np.full(count, -1.0)))
    equal = _activity(len(plans), weeks, term_weeks)
    found = linprog(
        cost,
        A_ub=_matrix(left, count * pools + count, size),
        b_ub=np.concatenate([-rows.ravel(), np.zeros(count)]),
        A_eq=sparse.hstack([equal, sparse.csr_matrix((equal.shape[0], size - equal.shape[1]))]),
        b_eq=np.zeros(equal.shape[0]),
        method="highs-ipm",
    )
    if not found.success:
        raise RightsizingError(f"the hindsight programme was not solved: {found.message}")
    return float(found.fun)


def _activity(plans: int, weeks: int, term_weeks: int) -> sparse.csr_matrix:
    """Active coverage = last week's + bought - expired; columns: purchases, then coverage."""
    one = sparse.eye(weeks)
    bought = one - sparse.eye(weeks, k=-term_weeks) if term_weeks < weeks else one
    active = one - sparse.eye(weeks, k=-1)
    return sparse.hstack(
        [sparse.kron(sparse.eye(plans), bought), sparse.kron(sparse.eye(plans), -active)]
    ).tocsr()


def _matrix(
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]], rows: int, columns: int
) -> sparse.csr_matrix:
    row, column, value = (np.concatenate(items) for items in zip(*parts, strict=True))
    return sparse.csr_matrix((value, (row, column)), shape=(rows, columns))


def _merged(demand: Array) -> tuple[Array, Array, np.ndarray]:
    """Distinct rows of each week, how many hours each stands for, and its week."""
    week = np.arange(len(demand)) // HOURS_PER_WEEK
    keyed, counts = np.unique(np.column_stack([week, demand]), axis=0, return_counts=True)
    return keyed[:, 1:], counts.astype(float), keyed[:, 0].astype(int)
