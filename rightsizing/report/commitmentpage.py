"""Commitment advice as a document, as JSON, and as decisions for stack configuration."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from rightsizing.decide.commitments.advice import CommitmentAdvice, Figures, Purchase
from rightsizing.decide.commitments.catalogoffers import LIST_PREFIX
from rightsizing.decide.commitments.mixture import Mixture
from rightsizing.decide.commitments.portfolio import PlanChoice
from rightsizing.decide.commitments.replay import Replay
from rightsizing.model.commitment import (
    MIN_COMMITMENT_USD_PER_HOUR,
    CommitmentDecision,
    CommitmentPlan,
)
from rightsizing.model.commitmentpeer import PeerCommitments
from rightsizing.model.offer import Offer
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
    share,
)
from rightsizing.units import HOURS_PER_MONTH

_MOST_LOSS = -0.02


def commitment_page(advice: CommitmentAdvice, peer: PeerCommitments | None = None) -> Document:
    """What to buy, before and after, what to know, and AWS's own advice when it was asked."""
    blocks: list[Block] = [Heading("Commitments", 1)]
    if advice.purchases:
        blocks += [_purchases(advice), Bullets(tuple(item.reason for item in advice.purchases))]
    else:
        blocks.append(Paragraph("Nothing to buy now."))
    blocks.append(_figures(advice))
    blocks.append(
        Paragraph(
            f"At worst, if all usage stopped today: {money(advice.most_to_lose_usd)} paid over the "
            "terms for nothing."
        )
    )
    commands = tuple(text for text in map(purchase_command, advice.purchases) if text)
    if commands:
        blocks += [Paragraph("Reservations are bought by you:"), Bullets(commands)]
    if peer is not None:
        blocks += _peer(peer)
    if advice.notes:
        blocks.append(Bullets(advice.notes, Tone.WARNING))
    return tuple(blocks)


def purchase_command(item: Purchase) -> str | None:
    """The command that buys a reservation; None for plans, and for list prices without an id."""
    offer = item.offer
    if not offer.kind.is_reservation or offer.offering_id.startswith(LIST_PREFIX):
        return None
    return (
        f"aws ec2 purchase-reserved-instances-offering --region {offer.region} "
        f"--reserved-instances-offering-id {offer.offering_id} "
        f"--instance-count {int(item.quantity)}"
    )


def commitment_plan(advice: CommitmentAdvice, start: datetime) -> CommitmentPlan:
    """The purchases as decisions that stack configuration can hold; list prices are left out."""
    return CommitmentPlan(
        decisions=tuple(
            CommitmentDecision(
                offering_id=item.offer.offering_id,
                kind=item.offer.kind,
                term_years=item.offer.term_years,
                payment=item.offer.payment,
                hourly_commitment=format(round(item.usd_per_hour, 5), "f"),
                count=int(item.quantity) if item.offer.kind.is_reservation else 0,
                start=start,
                region=item.offer.region,
                family=item.offer.family,
                instance_type=item.offer.instance_type,
                zone=item.offer.zone,
                reason=item.reason,
            )
            for item in advice.purchases
            if not item.offer.offering_id.startswith(LIST_PREFIX)
        )
    )


def commitment_json(
    advice: CommitmentAdvice, plan: CommitmentPlan, peer: PeerCommitments | None = None
) -> dict[str, Json]:
    """For programs: money as decimal strings."""
    found: dict[str, Json] = {
        "purchases": [
            {
                "offering_id": item.offer.offering_id,
                "kind": item.offer.kind.value,
                "pool": item.pool,
                "term_years": item.offer.term_years,
                "payment": item.offer.payment.value,
                "quantity": item.quantity,
                "usd_per_hour": str(item.usd_per_hour),
                "upfront_usd": str(item.upfront_usd),
                "ratio": round(item.ratio, 6),
                "break_even_months": item.break_even_months,
                "chance_of_underuse": item.chance_of_underuse,
                "reason": item.reason,
                "command": purchase_command(item),
            }
            for item in advice.purchases
        ],
        "before": _figures_json(advice.before),
        "after": _figures_json(advice.after),
        "scored_hours": advice.scored_hours,
        "most_to_lose_usd": str(advice.most_to_lose_usd),
        "notes": list(advice.notes),
        "plan": plan.model_dump(mode="json"),
    }
    if peer is not None:
        found["aws"] = {
            "lookback_days": peer.lookback_days,
            "recommended": [
                {
                    "kind": item.kind.value,
                    "region": item.region,
                    "family": item.family,
                    "usd_per_hour": str(item.usd_per_hour),
                    "saving_usd_per_month": str(item.saving_usd_per_month),
                    "utilisation": str(item.utilisation),
                }
                for item in peer.found
            ],
            "failures": list(peer.failures),
        }
    return found


def mixture_page(mixture: Mixture) -> Document:
    """Terms and payments chosen together, and what three years cost with and without."""
    portfolio = mixture.portfolio
    columns = (
        Column("buy"),
        Column("for"),
        Column("term, payment"),
        Column("an hour", right=True),
        Column("off", right=True),
    )
    rows = tuple(
        row(
            _amount(offer, coverage * choice.ratio),
            offer.instance_type or offer.family or "all families",
            f"{offer.term_years} y, {offer.payment.value}",
            f"${coverage * choice.ratio:,.5f}",
            share(1 - choice.ratio, 1),
        )
        for offer, choice, coverage in _bought(mixture)
    )
    saving = 1 - portfolio.expected_usd / mixture.on_demand_usd
    return (
        Heading("Terms and payments together", 1),
        Table(columns, rows) if rows else Paragraph("Nothing to buy now."),
        Paragraph(
            f"Three years cost {_usd(portfolio.expected_usd)} expected (capital included), "
            f"{_usd(portfolio.cvar_usd)} in the worst tail, {_usd(mixture.on_demand_usd)} on "
            f"demand: {share(saving, 1)} saved. Paid at once: {_usd(portfolio.upfront_usd)}."
        ),
    )


def mixture_json(mixture: Mixture) -> dict[str, Json]:
    """The same for programs."""
    portfolio = mixture.portfolio
    return {
        "purchases": [
            {
                "offering_id": offer.offering_id,
                "term_years": offer.term_years,
                "payment": offer.payment.value,
                "usd_per_hour": round(coverage * choice.ratio, 5),
                "ratio": round(choice.ratio, 6),
            }
            for offer, choice, coverage in _bought(mixture)
        ],
        "expected_usd": round(portfolio.expected_usd, 2),
        "worst_tail_usd": round(portfolio.cvar_usd, 2),
        "on_demand_usd": round(mixture.on_demand_usd, 2),
        "upfront_usd": round(portfolio.upfront_usd, 2),
    }


def _bought(mixture: Mixture) -> list[tuple[Offer, PlanChoice, float]]:
    parts = zip(mixture.offers, mixture.choices, mixture.portfolio.coverage, strict=True)
    return [part for part in parts if part[2] * part[1].ratio >= float(MIN_COMMITMENT_USD_PER_HOUR)]


def _amount(offer: Offer, usd_per_hour: float) -> str:
    if not offer.kind.is_reservation:
        return offer.kind.value
    return f"{round(usd_per_hour / offer.unit_usd_per_hour)} x {offer.kind.value}"


def _usd(amount: float) -> str:
    return money(Decimal(str(round(amount, 2))))


def replay_page(replays: tuple[Replay, ...], best_usd: float | None) -> Document:
    """Buying rules over the user's own history, and the most that could have been saved."""
    first = replays[0]
    columns = (
        Column("rule"),
        Column("cost", right=True),
        Column("saved", right=True),
        Column("of the best", right=True),
        Column("coverage", right=True),
        Column("utilisation", right=True),
    )
    best = None if best_usd is None else 1 - best_usd / first.on_demand_usd
    rows = [
        row(
            found.rule,
            money(Decimal(str(round(found.cost_usd, 2)))),
            Cell(
                share(found.saving_ratio, 1),
                Tone.BAD if found.saving_ratio < _MOST_LOSS else Tone.PLAIN,
            ),
            "" if not best else share(found.saving_ratio / best),
            share(found.coverage),
            share(found.utilisation),
        )
        for found in replays
    ]
    text = f"On demand the scored hours cost {money(Decimal(str(round(first.on_demand_usd, 2))))}. "
    if best is not None:
        text += f"Knowing the future, {share(best, 1)} could have been saved. "
    text += "Every rule saw the past only."
    return (Heading("Commitments, replayed", 1), Table(columns, tuple(rows)), Paragraph(text))


def replay_json(replays: tuple[Replay, ...], best_usd: float | None) -> dict[str, Json]:
    """The same for programs."""
    return {
        "on_demand_usd": round(replays[0].on_demand_usd, 6),
        "hindsight_usd": None if best_usd is None else round(best_usd, 6),
        "rules": [
            {
                "rule": found.rule,
                "cost_usd": round(found.cost_usd, 6),
                "saving_ratio": found.saving_ratio,
                "coverage": found.coverage,
                "utilisation": found.utilisation,
            }
            for found in replays
        ],
    }


def _purchases(advice: CommitmentAdvice) -> Table:
    columns = (
        Column("buy"),
        Column("for"),
        Column("term, payment"),
        Column("an hour", right=True),
        Column("upfront", right=True),
        Column("off", right=True),
        Column("breaks even", right=True),
        Column("chance of use under 80 %", right=True),
    )
    return Table(columns, tuple(_purchase(item) for item in advice.purchases))


def _purchase(item: Purchase) -> tuple[Cell, ...]:
    offer = item.offer
    what = offer.kind.value
    if offer.kind.is_reservation:
        what = f"{int(item.quantity)} x {offer.instance_type} {what}"
    months = item.break_even_months
    chance = item.chance_of_underuse
    return row(
        what,
        item.pool or "all families",
        f"{offer.term_years} y, {offer.payment.value}",
        f"${item.usd_per_hour:,.5f}",
        money(item.upfront_usd),
        share(1 - item.ratio, 1),
        "never" if months is None else f"month {months:.1f}",
        "unknown" if chance is None else share(chance),
    )


def _figures(advice: CommitmentAdvice) -> Table:
    columns = (
        Column(f"last {advice.scored_hours:,} recorded hours"),
        Column("before", right=True),
        Column("after", right=True),
    )
    before, after = advice.before, advice.after
    scale = Decimal(HOURS_PER_MONTH) / max(advice.scored_hours, 1)
    return Table(
        columns,
        (
            row("cost a month", money(before.total_usd * scale), money(after.total_usd * scale)),
            row("coverage", share(before.coverage), share(after.coverage)),
            row("utilisation", share(before.utilisation, 1), share(after.utilisation, 1)),
            row(
                "effective savings rate",
                share(before.effective_savings_rate, 1),
                share(after.effective_savings_rate, 1),
            ),
        ),
    )


def _figures_json(found: Figures) -> dict[str, Json]:
    return {
        "list_usd": str(found.list_usd),
        "total_usd": str(found.total_usd),
        "coverage": found.coverage,
        "utilisation": found.utilisation,
        "effective_savings_rate": found.effective_savings_rate,
    }


def _peer(peer: PeerCommitments) -> list[Block]:
    blocks: list[Block] = [Heading(f"Beside AWS Cost Explorer ({peer.lookback_days} days)", 2)]
    if peer.found:
        columns = (
            Column("AWS recommends"),
            Column("for"),
            Column("an hour", right=True),
            Column("saves a month, its figure", right=True),
            Column("utilisation", right=True),
        )
        rows = tuple(
            row(
                item.kind.value,
                " ".join(part for part in (item.region, item.family) if part) or "all families",
                f"${item.usd_per_hour:,.5f}",
                money(item.saving_usd_per_month),
                share(item.utilisation, 1),
            )
            for item in peer.found
        )
        blocks.append(Table(columns, rows))
    elif not peer.failures:
        blocks.append(Paragraph("AWS recommends nothing."))
    if peer.failures:
        failures = tuple(f"not read: {text}" for text in peer.failures)
        blocks.append(Bullets(failures, Tone.WARNING))
    return blocks
