"""``rightsize report``: everything known about a stack as one Markdown page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from rightsizing.cli.commands.auditing import audit_file
from rightsizing.cli.deciding import decide, declared_workloads, make_plan
from rightsizing.cli.profiling import StoreProfiles
from rightsizing.cli.session import Session
from rightsizing.cli.stackview import history_rows, live_facts, update_notes
from rightsizing.decide.policy import Scope
from rightsizing.errors import RightsizingError
from rightsizing.model.base import NoData
from rightsizing.model.recommendation import Recommendation
from rightsizing.plan.audit import AuditReport
from rightsizing.report.markdown import markdown
from rightsizing.report.runreport import RunReport, run_page
from rightsizing.stack.durable import replace_file


@click.command(epilog="Example: rightsize report --case examples/trading/case.yaml -o report.md")
@click.option("--case", "case_file", type=click.Path(path_type=Path), help="Cost review to audit.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    default=Path("rightsizing-report.md"),
    show_default=True,
    help="File to write.",
)
@click.option(
    "--remark", "remarks", multiple=True, help="Said at the top, e.g. where data is from."
)
@click.pass_obj
def report(
    session: Session, case_file: Path | None, output: Path, remarks: tuple[str, ...]
) -> None:
    """Write audit, recommendations, plan, live facts and history as one Markdown page.

    A part that could not be made says why in its place.
    """
    workloads = declared_workloads(session)
    exists = session.driver.exists(session.stack)
    run = RunReport(
        title=f"Rightsizing report: {session.stack.project}/{session.stack.name}",
        remarks=remarks,
        audit=_audit(session, case_file),
        recommendations=_recommendations(session),
        updates=update_notes(session) if exists else (),
        history=history_rows(session) if exists else (),
    )
    try:
        run = replace(run, plan=make_plan(session)[0])
    except RightsizingError as error:
        run = replace(run, plan=NoData(str(error)))
    if workloads and run.history:
        run = replace(run, facts=live_facts(session))
    replace_file(output, markdown(run_page(run)).encode("utf-8"))
    session.show(f"written to {output}", {"path": str(output)})


def _audit(session: Session, case_file: Path | None) -> AuditReport | NoData:
    if case_file is None:
        return NoData("no cost review was given (--case)")
    return audit_file(session, case_file)


def _recommendations(session: Session) -> tuple[Recommendation, ...]:
    profiles: StoreProfiles | None = None
    try:
        session.store.days()
        profiles = StoreProfiles(session)
    except RightsizingError as error:
        session.remark(str(error))  # an empty store: every workload is kept, and says why
    found = decide(session, declared_workloads(session), profiles, Scope.ANY_FAMILY)
    return found.recommendations
