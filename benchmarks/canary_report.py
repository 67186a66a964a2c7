"""The results page of the judges' benchmark: tables, the stated targets, and what is missed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rightsizing.rollout.judge.calibration import Share

if TYPE_CHECKING:
    from collections.abc import Callable

    from canary_cells import Cell, Service

    Table = dict[tuple[str, float, float, str], Cell]
    Minutes = Callable[[Cell], float]

ALPHA, MARGIN, HORIZON, SLOWER, OURS = 0.05, 1.25, 120, 1.7, "ours"
WRONG, ABSTAIN = 0.01, 0.10


def render(sections: dict[str, list[tuple[Service, list[Cell]]]], seconds: float) -> str:
    """Markdown of the whole page."""
    introduction = (
        f"120 looks, alpha {ALPHA}, margin x{MARGIN}; {seconds:.0f} s on two shared cores. Minutes "
        "(looks) to detect: mean over all runs, a run without alarm counting 120, and the median, "
        "120 where fewer than half alarm. Power and minutes are of the alarm watched to the end; "
        "outcomes stop at the first verdict. Intervals are 95 % Clopper-Pearson; runs of a replay "
        "overlap in time, so that theirs are too narrow. Flagger's and Argo's limits at x1.25 "
        "assume the baseline's rate is known. Ours reads 14 days of the service's A/A past, or "
        "half of a trace, which no run touches.\n"
    )
    parts = ["# Canary judges on the same streams\n", introduction]
    for title, section in sections.items():
        services = [service for service, _ in section]
        cells = [cell for _, some in section for cell in some]
        table = {(c.world, c.errors_per_minute, c.ratio, c.rule): c for c in cells}
        names = list(dict.fromkeys(c.rule for c in cells))
        runs = ", ".join(sorted({str(c.runs) for c in cells}, key=int))
        parts += [
            f"# {title}\n",
            f"Runs a cell: {runs} (fewest for Kayenta, most for ratios 1 and 1.25).\n",
            *_targets(services, cells, table),
            *_services(services),
            *_false_alarms(services, table, names),
            *_minutes(services, table, names),
            *_overall(services, table, names),
            *_outcomes(services, table, names),
        ]
    return "\n".join(parts) + "\n"


def _targets(services: list[Service], cells: list[Cell], table: Table) -> Iterable[str]:
    names = list(dict.fromkeys(cell.rule for cell in cells))
    yield "## Targets\n"
    refused = [s for s in services if not s.automatic]
    if refused:
        yield (
            "Where the replay of the past refuses automatic mode, ours only advises; these are "
            "left out here and shown in every table below: "
            + "; ".join(_refused(s, table) for s in refused)
            + ".\n"
        )
    services = [s for s in services if s.automatic]
    allowed = {(s.world, s.errors_per_minute) for s in services}
    cells = [c for c in cells if (c.world, c.errors_per_minute) in allowed]
    yield "| target | found | met |\n|---|---|---|"
    equal = [c for c in cells if c.rule == OURS and c.ratio == 1]
    worst = max(equal, key=lambda c: c.alarms / c.runs)
    pooled = Share(sum(c.alarms for c in equal), sum(c.runs for c in equal))
    yield _row(
        f"false alarms at most {ALPHA:.0%} in every world and traffic",
        f"worst {_share(worst.alarms, worst.runs)} ({worst.world}, {worst.errors_per_minute:g}/min)"
        f"; all {_share(pooled.hits, pooled.trials)}",
        worst.alarms / worst.runs <= ALPHA,
    )
    bad = [c for c in cells if c.rule == OURS and c.ratio >= MARGIN]
    worst = max(bad, key=lambda c: c.promoted / c.runs)
    yield _row(
        f"wrong promotions (ratio {MARGIN} or more) at most {WRONG:.0%}",
        f"worst {_share(worst.promoted, worst.runs)} ({worst.world}, "
        f"{worst.errors_per_minute:g}/min, x{worst.ratio:g})",
        worst.promoted / worst.runs <= WRONG,
    )
    enough = {(s.world, s.errors_per_minute) for s in services if s.promote_most is not None}
    held = [c for c in equal if (c.world, c.errors_per_minute) in enough]
    if held:
        worst = max(held, key=_abstained)
        yield _row(
            f"abstentions at most {ABSTAIN:.0%} of good canaries where traffic suffices "
            f"({len(enough)} of {len(services)})",
            f"worst {_abstained(worst):.1%} ({worst.world}, {worst.errors_per_minute:g}/min)",
            _abstained(worst) <= ABSTAIN,
        )
    for label, minutes in (("mean", _mean), ("median", _median)):
        late = list(_late(services, table, names, minutes))
        total = len(services) * 5
        yield _row(
            f"{label} minutes within one look or {SLOWER} times the fastest valid rule",
            f"{total - len(late)} of {total} cells"
            + ("; late: " + "; ".join(late) if late else ""),
            not late,
        )
    score = {name: _geometric(services, table, name) for name in names}
    best = min(score, key=lambda name: score[name])
    yield _row("best geometric mean over cells", f"{best}: {score[best]:.1f} min", best == OURS)
    yield ""


def _refused(s: Service, table: Table) -> str:
    cell = table[s.world, s.errors_per_minute, 1.0, OURS]
    margin = table[s.world, s.errors_per_minute, MARGIN, OURS]
    return (
        f"{s.world}, {s.errors_per_minute:g}/min ({s.replayed_alarms} of {s.replayed} replays; "
        f"here {cell.alarms / cell.runs:.1%} false alarms and "
        f"{margin.promoted / margin.runs:.1%} wrong promotions)"
    )


def _services(services: list[Service]) -> Iterable[str]:
    yield "## What ours learned from each service's past\n"
    yield (
        "Spread and persistence of the arms' log ratio, e-value that counts as harm, alarms in the "
        "A/A replay, and minutes to promote a good canary (half, nine in ten).\n"
    )
    yield (
        "| world | errors/min | spread | persistence | e-value | A/A replay | automatic | half |"
        " 9 in 10 |\n|---|---|---|---|---|---|---|---|---|"
    )
    for s in services:
        half, most = (
            "over 120" if v is None else f"{v:.0f}" for v in (s.promote_median, s.promote_most)
        )
        yield (
            f"| {s.world} | {s.errors_per_minute:g} | {s.spread:.3f} | {s.persistence:.3f} | "
            f"{s.harm_evidence:.1f} | {s.replayed_alarms}/{s.replayed} | "
            f"{'yes' if s.automatic else 'refused'} | {half} | {most} |"
        )
    yield ""


def _false_alarms(services: list[Service], table: Table, names: list[str]) -> Iterable[str]:
    yield "## False alarms in 120 looks, % (equal arms; bold: over alpha)\n"
    yield "| rule | " + " | ".join(f"{s.world} {s.errors_per_minute:g}" for s in services) + " |"
    yield "|---" * (len(services) + 1) + "|"
    for name in names:
        values = []
        for s in services:
            cell = table[s.world, s.errors_per_minute, 1.0, name]
            value = 100 * cell.alarms / cell.runs
            values.append(f"**{value:.1f}**" if value > 100 * ALPHA else f"{value:.1f}")
        yield f"| {name} | " + " | ".join(values) + " |"
    yield ""


def _minutes(services: list[Service], table: Table, names: list[str]) -> Iterable[str]:
    yield "## Minutes to detect: ours, and the fastest rule with false alarms under alpha\n"
    yield (
        "| world | errors/min | ratio | ours mean | median | power | fastest valid by mean | mean |"
        " fastest valid by median | median |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    for s in services:
        for ratio in (1.1, 1.25, 1.5, 2.0, 5.0):
            ours = table[s.world, s.errors_per_minute, ratio, OURS]
            means = _fastest(s, table, names, ratio, _mean)
            medians = _fastest(s, table, names, ratio, _median)
            yield (
                f"| {s.world} | {s.errors_per_minute:g} | {ratio:g} | {_mean(ours):.1f} | "
                f"{_text(_median(ours))} | {ours.alarms / ours.runs:.0%} | "
                f"{means[0]} | {means[1]:.1f} | {medians[0]} | {_text(medians[1])} |"
            )
    yield ""


def _overall(services: list[Service], table: Table, names: list[str]) -> Iterable[str]:
    yield "## Over all cells\n"
    yield (
        "Geometric mean of mean minutes to detect; a rule over alpha at ratio 1 in a world and "
        "traffic is not usable there and counts 120. Beside it, all cells as they are.\n"
    )
    yield "| rule | usable in | geometric mean | ignoring false alarms |\n|---|---|---|---|"
    for name in sorted(names, key=lambda n: _geometric(services, table, n)):
        usable = sum(_valid(s, table, name) for s in services)
        yield (
            f"| {name} | {usable} of {len(services)} | {_geometric(services, table, name):.1f} | "
            f"{_geometric(services, table, name, forgive=True):.1f} |"
        )
    yield ""


def _outcomes(services: list[Service], table: Table, names: list[str]) -> Iterable[str]:
    yield "## Outcomes over all worlds, % rolled back / promoted / undecided\n"
    ratios = (1.0, 1.1, 1.25, 1.5, 2.0, 5.0)
    yield "| rule | errors/min | " + " | ".join(f"x{ratio:g}" for ratio in ratios) + " |"
    yield "|---" * (len(ratios) + 2) + "|"
    for name in names:
        for traffic in sorted({s.errors_per_minute for s in services}):
            row = []
            for ratio in ratios:
                some = [
                    table[s.world, traffic, ratio, name]
                    for s in services
                    if s.errors_per_minute == traffic
                ]
                runs = sum(c.runs for c in some)
                back = 100 * sum(c.rolled_back for c in some) / runs
                let = 100 * sum(c.promoted for c in some) / runs
                row.append(f"{back:.0f} / {let:.1f} / {abs(100 - back - let):.0f}")
            yield f"| {name} | {traffic:g} | " + " | ".join(row) + " |"
    yield ""


def _late(
    services: list[Service], table: Table, names: list[str], minutes: Minutes
) -> Iterable[str]:
    for s in services:
        for ratio in (1.1, 1.25, 1.5, 2.0, 5.0):
            ours = minutes(table[s.world, s.errors_per_minute, ratio, OURS])
            name, best = _fastest(s, table, names, ratio, minutes)
            if ours > max(SLOWER * best, best + 1):
                yield (
                    f"{s.world} {s.errors_per_minute:g}/min x{ratio:g} {_text(ours)} against "
                    f"{_text(best)} ({name})"
                )


def _fastest(
    s: Service, table: Table, names: list[str], ratio: float, minutes: Minutes
) -> tuple[str, float]:
    valid = [name for name in names if not name.startswith(OURS) and _valid(s, table, name)]
    if not valid:
        return "none", math.inf
    best = min(valid, key=lambda n: minutes(table[s.world, s.errors_per_minute, ratio, n]))
    return best, minutes(table[s.world, s.errors_per_minute, ratio, best])


def _valid(s: Service, table: Table, name: str) -> bool:
    cell = table[s.world, s.errors_per_minute, 1.0, name]
    return cell.alarms / cell.runs <= ALPHA


def _geometric(services: list[Service], table: Table, name: str, *, forgive: bool = False) -> float:
    logs = [
        math.log(_mean(table[s.world, s.errors_per_minute, ratio, name]))
        if forgive or _valid(s, table, name)
        else math.log(HORIZON)
        for s in services
        for ratio in (1.1, 1.25, 1.5, 2.0, 5.0)
    ]
    return math.exp(sum(logs) / len(logs))


def _mean(cell: Cell) -> float:
    return cell.mean_minutes


def _median(cell: Cell) -> float:
    return float(HORIZON) if cell.median_minutes is None else cell.median_minutes


def _abstained(cell: Cell) -> float:
    return 1 - (cell.rolled_back + cell.promoted) / cell.runs


def _text(minutes: float) -> str:
    if not math.isfinite(minutes):
        return "none"
    return f"{minutes:.4g}" if minutes < HORIZON else "120 or more"


def _share(hits: int, runs: int) -> str:
    low, high = Share(hits, runs).interval
    return f"{hits / runs:.1%} ({low:.1%}-{high:.1%})"


def _row(target: str, found: str, met: bool) -> str:
    return f"| {target} | {found} | {'yes' if met else '**no**'} |"
