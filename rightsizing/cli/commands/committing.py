"""``rightsize commit``: reserved instances and savings plans, recommended and replayed."""

from __future__ import annotations

from pathlib import Path

import click

from rightsizing.cli.commands.approving import approve
from rightsizing.cli.committing import clients_of, market_of, prices_of, replays_of, sized, usage_of
from rightsizing.cli.live import now
from rightsizing.cli.progress import progress_bar
from rightsizing.cli.session import PARTIAL_DATA_EXIT_CODE, Session
from rightsizing.cli.writing import refuse_overwriting, require_stack, write_commitments
from rightsizing.decide.commitments.advice import CommitmentAdvice, advise
from rightsizing.decide.commitments.mixture import best_mixture
from rightsizing.decide.commitments.portfolio import Wishes
from rightsizing.decide.commitments.purchase import DEFAULT_LOSS_AVERSION, PurchaseRule
from rightsizing.measure.commitmentoffers import read_offers
from rightsizing.measure.costexplorer import read_recommendation
from rightsizing.measure.progress import Progress
from rightsizing.model.commitment import PaymentOption
from rightsizing.report import commitmentpage, terminal

_usage = click.argument("usage", required=False, type=click.Path(path_type=Path))
_offers = click.option(
    "--offers",
    "offers_file",
    type=click.Path(path_type=Path),
    help="Offers and held commitments, as `commit offers` writes them.  [default: list prices]",
)
_term = click.option(
    "--term",
    type=click.Choice(["1", "3"]),
    default="1",
    show_default=True,
    help="Years of a commitment.",
)
_aversion = click.option(
    "--loss-aversion",
    type=float,
    default=DEFAULT_LOSS_AVERSION,
    show_default=True,
    help="How much a lost dollar weighs against a saved one; 1 is neutral.",
)


@click.group(epilog="Example: rightsize commit recommend exports/ --offers offers.json")
def commit() -> None:
    """Reserved instances and savings plans: what to buy, and what buying would have saved.

    No command buys. A production stack buys what `commit approve` has confirmed; EC2 reservations
    are bought by hand. USAGE is a billing export (CUR 2.0 or FOCUS, Parquet or CSV), a folder of
    them, or a table of timestamp, instance_type, region, instances and usd_per_hour.
    """


commit.add_command(approve)


@commit.command(epilog="Example: rightsize commit recommend exports/ --offers offers.json")
@_usage
@_offers
@_term
@click.option(
    "--payment",
    type=click.Choice([option.value for option in PaymentOption]),
    default=PaymentOption.NO_UPFRONT.value,
    show_default=True,
    help="How it is paid.",
)
@_aversion
@click.option(
    "--sized", "by_release", is_flag=True, help="Buy for usage after the stack's release."
)
@click.option("--compare", is_flag=True, help="Put AWS's own recommendation beside ours.")
@click.option(
    "--out", "plan_file", type=click.Path(path_type=Path), help="Write the decisions as JSON."
)
@click.option("--write", is_flag=True, help="Write them into the stack file, as a proposal.")
@click.pass_obj
def recommend(
    session: Session,
    usage: Path | None,
    offers_file: Path | None,
    term: str,
    payment: str,
    loss_aversion: float,
    by_release: bool,
    compare: bool,
    plan_file: Path | None,
    write: bool,
) -> int:
    """Recommend what to buy now, for what usage and held commitments leave on demand.

    Without USAGE the last 14 days of Cost Explorer are read, too few for advice: give an export.
    Reservations come with the command that buys them.
    """
    require_stack(session, write)
    refuse_overwriting("--out", plan_file, usage, offers_file)
    rule = PurchaseRule(loss_aversion, term_years=int(term))
    with progress_bar(session) as listener:
        listener(Progress("reading usage", 0, 2))
        read, notes = usage_of(session, usage)
        if by_release:
            read, more = sized(session, read)
            notes = (*notes, *more)
        market = market_of(session, read, offers_file)
        listener(Progress("deciding", 1, 2))
        advice = advise(read, market.offers, market.held, rule, PaymentOption(payment))
    everything = (*advice.notes, *market.notes, *notes)
    advice = CommitmentAdvice(
        advice.purchases,
        advice.before,
        advice.after,
        advice.scored_hours,
        advice.most_to_lose_usd,
        everything,
    )
    peer = None
    if compare:
        peer = read_recommendation(clients_of(session, read), int(term), PaymentOption(payment))
    plan = commitmentpage.commitment_plan(advice, now().replace(microsecond=0))
    if plan_file is not None:
        plan_file.write_text(plan.model_dump_json(indent=2) + "\n", encoding="utf-8")
        session.remark(f"wrote {plan_file}")
    if write:
        write_commitments(session, plan)
    session.show(
        terminal.renderable(commitmentpage.commitment_page(advice, peer)),
        commitmentpage.commitment_json(advice, plan, peer),
    )
    return PARTIAL_DATA_EXIT_CODE if peer is not None and peer.failures else 0


@commit.command(epilog="Example: rightsize commit backtest exports/ --history-days 180")
@_usage
@_offers
@_term
@_aversion
@click.option(
    "--history-days",
    type=int,
    default=90,
    show_default=True,
    help="Days before the first purchase, at least 28.",
)
@click.pass_obj
def backtest(
    session: Session,
    usage: Path | None,
    offers_file: Path | None,
    term: str,
    loss_aversion: float,
    history_days: int,
) -> None:
    """Replay our buying rule and others over past usage.

    Every rule sees only the past at each review. Beside them, the best purchases knowing the future
    (a linear programme), where every hour is recorded.
    """
    rule = PurchaseRule(loss_aversion, term_years=int(term))
    with progress_bar(session) as listener:
        read, notes = usage_of(session, usage)
        market = market_of(session, read, offers_file)
        prices = prices_of(read, market, rule)
        replays, best = replays_of(read, prices, rule, history_days, listener)
    session.show(
        terminal.renderable(commitmentpage.replay_page(replays, best)),
        commitmentpage.replay_json(replays, best),
    )
    for note in (*market.notes, *notes):
        session.remark(note)


@commit.command(epilog="Example: rightsize commit mix exports/ --cost-of-capital 0.12")
@_usage
@_offers
@click.option(
    "--cost-of-capital",
    type=float,
    default=0.08,
    show_default=True,
    help="What money costs a year, 0.08 is 8 %; makes upfront payments dearer.",
)
@click.option("--upfront-budget", type=float, help="Most dollars paid at once.  [default: none]")
@click.option("--hourly-budget", type=float, help="Most dollars an hour.  [default: none]")
@click.option(
    "--risk-weight",
    type=float,
    default=1.0,
    show_default=True,
    help="Weight of the mean of the worst fifth of scenarios beside the mean of all.",
)
@click.pass_obj
def mix(
    session: Session,
    usage: Path | None,
    offers_file: Path | None,
    cost_of_capital: float,
    upfront_budget: float | None,
    hourly_budget: float | None,
    risk_weight: float,
) -> None:
    """Choose terms and payment options together, over three years of scenarios.

    A mixed-integer programme (HiGHS): what one- and three-year plans and reservations, paid now or
    monthly, cost least in expectation and in the worst scenarios, within budgets.
    """
    wishes = Wishes(
        cost_of_capital=cost_of_capital,
        risk_weight=risk_weight,
        tail=0.2,
        upfront_budget_usd=float("inf") if upfront_budget is None else upfront_budget,
        hourly_budget_usd=float("inf") if hourly_budget is None else hourly_budget,
    )
    with progress_bar(session) as listener:
        listener(Progress("reading usage", 0, 2))
        read, notes = usage_of(session, usage)
        market = market_of(session, read, offers_file)
        listener(Progress("solving", 1, 2))
        found = best_mixture(read, market.offers, wishes)
    session.show(
        terminal.renderable(commitmentpage.mixture_page(found)), commitmentpage.mixture_json(found)
    )
    for note in (*market.notes, *notes):
        session.remark(note)


@commit.command(epilog="Example: rightsize commit offers exports/ --out offers.json")
@_usage
@click.option(
    "--out",
    "offers_file",
    type=click.Path(path_type=Path),
    default="offers.json",
    show_default=True,
    help="File to write.",
)
@click.pass_obj
def offers(session: Session, usage: Path | None, offers_file: Path) -> None:
    """Read from AWS what is on offer for the types in use, and what is held, into a file."""
    refuse_overwriting("--out", offers_file, usage)
    with progress_bar(session) as listener:
        listener(Progress("reading usage", 0, 2))
        read, _ = usage_of(session, usage)
        listener(Progress("reading offers", 1, 2))
        found = read_offers(clients_of(session, read), read.skus, now().replace(microsecond=0))
    offers_file.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    session.show(
        f"{len(found.offers)} offers and {len(found.held)} held commitments in {offers_file}",
        {"file": str(offers_file), "offers": len(found.offers), "held": len(found.held)},
    )
