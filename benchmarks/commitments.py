"""Commitments: static optimum against a linear programme, and purchases out of sample.

    RIGHTSIZING_DATA=... python benchmarks/commitments.py

1. Static: constant coverage of pools and a Compute plan by our descent, beside an independent
   linear programme (HiGHS) on the same hours; 33 generated pools x 8,760 hours are timed and
   compared with the programme on 500 weighted hours.
2. Purchases: every rule buys on the past only and the following hours are billed; figures are the
   share of the saving of the hindsight programme, which knows the future and has the same choices.

Writes ``benchmarks/results/commitments.md``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from commitmentcases import SEED, YEAR, Case, cases, fleet, prices
from scipy import sparse
from scipy.optimize import linprog

from rightsizing.decide.commitments.hindsight import hindsight_cost
from rightsizing.decide.commitments.optimum import PoolPrices, pools_optimum
from rightsizing.decide.commitments.peerrules import PEER_RULES
from rightsizing.decide.commitments.purchase import DEFAULT_LOSS_AVERSION, PurchaseRule
from rightsizing.decide.commitments.replay import replay
from rightsizing.model.hourlyusage import Array

RESULTS = Path(__file__).parent / "results" / "commitments.md"
MOST_LOSS = 0.02  # of on-demand spend
LEAST_SHARE = 0.75  # of the hindsight saving, where that is at least a tenth of spend
LEAST_SHARE_GROWING = 0.95


def programme(demand: Array, ratios: PoolPrices, weights: Array) -> tuple[Array, float]:
    """Independent optimum of the same constants: coverage by pool, and of the Compute plan."""
    hours, pools = demand.shape
    cells, lines = np.arange(hours * pools), np.arange(hours)
    first, last = pools + 1, pools + 1 + hours * pools
    total = float(weights.sum())
    cost = np.concatenate(
        [total * ratios.own, [total * ratios.compute], np.zeros(hours * pools), weights]
    )
    row = np.concatenate(
        [cells, cells, hours * pools + cells // pools, hours * pools + lines, hours * pools + lines]
    )
    column = np.concatenate(
        [first + cells, cells % pools, first + cells, np.full(hours, pools), last + lines]
    )
    value = np.concatenate([-np.ones(2 * cells.size), np.ones(cells.size), -np.ones(2 * hours)])
    matrix = sparse.csr_matrix((value, (row, column)), shape=(hours * (pools + 1), cost.size))
    bounds = np.concatenate([-demand.ravel(), np.zeros(hours)])
    found = linprog(cost, A_ub=matrix, b_ub=bounds, method="highs-ipm")
    return found.x[:pools], float(found.x[pools])


def cost_of(demand: Array, own: Array, compute: float, ratios: PoolPrices) -> float:
    """Bill of constant coverage."""
    rest = np.maximum(demand - own, 0).sum(axis=1)
    hourly = float(own @ ratios.own) + compute * ratios.compute
    return hourly * len(demand) + float(np.maximum(rest - compute, 0).sum())


def many_pools() -> Array:
    """33 pools, a year of hours: days, working weeks, drifts."""
    rng = np.random.default_rng(SEED)
    hours = np.arange(YEAR)
    pools = []
    for _ in range(33):
        day = 1 + 0.4 * rng.random() * np.sin(2 * np.pi * (hours / 24 + rng.random()))
        week = 0.2 * rng.random() * (hours % 168 < 120)
        drift = np.exp(np.cumsum(rng.normal(0, 0.01, YEAR)))
        pools.append((day + week) * drift * rng.lognormal(3, 1) * rng.uniform(0.9, 1.1, YEAR))
    return np.stack(pools, axis=1)


def static_section() -> list[str]:
    """Gap on the real fleet, then size and speed."""
    demand, _ = fleet()
    lines = [
        "## Static optimum",
        "",
        "Constant coverage by family (EC2 Instance plans) and a Compute plan above them. Gap: our",
        "cost over the programme's on the same hours, minus 1. Times are processor seconds.",
        "",
        "| demand | ratios | saving | gap | seconds |",
        "|---|---|--:|--:|--:|",
    ]
    parts = (("fleet", demand), ("first year", demand[:8784]), ("second year", demand[8784:]))
    for name, part in parts:
        days = part[::24]  # the fleet's counts change once a day only
        for own, compute in ((0.63, 0.73), (0.60, 0.66), (0.50, 0.70)):
            ratios = prices(part.shape[1], own, compute)
            began = time.process_time()
            ours = pools_optimum(part, ratios)
            seconds = time.process_time() - began
            theirs = cost_of(part, *programme(days, ratios, np.full(len(days), 24.0)), ratios)
            lines.append(
                f"| {name} | {own:.2f}, {compute:.2f} | {ours.saving_ratio:.2%} "
                f"| {100 * (ours.cost_usd / theirs - 1):.4f} % | {seconds:.2f} |"
            )
    many = many_pools()
    ratios = prices(many.shape[1], 0.63, 0.73)
    began = time.process_time()
    ours = pools_optimum(many, ratios)
    seconds = time.process_time() - began
    chosen = np.linspace(0, YEAR - 1, 500).astype(int)
    began = time.process_time()
    own, compute = programme(many[chosen], ratios, np.full(500, YEAR / 500))
    theirs = cost_of(many, own, compute, ratios)
    other = time.process_time() - began
    lines += [
        "",
        f"33 generated pools x 8,760 h: ours saves {ours.saving_ratio:.4%} in {seconds:.2f} s.",
        f"The programme on 500 weighted hours: {1 - theirs / many.sum():.4%} in {other:.2f} s.",
    ]
    return lines


def purchases_section() -> list[str]:
    """One row a case, then which aims are met."""
    rules = (PurchaseRule(), *PEER_RULES)
    lines = [
        "## Purchases out of sample",
        "",
        f"One-year commitments; our rule reviews weekly, loss aversion {DEFAULT_LOSS_AVERSION:g}.",
        "`best` is the hindsight saving as a share of on-demand spend; each rule's figure is its",
        "share of that. **Bold**: more than 2 % of spend worse than buying nothing.",
        "",
        "| case | best | " + " | ".join(rule.name for rule in rules) + " |",
        "|---|--:|" + "--:|" * len(rules),
    ]
    met = {"loss": [0, 0], "share": [0, 0], "growing": [0, 0]}
    missed: list[str] = []
    for case in cases():
        best = 1 - hindsight_cost(case.scored, case.prices) / float(case.scored.sum())
        savings = [replay(case.demand, case.prices, rule, case.start) for rule in rules]
        cells = [_cell(found.saving_ratio, best) for found in savings]
        lines.append(f"| {case.name} | {best:.1%} | " + " | ".join(cells) + " |")
        print(lines[-1], file=sys.stderr, flush=True)
        _judge(case, savings[0].saving_ratio, best, met, missed)
    lines += ["", "Aims, of our rule:", ""]
    names = {
        "loss": "never more than 2 % of spend worse than nothing",
        "share": "at least 75 % of the best wherever that is 10 % of spend or more",
        "growing": "at least 95 % of the best under steady growth",
    }
    lines += [f"- {names[key]}: {good} of {all_} cases" for key, (good, all_) in met.items()]
    return [*lines, "", "Missed:", "", *(missed or ["- none"])]


def _cell(saving: float, best: float) -> str:
    text = f"{100 * saving / best:.0f} %"
    return f"**{text}**" if saving < -MOST_LOSS else text


def _judge(
    case: Case, saving: float, best: float, met: dict[str, list[int]], missed: list[str]
) -> None:
    share = saving / best
    checks = {"loss": saving >= -MOST_LOSS}
    if best >= 0.1:
        checks["share"] = share >= LEAST_SHARE
    if case.growing:
        checks["growing"] = share >= LEAST_SHARE_GROWING
    for key, good in checks.items():
        met[key][0] += good
        met[key][1] += 1
        if not good:
            missed.append(f"- {key}: {case.name}: saves {saving:.1%} of spend, best {best:.1%}")


NOTES = """
## What was chosen on what

The loss aversion is the least whole number that keeps the 2 % bound on the reversed fleet given
here; the priors of the outlook were set to round figures on the generated series and the forward
fleet. The fleet holds about half the instance types of its source, and its spend moves between
$20 and $1,045 an hour in two years, with whole families left within weeks. Nothing in its past
tells the forward from the reversed year: a smaller aversion (3) takes 81 % instead of 58 % of the
best on the forward year at 0.60, and loses 3.1 % of spend on the reversed one at 0.73. So on this
fleet the bound costs the aim of 75 %. On generated growth with noise of 5 % (daily, autoregressive)
four of six miss 95 % by one to five points, AWS's rule followed monthly by nought to three; with
noise of 2 % none misses it, and AWS's rule does in every case at 0.73.
Step changes are lost to waiting (doubled) and to commitments that outlive the need (halved).
"""


def main() -> None:
    """Run both parts and write the page."""
    page = ["# Commitments", "", *static_section(), "", *purchases_section()]
    RESULTS.write_text("\n".join(page) + "\n" + NOTES, encoding="utf-8")
    print(RESULTS)


if __name__ == "__main__":
    main()
