"""Audit of limits: does what a phase asks for hold what was measured?

A memory limit below use kills the process, so it is refused. A CPU limit below mean demand can
never be worked off, so it is refused too; one below the peak only throttles, which is unproven.
"""

from __future__ import annotations

from collections.abc import Iterator

from rightsizing.plan.case import Case, PhaseClaim
from rightsizing.plan.demand import HUNDRED, demand_of, safe_cores
from rightsizing.plan.evidence import enough_for_memory
from rightsizing.plan.figures import agrees, number, percent, rounded
from rightsizing.plan.finding import AuditFinding, FindingCode, Severity


def limit_findings(case: Case) -> Iterator[AuditFinding]:
    """Every finding about a limit that a phase asks for."""
    for phase in case.phases:
        yield from _memory_limit(case, phase)
        yield from _cpu_limit(case, phase)
        yield from _margin(case, phase)


def _memory_limit(case: Case, phase: PhaseClaim) -> Iterator[AuditFinding]:
    limit = phase.limits.memory_gib if phase.limits is not None else None
    if limit is None:
        return
    used, size = demand_of(case).memory_gib, case.capacity.memory_gib
    used_pct = used / limit * HUNDRED
    share = case.utilisation.memory_pct
    lines = (
        f"{number(share / HUNDRED, 4)} x {number(size, 4)} GiB = {number(used)} GiB in use",
        f"{number(used)} / {number(limit, 4)} GiB = {percent(used_pct)}",
    )
    after = phase.memory_pct_after
    expected = "" if after is None else f", expected to be {number(after)} % used"
    claim = f"memory {number(size, 4)} -> {number(limit, 4)} GiB{expected}"
    figures = (("memory_in_use_gib", used), ("memory_at_limit_pct", used_pct))
    keep = f"keep {number(size, 4)} GiB until the peak is measured lower"
    if limit < used:
        yield AuditFinding(
            code=FindingCode.MEMORY_LIMIT_BELOW_USE,
            severity=Severity.REFUSED,
            subject=f"phase {phase.number}",
            claim=claim,
            computed=f"a limit of {number(limit, 4)} GiB would be at {percent(used_pct)}, and the "
            "process is killed",
            arithmetic=lines,
            instead=keep,
            figures=figures,
        )
        return
    if phase.memory_pct_after is not None and not agrees(phase.memory_pct_after, used_pct):
        yield AuditFinding(
            code=FindingCode.MEMORY_CLAIM,
            severity=Severity.WRONG,
            subject=f"phase {phase.number}",
            claim=claim,
            computed=f"{percent(used_pct)} of {number(limit, 4)} GiB",
            arithmetic=lines,
            instead=f"expect {percent(used_pct)}",
            figures=figures,
        )
    if limit < size and not enough_for_memory(case.utilisation):
        yield AuditFinding(
            code=FindingCode.MEMORY_CUT_UNMEASURED,
            severity=Severity.UNPROVEN,
            subject=f"phase {phase.number}",
            claim=claim,
            computed="a steady level says nothing about the peak, and memory is sized on peaks",
            arithmetic=lines,
            instead=keep,
            figures=figures,
        )


def _cpu_limit(case: Case, phase: PhaseClaim) -> Iterator[AuditFinding]:
    limit = phase.limits.cpus if phase.limits is not None else None
    if limit is None:
        return
    demand = demand_of(case)
    if limit >= demand.peak_cores:
        return
    below_mean = limit < demand.mean_cores
    kind, value = ("mean", demand.mean_cores) if below_mean else ("peak", demand.peak_cores)
    cores = safe_cores(case)
    safe = f"{number(cores)} cores" if cores is not None else f"at least {number(value)} cores"
    yield AuditFinding(
        code=FindingCode.CPU_LIMIT_BELOW_DEMAND,
        severity=Severity.REFUSED if below_mean else Severity.UNPROVEN,
        subject=f"phase {phase.number}",
        claim=f"{number(limit)} cores",
        computed=f"below the {kind} demand of {number(value)} cores: "
        + ("work piles up without end" if below_mean else "the peak would be throttled"),
        arithmetic=(
            f"{kind} demand {number(value)} / {number(limit)} = {percent(value / limit * HUNDRED)}",
        ),
        instead=safe,
        figures=(("demand_cores", value),),
    )


def _margin(case: Case, phase: PhaseClaim) -> Iterator[AuditFinding]:
    limit = phase.limits.cpus if phase.limits is not None else None
    claim = phase.margin_over_peak
    if limit is None or claim is None:
        return
    peak = demand_of(case).peak_cores
    margin = limit / peak
    if margin >= claim:
        return
    yield AuditFinding(
        code=FindingCode.MARGIN_OVER_PEAK,
        severity=Severity.WRONG,
        subject=f"phase {phase.number}",
        claim=f"a {number(claim)}x margin over the peak",
        computed=f"{rounded(margin, 1)}x",
        arithmetic=(
            (
                f"{number(case.utilisation.cpu_peak_pct / HUNDRED, 4)} x "
                f"{number(case.capacity.logical_cores)} = {number(peak)} cores at the peak"
            ),
            f"{number(limit)} / {number(peak)} = {rounded(margin, 1)}",
        ),
        instead=f"{number(claim * peak)} cores would be {number(claim)}x",
        figures=(("margin_over_peak", margin),),
    )
