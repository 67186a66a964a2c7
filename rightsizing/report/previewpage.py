"""A preview as a document: every step with its changed properties, and the money it moves."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal

from rightsizing.model.base import NoData
from rightsizing.model.size import Size
from rightsizing.model.update import Json, OperationResult, Step, StepOp
from rightsizing.report.document import (
    Block,
    Bullets,
    Cell,
    Column,
    Document,
    Heading,
    Paragraph,
    Table,
    Tone,
    money,
    row,
)
from rightsizing.report.money import MoneyLine, PreviewMoney
from rightsizing.units import format_usd

# A made or deleted resource has too many properties for a page; these say how large it is.
_SIZE_PROPERTIES = frozenset(
    {
        "instanceType",
        "minSize",
        "maxSize",
        "cpu",
        "cpus",
        "memory",
        "desiredCount",
        "minCapacity",
        "maxCapacity",
    }
)
MAX_VALUE = 60  # characters of a property's value on a page; JSON holds all
_TONES = {
    StepOp.CREATE: Tone.GOOD,
    StepOp.UPDATE: Tone.WARNING,
    StepOp.REPLACE: Tone.BAD,
    StepOp.DELETE: Tone.BAD,
}


def preview_page(result: OperationResult, amounts: PreviewMoney) -> Document:
    """Steps that change something, then the money by workload, then warnings."""
    blocks: list[Block] = [Heading("Preview", 1)]
    if not result.changes:
        blocks.append(Paragraph("No changes.", Tone.GOOD))
    else:
        blocks += [_steps(result, amounts), Paragraph(_counts(result))]
    if amounts.lines:
        blocks += [Heading("Money, a month"), money_table(amounts), *money_notes(amounts)]
    if result.diagnostics:
        blocks += [Heading("Messages"), Bullets(result.diagnostics, Tone.WARNING)]
    return tuple(blocks)


def money_table(amounts: PreviewMoney) -> Table:
    """Every priced workload and slot, before and after; the total last."""
    columns = (
        Column("workload"),
        Column("from"),
        Column("to"),
        Column("before", right=True),
        Column("after", right=True),
        Column("difference", right=True),
    )
    rows = [_money_row(line) for line in amounts.lines]
    rows.append(
        row(
            "total of the known",
            "",
            "",
            format_usd(amounts.before[0]),
            format_usd(amounts.after[0]),
            _signed(amounts.difference[0]),
        )
    )
    return Table(columns, tuple(rows))


def money_notes(amounts: PreviewMoney) -> tuple[Block, ...]:
    """Where prices come from, and what has none."""
    bases = dict.fromkeys(
        cost.basis
        for line in amounts.lines
        for cost in (line.before, line.after)
        if cost is not None and not isinstance(cost, NoData)
    )
    unknown = tuple(
        dict.fromkeys(
            f"{_name(line)}: unknown, {cost.reason}"
            for line in amounts.lines
            for cost in (line.before, line.after)
            if isinstance(cost, NoData)
        )
    )
    blocks: list[Block] = []
    if bases:
        blocks.append(Bullets(tuple(bases), Tone.QUIET))
    if unknown:
        blocks.append(Bullets(unknown, Tone.WARNING))
    return tuple(blocks)


def _steps(result: OperationResult, amounts: PreviewMoney) -> Table:
    columns = (
        Column("step"),
        Column("resource"),
        Column("type"),
        Column("changes"),
        Column("a month", right=True),
    )
    return Table(columns, tuple(_step(step, amounts.line_of(step)) for step in result.changes))


def _step(step: Step, line: MoneyLine | None) -> tuple[Cell, ...]:
    difference = "" if line is None else _signed(line.difference)
    op = Cell(step.op.value, _TONES.get(step.op, Tone.PLAIN))
    changes = "; ".join(_changes(step))
    return row(op, step.name, step.type.rsplit(":", 1)[-1], changes, difference)


def _changes(step: Step) -> Iterator[str]:
    if step.op in (StepOp.CREATE, StepOp.DELETE):
        for change in step.changes:
            if change.path in _SIZE_PROPERTIES:
                value = change.after if step.op is StepOp.CREATE else change.before
                yield f"{change.path}: {_value(value)}"
        return
    for change in step.changes:
        forced = " (replaces)" if change.forces_replacement else ""
        yield f"{change.path}: {_value(change.before)} -> {_value(change.after)}{forced}"


def _counts(result: OperationResult) -> str:
    counts = Counter(step.op.value for step in result.steps)
    return ", ".join(f"{count} {op}" for op, count in sorted(counts.items())) + "."


def _money_row(line: MoneyLine) -> tuple[Cell, ...]:
    return row(
        _name(line),
        _size(line.before_size),
        _size(line.after_size),
        "" if line.before is None else money(line.before),
        "" if line.after is None else money(line.after),
        _signed(line.difference),
    )


def _name(line: MoneyLine) -> str:
    return line.workload if line.slot is None else f"{line.workload}, slot {line.slot.value}"


def _size(size: Size | None) -> str:
    return "none" if size is None else str(size)


def _signed(amount: Decimal | NoData) -> str:
    if isinstance(amount, NoData):
        return "unknown"
    text = format_usd(amount)
    return f"+{text}" if amount > 0 and not text.endswith("$0.00") else text


def _value(value: Json) -> str:
    if value is None:
        return "none"
    weights = _weights(value)
    if weights is not None:
        return weights
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 3] + "..."


def _weights(value: Json) -> str | None:
    """Target groups of a forward action as their weights, which is what changes in them."""
    if not isinstance(value, list) or not value:
        return None
    weights = [item.get("weight") if isinstance(item, Mapping) else None for item in value]
    if any(weight is None for weight in weights):
        return None
    return "weights " + ", ".join(f"{weight:g}" for weight in weights)
