"""A choice of scaling policy as a document and as JSON: the policy, its cost, what is certain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from rightsizing.decide.autoscaling.application import applied_policy, applied_range
from rightsizing.decide.autoscaling.choice import Choice, Judged
from rightsizing.decide.autoscaling.evidence import ShortageEvidence
from rightsizing.model.base import NoData
from rightsizing.model.scaling import ScalingPolicy
from rightsizing.model.update import Json
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
from rightsizing.report.jsonview import plain
from rightsizing.units import HOURS_PER_MONTH

MOST_FRONTIER = 10  # on a page; JSON holds all
MOST_MINIMA = 12


@dataclass(frozen=True, slots=True)
class ScalingReport:
    """A choice with what money needs. ``usd_per_hour`` of one instance."""

    choice: Choice
    usd_per_hour: Decimal | NoData
    price_basis: str
    notes: tuple[str, ...]

    def monthly(self, instances: float) -> Decimal | NoData:
        """A month of 730 hours of so many instances on average."""
        if isinstance(self.usd_per_hour, NoData):
            return self.usd_per_hour
        return self.usd_per_hour * HOURS_PER_MONTH * Decimal(repr(instances))


def scaling_page(report: ScalingReport) -> Document:
    """The chosen policy beside the alternatives, the evidence, the frontier and the schedule."""
    choice = report.choice
    low, high = applied_range(choice)
    verdict = _bound_sentence(choice)
    blocks: list[Block] = [
        Heading(f"Scaling policy for {choice.load.key}", 1),
        Paragraph(f"{policy_words(choice)}; {low} to {high} instances."),
        Paragraph(verdict, Tone.PLAIN if choice.within_bound else Tone.WARNING),
        _comparison(report),
        Heading("What these days can say"),
        Bullets(
            (
                interval_sentence(choice.evidence),
                choice.evidence.sentence(choice.bound),
                *report.notes,
            )
        ),
    ]
    policy = applied_policy(choice)
    if isinstance(policy, ScalingPolicy) and policy.schedule:
        blocks += [Heading("Minimum by the clock (UTC)"), _schedule(policy)]
    blocks += [
        Heading("Cheaper or safer"),
        Paragraph(
            f"{choice.tried:,} policies were replayed; no other beats these in both figures."
        ),
        _frontier(report),
    ]
    return tuple(blocks)


def scaling_json(report: ScalingReport) -> Json:
    """Everything on the page, the whole frontier, and the policy as a release carries it."""
    choice = report.choice
    low, high = applied_range(choice)
    policy = applied_policy(choice)
    others = {"chosen": choice.chosen, "static": choice.static, "present": choice.present}
    return {
        "workload": choice.load.key,
        "days": choice.load.days,
        "step_s": choice.load.step_s,
        "unit": choice.load.unit,
        "capacity_per_instance": choice.setting.capacity,
        "bound_ratio": choice.bound,
        "within_bound": choice.within_bound,
        "policy": {
            "says": policy_words(choice),
            "minimum": low,
            "maximum": high,
            "scaling": plain(policy)
            if isinstance(policy, NoData)
            else policy.model_dump(mode="json", exclude_none=True),
        },
        "clairvoyant_instances": choice.clairvoyant,
        **{
            name: None if item is None else _judged_json(report, item)
            for name, item in others.items()
        },
        "evidence": plain(choice.evidence),
        "frontier": [_judged_json(report, item) for item in choice.frontier],
        "policies_tried": choice.tried,
        "notes": list(report.notes),
        "price_basis": report.price_basis,
    }


def policy_words(choice: Choice) -> str:
    """The chosen policy in words."""
    return candidate_words(choice.chosen)


def candidate_words(item: Judged) -> str:
    """Mechanisms and their settings."""
    candidate = item.candidate
    if candidate.instances is not None:
        return f"{candidate.instances} instances, fixed"
    parts = [item.kind]
    if candidate.target is not None:
        parts.append(f"target {candidate.target:.0%}")
    if candidate.timetable is not None:
        parts.append(str(candidate.timetable))
    if candidate.forecast_target is not None:
        parts.append(f"forecast at {candidate.forecast_target:.0%}")
    return ", ".join(parts)


def interval_sentence(evidence: ShortageEvidence) -> str:
    """The share of short minutes with its interval."""
    text = f"Short in {evidence.share:.4%} of minutes replayed"
    if evidence.upper is None:
        return f"{text}: no day had a short minute, so resampling sees no more than that."
    return (
        f"{text}; 95 % interval {evidence.lower:.4%} to {evidence.upper:.4%}, by resampling whole "
        "days."
    )


def _bound_sentence(choice: Choice) -> str:
    if choice.within_bound:
        return (
            f"Demand was above capacity in {choice.chosen.short_share:.4%} of minutes, on days its "
            f"schedule had not seen; the bound is {choice.bound:.3%}."
        )
    return (
        f"No policy keeps the bound of {choice.bound:.3%} on these days; this is the "
        f"least short one, in {choice.chosen.short_share:.4%} of minutes."
    )


def _comparison(report: ScalingReport) -> Table:
    choice = report.choice
    rows = [("chosen", choice.chosen), ("fixed number", choice.static)]
    if choice.present is not None:
        rows.append(("present policy", choice.present))
    lines = [_line(report, name, item) for name, item in rows]
    lines.append(
        row(
            "knows the load in advance",
            f"{choice.clairvoyant:.2f}",
            money(report.monthly(choice.clairvoyant)),
            f"{choice.clairvoyant / choice.chosen.instances:.2f}",
            "0 %",
            "",
        )
    )
    columns = (
        Column("policy"),
        Column("mean instances", right=True),
        Column("a month", right=True),
        Column("of the chosen", right=True),
        Column("minutes short", right=True),
        Column("starts a day", right=True),
    )
    return Table(columns, tuple(lines), report.price_basis)


def _line(report: ScalingReport, name: str, item: Judged) -> tuple[Cell, ...]:
    return row(
        name,
        f"{item.instances:.2f}",
        money(report.monthly(item.instances)),
        f"{item.instances / report.choice.chosen.instances:.2f}",
        f"{item.short_share:.4%}",
        f"{item.starts_per_day:.1f}",
    )


def _frontier(report: ScalingReport) -> Table:
    points = report.choice.frontier
    shown = _spread(points)
    columns = (
        Column("policy"),
        Column("mean instances", right=True),
        Column("a month", right=True),
        Column("minutes short", right=True),
    )
    rows = tuple(
        row(
            candidate_words(item),
            f"{item.instances:.2f}",
            money(report.monthly(item.instances)),
            f"{item.short_share:.4%}",
        )
        for item in shown
    )
    return Table(columns, rows, f"{len(shown)} of {len(points)} points")


def _spread(points: Sequence[Judged]) -> Sequence[Judged]:
    if len(points) <= MOST_FRONTIER:
        return points
    last = len(points) - 1
    return [points[round(at * last / (MOST_FRONTIER - 1))] for at in range(MOST_FRONTIER)]


def _schedule(policy: ScalingPolicy) -> Table:
    entries = policy.schedule
    title = f"{min(len(entries), MOST_MINIMA)} of {len(entries)} scheduled actions"
    return Table(
        (Column("from (cron)"), Column("minimum", right=True)),
        tuple(row(entry.cron, str(entry.minimum)) for entry in entries[:MOST_MINIMA]),
        title,
    )


def _judged_json(report: ScalingReport, item: Judged) -> Json:
    cost = report.monthly(item.instances)
    return {
        "says": candidate_words(item) if item.kind != "present policy" else item.kind,
        "kind": item.kind,
        "mean_instances": item.instances,
        "usd_per_month": plain(cost),
        "short_ratio": item.short_share,
        "short_standard_error": item.short_error,
        "excess_ratio": item.excess_share,
        "starts_per_day": item.starts_per_day,
    }
