"""Where each component runs cheapest, as a document and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rightsizing.decide.serverless.breakeven import BurstBreakEven
from rightsizing.decide.serverless.choice import ComponentChoice, RunOption, RunWay
from rightsizing.model.base import NoData
from rightsizing.model.update import Json
from rightsizing.report.document import (
    Block,
    Bullets,
    Cell,
    Column,
    Document,
    Heading,
    Table,
    Tone,
    clean,
    money,
    row,
    share,
)
from rightsizing.report.jsonview import plain


def serverless_page(
    choices: Sequence[ComponentChoice],
    bursts: Sequence[BurstBreakEven],
    notes: tuple[str, ...],
) -> Document:
    """A table of all components, then each with its reasons."""
    columns = (
        Column("component"),
        Column("runs a month", right=True),
        *(Column(way.value, right=True) for way in RunWay),
        Column("cheapest"),
    )
    rows = tuple(_row(item) for item in choices)
    blocks: list[Block] = [
        Heading("Lambda, Fargate or the shared instance", 1),
        Table(columns, rows),
    ]
    for choice in choices:
        blocks += [Heading(clean(choice.component.name)), Bullets(_sentences(choice))]
    if bursts:
        blocks += [Heading("Burstable types, unlimited mode"), Bullets(_burst_lines(bursts))]
    blocks.append(Bullets(notes, Tone.QUIET))
    return tuple(blocks)


def serverless_json(
    choices: Sequence[ComponentChoice],
    bursts: Sequence[BurstBreakEven],
    configuration: Json,
    notes: tuple[str, ...],
) -> Json:
    """Every option of every component."""
    return {
        "components": [plain(item) for item in choices],
        "burst_break_even": [plain(item) for item in bursts],
        "configuration": configuration,
        "notes": list(notes),
    }


def _row(choice: ComponentChoice) -> tuple[Cell, ...]:
    by_way = {option.way: option for option in choice.options}
    chosen = choice.chosen
    verdict = (
        Cell("not decided", Tone.WARNING)
        if isinstance(chosen, NoData)
        else Cell(chosen.way.value, Tone.GOOD)
    )
    return row(
        clean(choice.component.name),
        f"{choice.component.invocations:,.0f}",
        *(_price(by_way[way]) for way in RunWay),
        verdict,
    )


def _price(option: RunOption) -> str:
    return "-" if isinstance(option.usd_per_month, NoData) else money(option.usd_per_month)


def _sentences(choice: ComponentChoice) -> tuple[str, ...]:
    lines = []
    if isinstance(choice.chosen, NoData):
        lines.append(f"Not decided: {choice.chosen.reason}.")
    lines.append(f"Memory: {choice.tuned}.")
    if isinstance(choice.break_even, NoData):
        lines.append(f"Break-even with the shared instance: {choice.break_even.reason}.")
    else:
        lines.append(
            f"Lambda is no dearer than its share of the instance up to {choice.break_even:,} "
            f"invocations a month."
        )
    lines += [f"{option.way.value}: {option.says}." for option in choice.options]
    return tuple(lines)


def _burst_lines(bursts: Sequence[BurstBreakEven]) -> tuple[str, ...]:
    return tuple(
        f"{item.burstable} is no dearer than {item.fixed} up to {share(item.cpu_ratio, 1)} mean CPU"
        + ("; above its full use, so always." if item.cpu_ratio > 1 else ".")
        for item in bursts
    )
