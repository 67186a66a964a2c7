"""The audit as a document: findings with their arithmetic, what is safe, and why it differs."""

from __future__ import annotations

from decimal import Decimal

from rightsizing.model.base import NoData
from rightsizing.plan.audit import AuditReport
from rightsizing.plan.figures import number, percent, usd
from rightsizing.plan.finance import Appraisal, Never
from rightsizing.plan.finding import AuditFinding, Severity
from rightsizing.plan.safeplan import SafeOption, SafePlan
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
    counted,
    money,
    row,
    share,
)

_TONES = {
    Severity.REFUSED: Tone.BAD,
    Severity.WRONG: Tone.WARNING,
    Severity.UNPROVEN: Tone.WARNING,
    Severity.NOTE: Tone.QUIET,
}


def audit_page(report: AuditReport) -> Document:
    """Verdict, findings (worst first), safe sizes, and claimed against safe savings."""
    blocks: list[Block] = [Heading(f"Audit: {report.title}", 1), _verdict(report)]
    if report.findings:
        blocks.append(Heading("Findings"))
    for index, finding in enumerate(report.findings, start=1):
        blocks += _finding(index, finding)
    blocks += safe_blocks(report.safe)
    return tuple(blocks)


def safe_blocks(safe: SafePlan) -> tuple[Block, ...]:
    """The safe sizes and the savings table, also used at the end of a run."""
    blocks: list[Block] = []
    if safe.options:
        blocks += [Heading("What is safe instead"), _options(safe)]
        blocks += [
            Bullets(tuple(f"{option.title}: {option.arithmetic}" for option in safe.options)),
            Paragraph("Each only when:"),
            Bullets(
                tuple(f"{option.title}: {'; '.join(option.conditions)}" for option in safe.options)
            ),
        ]
    blocks += [Heading("Claimed saving and safe saving, a month"), savings_table(safe)]
    if safe.appraised_phases:
        blocks.append(Paragraph(_appraisal(safe.appraisal, safe.appraised_phases)))
    return tuple(blocks)


def savings_table(safe: SafePlan) -> Table:
    """Claimed saving, safe saving, why they differ; the total last."""
    rows = []
    for item in safe.savings:
        name = item.title if item.number == 0 else f"{item.number} {item.title}"
        known = isinstance(item.safe_usd_per_month, Decimal)
        rows.append(
            row(
                name,
                usd(item.claimed_usd_per_month),
                Cell(money(item.safe_usd_per_month), Tone.GOOD if known else Tone.QUIET),
                item.why,
            )
        )
    columns = (
        Column("phase"),
        Column("claimed", right=True),
        Column("safe", right=True),
        Column("why they differ"),
    )
    return Table(columns, tuple(rows))


def _verdict(report: AuditReport) -> Paragraph:
    if not report.findings:
        return Paragraph("No findings: the case's figures agree with each other.", Tone.GOOD)
    counts = ", ".join(
        f"{report.count(severity)} {severity.value}"
        for severity in Severity
        if report.count(severity)
    )
    text = f"{counted(len(report.findings), 'finding')}: {counts}."
    if report.rejected:
        return Paragraph(
            f"Rejected: the plan asks for what its own evidence forbids. {text}", Tone.BAD
        )
    return Paragraph(text, Tone.WARNING)


def _finding(index: int, finding: AuditFinding) -> tuple[Block, ...]:
    return (
        Heading(f"{index}. {finding.severity.value}: {finding.code.value} ({finding.subject})", 3),
        Paragraph(f"Claimed: {finding.claim}"),
        Paragraph(f"Found: {finding.computed}", _TONES[finding.severity]),
        Bullets(finding.arithmetic, Tone.QUIET),
        Paragraph(f"Safe instead: {finding.instead}"),
    )


def _options(safe: SafePlan) -> Table:
    columns = (
        Column("size"),
        Column("CPU mean", right=True),
        Column("CPU peak", right=True),
        Column("memory", right=True),
        Column("a month", right=True),
        Column("saves", right=True),
        Column("prices"),
    )
    return Table(columns, tuple(_option(option) for option in safe.options))


def _option(option: SafeOption) -> tuple[Cell, ...]:
    return row(
        option.title,
        percent(option.cpu_mean_pct),
        percent(option.cpu_peak_pct),
        percent(option.memory_pct),
        money(option.usd_per_month),
        money(option.saving_usd_per_month),
        option.basis,
    )


def _appraisal(appraisal: Appraisal, phases: tuple[int, ...]) -> str:
    names = " and ".join(str(number_) for number_ in phases)
    return (
        f"Safe saving of phase {names} at the case's own cost of {money(appraisal.cost_usd)}: "
        f"ROI {share(appraisal.roi_net_first_year)} net in the first year, payback "
        f"{payback_text(appraisal)}, 3-year NPV {money(appraisal.npv_usd)} at "
        f"{share(appraisal.discount_rate)} a year."
    )


def payback_text(appraisal: Appraisal) -> str:
    """``9.6 months``, ``never: it saves nothing`` or ``unknown``."""
    months = appraisal.payback_months
    if isinstance(months, Never):
        return f"never: {months.reason}"
    if isinstance(months, NoData):
        return "unknown"
    return f"{number(months, 1)} months"
