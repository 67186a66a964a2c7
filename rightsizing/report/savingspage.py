"""Savings as a document and as JSON: the waterfall, what each phase returns, a case's account."""

from __future__ import annotations

from decimal import Decimal

from rightsizing.model.base import NoData
from rightsizing.model.update import Json
from rightsizing.plan.casemoney import CaseMoney
from rightsizing.plan.figures import number, usd
from rightsizing.plan.finance import NPV_MONTHS, Never
from rightsizing.plan.returns import PhaseReturn, Returns
from rightsizing.plan.savings import PricedStep, Waterfall
from rightsizing.report.document import (
    UNKNOWN,
    Block,
    Bullets,
    Cell,
    Column,
    Document,
    Heading,
    Paragraph,
    Table,
    Tone,
    counted,
    money,
    row,
    share,
)
from rightsizing.report.jsonview import plain


def savings_page(found: Waterfall, returns: Returns, unit_name: str = "unit") -> Document:
    """The steps in the order they are priced, then what each phase returns."""
    return (
        Heading("Savings, each on what the ones before left"),
        _steps(found),
        _total(found),
        *_why(found),
        *_returns(returns, unit_name),
    )


def savings_json(found: Waterfall, returns: Returns) -> Json:
    """Every step, the totals and the returns."""
    return {
        "bill_before_usd": plain(found.before_usd),
        "bill_after_usd": plain(found.after_usd),
        "saving_usd": plain(found.saving_usd),
        "unknown_steps": len(found.unknown),
        "steps": [_step_json(item) for item in found.steps],
        "by_phase": {str(phase): plain(found.saving_of(phase=phase)) for phase in found.phases},
        "returns": plain(returns),
    }


def case_page(found: CaseMoney) -> Document:
    """Claims against the bill, the real steps, their returns."""
    case = found.case
    bill = found.real.before_usd
    claimed = sum((phase.saving_usd_per_month for phase in case.phases), Decimal(0))
    paying = [str(item.phase) for item in found.returns.paying()]
    blocks: list[Block] = [
        Heading(f"Money: {case.title}", 1),
        Paragraph(
            f"{usd(claimed)} a month are claimed of a bill of {usd(bill)}. The plan really saves "
            f"{usd(found.real.saving_usd)} and leaves {usd(found.real.after_usd)}; "
            f"{counted(len(found.real.unknown), 'step')} count as nothing, because nothing was "
            "measured.",
            Tone.WARNING if claimed > bill else Tone.PLAIN,
        ),
        _phases(found),
        _total(found.real),
        Heading("Step by step, each on what the ones before left"),
        _steps(found.real),
        *_why(found.real),
        *_returns(found.returns, case.units.name),
    ]
    if paying:
        blocks.append(
            Paragraph(
                f"On this bill phase {' and '.join(paying)} pays back; no other does.", Tone.GOOD
            )
        )
    else:
        blocks.append(Paragraph("On this bill, no phase pays back.", Tone.BAD))
    return tuple(blocks)


def case_json(found: CaseMoney) -> Json:
    """Claims, capped claims, real steps and returns."""
    return {
        "title": found.case.title,
        "workload": found.case.workload,
        "phases": [
            {
                "phase": phase.number,
                "title": phase.title,
                "claimed_usd": plain(phase.saving_usd_per_month),
                "claimed_at_most_usd": plain(found.claimed.saving_of(phase=phase.number)),
                "real_usd": plain(found.real.saving_of(phase=phase.number)),
                "cost_usd": plain(phase.implementation_cost_usd),
            }
            for phase in found.case.phases
        ],
        "savings": savings_json(found.real, found.returns),
    }


def _phases(found: CaseMoney) -> Table:
    columns = (
        Column("phase"),
        Column("claimed", right=True),
        Column("the bill allows", right=True),
        Column("really saves", right=True),
        Column("left", right=True),
    )
    left = found.real.before_usd
    rows = []
    for phase in found.case.phases:
        saving = found.real.saving_of(phase=phase.number)
        left -= saving
        rows.append(
            row(
                f"{phase.number} {phase.title}",
                usd(phase.saving_usd_per_month),
                usd(found.claimed.saving_of(phase=phase.number)),
                Cell(usd(saving), Tone.GOOD if saving > 0 else Tone.QUIET),
                usd(left),
            )
        )
    claimed = sum((phase.saving_usd_per_month for phase in found.case.phases), Decimal(0))
    rows.append(
        row(
            "all",
            usd(claimed),
            usd(found.claimed.saving_usd),
            usd(found.real.saving_usd),
            usd(found.real.after_usd),
        )
    )
    return Table(columns, tuple(rows))


def _steps(found: Waterfall) -> Table:
    columns = (
        Column("kind"),
        Column("phase"),
        Column("workload"),
        Column("change"),
        Column("before", right=True),
        Column("saves", right=True),
        Column("after", right=True),
    )
    return Table(columns, tuple(_step(item) for item in found.steps))


def _step(item: PricedStep) -> tuple[Cell, ...]:
    tone = Tone.GOOD if item.saving_usd > 0 else Tone.QUIET
    saving = UNKNOWN if item.unknown else usd(item.saving_usd)
    return row(
        item.step.kind.value,
        str(item.step.phase or ""),
        item.step.workload,
        item.step.title,
        usd(item.before_usd),
        Cell(saving, Tone.BAD if item.saving_usd < 0 else tone),
        usd(item.after_usd),
    )


def _total(found: Waterfall) -> Paragraph:
    terms = " + ".join(usd(item.saving_usd) for item in found.steps if item.saving_usd) or "$0.00"
    return Paragraph(
        f"Sum of the steps {terms} = {usd(found.saving_usd)} = bill before "
        f"{usd(found.before_usd)} - bill after {usd(found.after_usd)}."
    )


def _why(found: Waterfall) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for item in found.steps:
        lines = [item.arithmetic, *item.step.why]
        if item.remark:
            lines.insert(1, f"{'counts as nothing: ' if item.unknown else ''}{item.remark}")
        phase = f"phase {item.step.phase}, " if item.step.phase else ""
        blocks += [
            Paragraph(f"{item.step.kind.value} ({phase}{item.step.workload}): {item.step.title}"),
            Bullets(tuple(lines), Tone.QUIET),
        ]
    return tuple(blocks)


def _returns(returns: Returns, unit_name: str) -> tuple[Block, ...]:
    columns = (
        Column("phase"),
        Column("saves a month", right=True),
        Column("costs", right=True),
        Column("ROI", right=True),
        Column("payback", right=True),
        Column(f"NPV {NPV_MONTHS} months", right=True),
        Column(f"a {unit_name} after", right=True),
    )
    rows = (*returns.phases, returns.total)
    rate = returns.total.appraisal.discount_rate
    return (
        Heading("What it returns"),
        Table(columns, tuple(_return(item) for item in rows)),
        Bullets(tuple(f"{_name(item)}: {item.says}" for item in rows)),
        Paragraph(
            "ROI is net, first year: (12 x monthly saving - cost) / cost. NPV discounts monthly at "
            f"{number(rate * 100)} % a year.",
            Tone.QUIET,
        ),
    )


def _return(item: PhaseReturn) -> tuple[Cell, ...]:
    found = item.appraisal
    unit = found.cost_per_unit_usd
    months = found.payback_months
    if isinstance(months, Never):
        payback = "never"
    else:
        payback = UNKNOWN if isinstance(months, NoData) else f"{number(months, 1)} months"
    return row(
        _name(item),
        usd(item.saving_usd),
        money(found.cost_usd),
        Cell(share(found.roi_net_first_year), _roi_tone(found.roi_net_first_year)),
        payback,
        money(found.npv_usd),
        UNKNOWN if isinstance(unit, NoData) else usd(unit, 4),
    )


def _roi_tone(roi: Decimal | NoData) -> Tone:
    if isinstance(roi, NoData):
        return Tone.QUIET
    return Tone.GOOD if roi > 0 else Tone.BAD


def _name(item: PhaseReturn) -> str:
    return "all" if item.phase is None else f"phase {item.phase}"


def _step_json(item: PricedStep) -> Json:
    return {
        "kind": item.step.kind.value,
        "phase": item.step.phase,
        "workload": item.step.workload,
        "title": item.step.title,
        "before_usd": plain(item.before_usd),
        "saving_usd": plain(item.saving_usd),
        "after_usd": plain(item.after_usd),
        "unknown": plain(item.step.effect) if item.unknown else None,
        "arithmetic": item.arithmetic,
        "remark": item.remark,
        "why": list(item.step.why),
    }
