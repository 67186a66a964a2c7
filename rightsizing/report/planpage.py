"""A plan as a document: the release, its phases with their money, and each phase's changes."""

from __future__ import annotations

from rightsizing.model.base import NoData
from rightsizing.plan.build import Plan
from rightsizing.plan.figures import number, usd
from rightsizing.plan.finance import NPV_MONTHS, Never
from rightsizing.plan.phases import PhasePlan
from rightsizing.plan.risk import RiskLevel
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

_RISK_TONES = {
    RiskLevel.NONE: Tone.QUIET,
    RiskLevel.LOW: Tone.GOOD,
    RiskLevel.MEDIUM: Tone.WARNING,
    RiskLevel.HIGH: Tone.BAD,
}


def plan_page(plan: Plan) -> Document:
    """The release's id, a table of phases, then each phase that changes something."""
    release = plan.release
    changed = sum(len(phase.changes) for phase in plan.phases)
    blocks: list[Block] = [
        Heading("Plan", 1),
        Paragraph(
            f"Release {release.short_id}: {counted(len(release.workloads()), 'workload')}, "
            f"{counted(changed, 'change')}, last phase {release.last_phase()}."
        ),
        _phases(plan),
        Paragraph(_basis(plan), Tone.QUIET),
    ]
    for phase in plan.phases:
        blocks += _phase(phase)
    if plan.dropped:
        blocks += [
            Heading("Left out"),
            Bullets(
                tuple(
                    f"{item.workload}, phase {item.phase}: {item.reason}" for item in plan.dropped
                )
            ),
        ]
    return tuple(blocks)


def _phases(plan: Plan) -> Table:
    columns = (
        Column("phase"),
        Column("changes", right=True),
        Column("saves a month", right=True),
        Column("costs", right=True),
        Column("ROI", right=True),
        Column("payback", right=True),
        Column(f"NPV {NPV_MONTHS} months", right=True),
        Column(f"a {plan.assumptions.unit_name}", right=True),
        Column("risk"),
        Column("days covered", right=True),
    )
    return Table(columns, tuple(_phase_row(phase) for phase in plan.phases))


def _phase_row(phase: PhasePlan) -> tuple[Cell, ...]:
    appraisal = phase.appraisal
    unit = appraisal.cost_per_unit_usd
    return row(
        str(phase.number),
        str(len(phase.changes)),
        money(phase.saving_usd_per_month),
        money(phase.implementation_cost_usd),
        share(appraisal.roi_net_first_year),
        _months(appraisal.payback_months),
        money(appraisal.npv_usd),
        UNKNOWN if isinstance(unit, NoData) else usd(unit, 4),
        Cell(phase.risk.level.value, _RISK_TONES[phase.risk.level]),
        share(phase.confidence),
    )


def _months(payback: object) -> str:
    if isinstance(payback, Never):
        return "never"
    if isinstance(payback, NoData):
        return UNKNOWN
    return f"{payback:.1f} months"


def _basis(plan: Plan) -> str:
    return (
        "ROI is net, first year: (12 x monthly saving - cost) / cost. NPV discounts at "
        f"{number(plan.assumptions.discount_rate * 100)} % a year. Days covered: share of days "
        "whose peak stays within the largest seen, 95 % sure."
    )


def _phase(phase: PhasePlan) -> tuple[Block, ...]:
    blocks: list[Block] = [Heading(f"Phase {phase.number}: {phase.title}")]
    if not phase.changes:
        saving = phase.saving_usd_per_month
        reason = saving.reason if isinstance(saving, NoData) else "it changes no size"
        return (*blocks, Paragraph(reason[:1].upper() + reason[1:] + ".", Tone.QUIET))
    blocks.append(
        Table(
            (Column("workload"), Column("from"), Column("to"), Column("why")),
            tuple(
                row(
                    change.workload.key,
                    str(change.before),
                    str(change.after),
                    change.recommendation.sentence,
                )
                for change in phase.changes
            ),
        )
    )
    if isinstance(phase.saving_usd_per_month, NoData):
        blocks.append(
            Paragraph(
                f"Known saving {usd(phase.known_saving_usd_per_month)} a month; the rest is "
                f"unknown: {phase.saving_usd_per_month.reason}.",
                Tone.WARNING,
            )
        )
    payback = phase.appraisal.payback_months
    if isinstance(payback, Never):
        blocks.append(Paragraph(f"It never pays back: {payback.reason}.", Tone.WARNING))
    if phase.risk.reasons:
        blocks += [Paragraph(f"Risk {phase.risk.level.value}:"), Bullets(phase.risk.reasons)]
    blocks += [Paragraph("Before it starts:"), Bullets(phase.entry_checks)]
    criteria = tuple(f"{key}: {criterion.sentence}" for key, criterion in phase.success_criteria)
    blocks += [
        Paragraph("It succeeded when:"),
        Bullets(criteria or ("no objective is declared, so nothing can be checked",)),
    ]
    return tuple(blocks)
