"""``rightsize recommend``: a size for every workload, with its risk, money and reasons."""

from __future__ import annotations

import click

from rightsizing.cli.comparing import PEERS, compare
from rightsizing.cli.deciding import decide, declared_workloads, policy_of
from rightsizing.cli.profiling import StoreProfiles, measurements
from rightsizing.cli.riskoption import risk_option, with_risk
from rightsizing.cli.session import PARTIAL_DATA_EXIT_CODE, Session
from rightsizing.decide.holdout import evaluate_holdout
from rightsizing.decide.policy import Scope
from rightsizing.errors import ConfigError
from rightsizing.report import jsonview, peerpage, recommendationpage, terminal

SCOPES = {"same-family": Scope.SAME_FAMILY, "any-family": Scope.ANY_FAMILY}


@click.command(epilog="Example: rightsize recommend --risk balanced --json")
@click.option(
    "--scope",
    type=click.Choice(list(SCOPES)),
    default="any-family",
    show_default=True,
    help="Instance types a fleet may move to.",
)
@click.option(
    "--holdout-days",
    type=int,
    help="Hide the last days, size on what precedes, and show what the hidden days say.",
)
@click.option("--all-history", is_flag=True, help="Use everything the store holds.")
@click.option("--workload", "only", multiple=True, help="Only this workload; may be repeated.")
@click.option(
    "--compare", "peer", type=click.Choice(PEERS), help="Put AWS's own recommendations beside ours."
)
@risk_option
@click.option("--set", "overrides", multiple=True, help="A setting: NAME=VALUE (docs/reference).")
@click.pass_obj
def recommend(
    session: Session,
    scope: str,
    holdout_days: int | None,
    all_history: bool,
    only: tuple[str, ...],
    peer: str | None,
    risk: str | None,
    overrides: tuple[str, ...],
) -> int:
    """Recommend sizes from what was measured.

    Workloads are those of the stack file and of the store; one that is only measured counts as a
    host of its measured capacity. Nothing is changed.
    """
    session.overrides = with_risk(overrides, risk)
    if peer is not None and holdout_days is not None:
        raise ConfigError(
            "--compare and --holdout-days exclude each other: AWS cannot be asked what it would "
            "have said without the last days"
        )
    policy = policy_of(session.settings)
    workloads = declared_workloads(session)
    if only:
        workloads = {key: item for key, item in workloads.items() if key in only}
    if holdout_days is not None:
        report = evaluate_holdout(
            measurements(session, everything=True, only=only or None),
            session.catalog,
            policy,
            rates=session.rates,
            workloads=workloads,
            scope=SCOPES[scope],
            holdout_days=holdout_days,
        )
        session.show(terminal.holdout(report), jsonview.holdout(report))
        return PARTIAL_DATA_EXIT_CODE if report.unsized else 0
    profiles = StoreProfiles(session, everything=all_history, only=only or None)
    decided = decide(session, workloads, profiles, SCOPES[scope])
    page = recommendationpage.recommendation_page(decided.recommendations)
    data = {
        **jsonview.recommendations(decided.recommendations),
        "failures": list(decided.failures),
    }
    unread = False
    if peer is not None:
        rows = measurements(session, everything=all_history, only=only or None)
        compared = compare(session, decided.recommendations, rows)
        page = (*page, *peerpage.peer_page(compared))
        data["comparison"] = jsonview.plain(compared)
        unread = bool(compared.failures)
    session.show(terminal.renderable(page), data)
    for failure in decided.failures:
        session.remark(f"not decided: {failure}")
    return PARTIAL_DATA_EXIT_CODE if decided.failures or unread else 0
