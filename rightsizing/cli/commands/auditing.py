"""``rightsize audit``: check a cost review against its own evidence and list prices."""

from __future__ import annotations

from pathlib import Path

import click

from rightsizing.cli.session import Session
from rightsizing.errors import ConfigError
from rightsizing.plan.audit import AuditReport, audit_case
from rightsizing.plan.case import load_case
from rightsizing.report import jsonview, terminal

REJECTED_EXIT_CODE = 3  # as PlanRejected


@click.command(epilog="Example: rightsize audit examples/trading/case.yaml")
@click.argument("case_file", type=click.Path(path_type=Path))
@click.pass_obj
def audit(session: Session, case_file: Path) -> int:
    """Recompute a cost review: sizes, money, returns and evidence.

    Prints every finding with its arithmetic, the safe alternative and what it saves. Exits with 3
    when the review asks for what its own evidence forbids.
    """
    report = audit_file(session, case_file)
    session.show(terminal.audit(report), jsonview.audit(report))
    return REJECTED_EXIT_CODE if report.rejected else 0


def audit_file(session: Session, case_file: Path) -> AuditReport:
    """Audit the case in a file. Raises ConfigError when it cannot be read or is no case."""
    try:
        text = case_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{case_file} cannot be read: {error}") from error
    return audit_case(load_case(text, case_file.name), session.catalog)
