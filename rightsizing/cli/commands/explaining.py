"""``rightsize explain``: why a workload's recommendation is what it is."""

from __future__ import annotations

import click

from rightsizing.cli.commands.deciding import SCOPES
from rightsizing.cli.explaining import explain as explain_workload
from rightsizing.cli.riskoption import risk_option, with_risk
from rightsizing.cli.session import Session
from rightsizing.report import explainpage, jsonview, terminal


@click.command(epilog="Example: rightsize explain news-api --samples 20")
@click.argument("workload")
@click.option(
    "--scope",
    type=click.Choice(list(SCOPES)),
    default="any-family",
    show_default=True,
    help="Instance types a fleet may move to.",
)
@click.option("--all-history", is_flag=True, help="Use everything the store holds.")
@click.option(
    "--samples",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="How many of the highest samples to show.",
)
@click.option("--all", "all_excuses", is_flag=True, help="Show every alternative that lost.")
@risk_option
@click.option("--set", "overrides", multiple=True, help="A setting: NAME=VALUE (docs/reference).")
@click.pass_obj
def explain(
    session: Session,
    workload: str,
    scope: str,
    all_history: bool,
    samples: int,
    all_excuses: bool,
    risk: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Show which samples bind a recommendation, why the alternatives lost, what is missing.

    Ends with what the decision was made from (data hash, window, settings, catalog), so that it can
    be repeated. Nothing is changed.
    """
    session.overrides = with_risk(overrides, risk)
    found = explain_workload(
        session,
        workload,
        scope=SCOPES[scope],
        everything=all_history,
        samples=samples,
        every_excuse=all_excuses,
    )
    session.show(terminal.renderable(explainpage.explain_page(found)), jsonview.plain(found))
