"""The audit: every claim of a cost review, computed again from the review's own figures.

Pure: the case and the catalog come in, a report goes out. The report says ``rejected`` when the
plan asks for what its evidence forbids; raising for it is left to whoever asked.
"""

from __future__ import annotations

from dataclasses import dataclass

from rightsizing.errors import PlanRejected
from rightsizing.plan.case import Case
from rightsizing.plan.families import PricedShapes
from rightsizing.plan.finding import AuditFinding, Severity
from rightsizing.plan.findings_criteria import criteria_findings
from rightsizing.plan.findings_evidence import evidence_findings
from rightsizing.plan.findings_instance import instance_findings
from rightsizing.plan.findings_limits import limit_findings
from rightsizing.plan.findings_money import money_findings
from rightsizing.plan.findings_returns import return_findings
from rightsizing.plan.findings_summary import summary_findings
from rightsizing.plan.safeplan import SafePlan, safe_plan


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What came out. Findings are sorted worst first, then in the order of the case."""

    title: str
    workload: str
    findings: tuple[AuditFinding, ...]
    safe: SafePlan

    @property
    def rejected(self) -> bool:
        """True when at least one claim is refused."""
        return any(item.severity is Severity.REFUSED for item in self.findings)

    def count(self, severity: Severity) -> int:
        """Number of findings of one severity."""
        return sum(item.severity is severity for item in self.findings)

    def require_accepted(self) -> None:
        """Raise PlanRejected with the first refused claim and what is safe instead."""
        for item in self.findings:
            if item.severity is Severity.REFUSED:
                raise PlanRejected(
                    f"{item.subject} asks for {item.claim}, but {item.computed}; {item.instead}"
                )


def audit_case(case: Case, catalog: PricedShapes) -> AuditReport:
    """Check every claim of ``case``; prices beside it come from ``catalog``.

    A claim that the case does not make is not checked, and a price the catalog does not know
    leaves the checks that need it out. A bad plan raises nothing here (see ``require_accepted``);
    CatalogError is raised for a region the catalog does not know.
    """
    found = [
        *limit_findings(case),
        *instance_findings(case, catalog),
        *criteria_findings(case),
        *money_findings(case, catalog),
        *return_findings(case),
        *summary_findings(case),
        *evidence_findings(case),
    ]
    found.sort(key=lambda item: item.severity.rank)  # stable: keeps the order of the case
    return AuditReport(case.title, case.workload, tuple(found), safe_plan(case, catalog))
