"""``rightsize money``: one ledger, savings that add up to the bill, and what they return."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import click

from rightsizing.cli.deciding import make_plan
from rightsizing.cli.moneyinput import applied_of, daily_costs, day_of, read_steps, units_of
from rightsizing.cli.session import Session
from rightsizing.cli.writing import refuse_overwriting
from rightsizing.errors import ConfigError
from rightsizing.measure.chargefile import read_charges
from rightsizing.model.base import NoData
from rightsizing.plan.case import load_case
from rightsizing.plan.casemoney import case_money
from rightsizing.plan.figures import usd
from rightsizing.plan.finance import UNKNOWN_UNITS
from rightsizing.plan.focus import focus_csv
from rightsizing.plan.ledger import Ledger, make_ledger
from rightsizing.plan.matchedcontrol import MeasuredSaving, measured_saving
from rightsizing.plan.plansteps import plan_money
from rightsizing.plan.returns import Returns, returns_of
from rightsizing.plan.savings import Waterfall, waterfall
from rightsizing.report import ledgerpage, savingspage, terminal


@click.command(epilog="Example: rightsize money --case examples/trading/case.yaml")
@click.argument("bill", required=False, type=click.Path(path_type=Path))
@click.option(
    "--case", "case_file", type=click.Path(path_type=Path), help="A cost review to account for."
)
@click.option(
    "--steps", "steps_file", type=click.Path(path_type=Path), help="Changes to price on the bill."
)
@click.option("--focus", "focus_file", type=click.Path(path_type=Path), help="Write FOCUS rows.")
@click.option("--since", help="Leave charges before this day out: 2026-11-23 or 2026-11.")
@click.option("--month", help="Month that --steps save from.  [default: the last on the bill]")
@click.option(
    "--tag", default="workload", show_default=True, help="Tag that names a charge's workload."
)
@click.option(
    "--applied",
    multiple=True,
    help="WORKLOAD=DATE: measure what a change of that day saved; repeat for each change.",
)
@click.option("--set", "overrides", multiple=True, help="A setting: NAME=VALUE (docs/reference).")
@click.pass_obj
def money(
    session: Session,
    bill: Path | None,
    case_file: Path | None,
    steps_file: Path | None,
    focus_file: Path | None,
    since: str | None,
    month: str | None,
    tag: str,
    applied: tuple[str, ...],
    overrides: tuple[str, ...],
) -> None:
    """Account for cost and savings: by workload and month, never twice, to the cent.

    BILL is a billing export (CUR 2.0 or FOCUS, Parquet or CSV), a folder of them, or a table of
    month, workload, list_usd, effective_usd and billed_usd. With --case a review's claims are
    priced on its own bill. Without either, the stack's plan is. Nothing is changed.
    """
    session.overrides = overrides
    needs_bill = {
        "--steps": steps_file,
        "--focus": focus_file,
        "--since": since,
        "--month": month,
        "--applied": applied,
    }
    given = [name for name, value in needs_bill.items() if value]
    if bill is None and given:
        raise ConfigError(f"{given[0]} needs a bill; give a billing export")
    if month is not None and steps_file is None:
        raise ConfigError("--month is the month that --steps save from; give --steps")
    refuse_overwriting("--focus", focus_file, bill, steps_file)
    if bill is not None and case_file is not None:
        raise ConfigError("a case brings its own bill; give BILL or --case, one of them")
    if case_file is not None:
        _case(session, case_file)
    elif bill is not None:
        _bill(session, bill, steps_file, focus_file, since, month, tag, applied)
    else:
        _plan(session)


def _case(session: Session, path: Path) -> None:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    found = case_money(load_case(text, path.name), session.catalog, _discount_rate(session))
    session.show(terminal.renderable(savingspage.case_page(found)), savingspage.case_json(found))


def _plan(session: Session) -> None:
    if not session.in_project:
        raise ConfigError("nothing to account for: give a billing export, --case, or a project")
    plan, decided = make_plan(session, session.sizing)
    found = plan_money(plan)
    unit_name = plan.assumptions.unit_name
    session.show(
        terminal.renderable(savingspage.savings_page(found.savings, found.returns, unit_name)),
        {
            **savingspage.savings_json(found.savings, found.returns),
            "unpriced": list(found.unpriced),
        },
    )
    if found.unpriced:
        session.remark(f"not on this bill, for want of a price: {', '.join(found.unpriced)}")
    for failure in decided.failures:
        session.remark(f"not planned: {failure}")


def _bill(
    session: Session,
    path: Path,
    steps_file: Path | None,
    focus_file: Path | None,
    since: str | None,
    month: str | None,
    tag: str,
    applied: tuple[str, ...],
) -> None:
    changes = applied_of(applied)
    read = read_charges(path, tag)
    ledger = make_ledger(read.charges, read.notes)
    if since is not None:
        ledger = ledger.since(day_of(since, "--since"))
    priced = None if steps_file is None else _priced(session, ledger, steps_file, month)
    effects: dict[str, MeasuredSaving | NoData] = {}
    if changes:
        first, daily = daily_costs(path, tag)
        for name, day in changes.items():
            index = max((day - first).days, 0)
            effects[name] = measured_saving(daily, name, index, frozenset(changes))
    if focus_file is not None:
        focus_file.write_text(focus_csv(ledger), encoding="utf-8")
        session.remark(f"wrote {focus_file}: {len(ledger.charges):,} FOCUS charges")
    blocks = ledgerpage.ledger_page(ledger)
    data = {**ledgerpage.ledger_json(ledger)}
    if priced is not None:
        blocks = (*blocks, *savingspage.savings_page(*priced, session.settings.unit_name))
        data["savings"] = savingspage.savings_json(*priced)
    if effects:
        blocks = (*blocks, *ledgerpage.effects_blocks(effects))
        data["measured"] = ledgerpage.effects_json(effects)
    session.show(terminal.renderable(blocks), data)


def _priced(
    session: Session, ledger: Ledger, steps_file: Path, month: str | None
) -> tuple[Waterfall, Returns]:
    document = read_steps(steps_file)
    wanted = ledger.months[-1] if month is None else day_of(month, "--month").replace(day=1)
    savable = ledger.month_to_save(wanted)
    if savable.rest_usd:
        session.remark(
            f"{usd(savable.rest_usd)} of {wanted:%Y-%m} are taxes, credits and net "
            "refunds; no step saves from them"
        )
    found = waterfall(savable.costs, (item.step() for item in document.steps))
    settings = session.settings
    units = units_of(settings.units_per_month)
    returns = returns_of(
        found,
        document.implementation_cost_usd,
        discount_rate=_discount_rate(session),
        units_per_month=UNKNOWN_UNITS if units is None else units,
    )
    return found, returns


def _discount_rate(session: Session) -> Decimal:
    return Decimal(str(session.settings.discount_rate_pct)) / 100
