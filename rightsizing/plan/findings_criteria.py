"""Audit of criteria: can they be met, are they broken already, and is the idle share right?"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from rightsizing.plan.case import Case, Kpi, PhaseClaim
from rightsizing.plan.demand import HUNDRED, cpu_band, demand_of, safe_cores
from rightsizing.plan.figures import agrees, between, number, percent, rounded
from rightsizing.plan.finding import AuditFinding, FindingCode, Severity


def criteria_findings(case: Case) -> Iterator[AuditFinding]:
    """Every finding about a criterion, or a share measured against one."""
    for phase in case.phases:
        yield from _cpu_criterion(case, phase)
    yield from _overprovisioned(case)
    yield from _already_broken(case)
    yield from _alerts(case)


def _cpu_criterion(case: Case, phase: PhaseClaim) -> Iterator[AuditFinding]:
    limit = phase.limits.cpus if phase.limits is not None else None
    band, demand = cpu_band(case), demand_of(case)
    if limit is None or band is None or band.lowest_cores <= limit <= band.highest_cores:
        return
    mean_pct = demand.mean_cores / limit * HUNDRED
    lowest, highest = rounded(band.lowest_cores, 2), rounded(band.highest_cores, 2)
    wanted = between(band.minimum_pct, band.maximum_pct, "%")
    cores = safe_cores(case)
    use, size = case.utilisation, case.capacity.logical_cores
    lines = [
        (
            f"mean {number(use.cpu_mean_pct / HUNDRED, 4)} x {number(size)} = "
            f"{number(demand.mean_cores)} cores, peak {number(use.cpu_peak_pct / HUNDRED, 4)} x "
            f"{number(size)} = {number(demand.peak_cores)}"
        ),
        f"{number(demand.mean_cores)} / {number(limit)} = {percent(mean_pct)} mean",
        (
            f"{number(demand.mean_cores)} / {number(band.maximum_pct / HUNDRED)} = {lowest} cores, "
            f"{number(demand.mean_cores)} / {number(band.minimum_pct / HUNDRED)} = {highest} cores"
        ),
    ]
    figures = [
        ("mean_cores", demand.mean_cores),
        ("peak_cores", demand.peak_cores),
        ("mean_at_limit_pct", mean_pct),
        ("lowest_cores", band.lowest_cores),
        ("highest_cores", band.highest_cores),
    ]
    instead = f"{lowest}-{highest} cores meet it"
    if cores is not None:
        safe_mean, safe_peak = (
            demand.mean_cores / cores * HUNDRED,
            demand.peak_cores / cores * HUNDRED,
        )
        instead += (
            f"; --cpus={number(cores)} gives {percent(safe_mean)} mean and {percent(safe_peak)} "
            "peak"
        )
        figures += [
            ("safe_cores", cores),
            ("safe_mean_pct", safe_mean),
            ("safe_peak_pct", safe_peak),
        ]
    yield AuditFinding(
        code=FindingCode.CPU_CRITERION,
        severity=Severity.WRONG,
        subject=f"phase {phase.number}",
        claim=f"{number(limit)} cores, and CPU at {wanted}",
        computed=(
            f"at {number(limit)} cores the mean is {percent(mean_pct)}: the {wanted} "
            "criterion cannot "
            "be met"
        ),
        arithmetic=tuple(lines),
        instead=instead,
        figures=tuple(figures),
    )


def _overprovisioned(case: Case) -> Iterator[AuditFinding]:
    claim, band = case.summary.overprovisioned_pct, cpu_band(case)
    if claim is None:
        return
    use, demand = case.utilisation, demand_of(case)
    idle = HUNDRED - use.cpu_mean_pct
    idle_line = f"idle: 100 - {number(use.cpu_mean_pct)} = {percent(idle, 1)}"
    if band is None:
        share, base = idle, "of all capacity"
        line = idle_line
    else:
        share = (1 - use.cpu_mean_pct / band.minimum_pct) * HUNDRED
        base = f"against a {number(band.minimum_pct)} % target"
        line = f"1 - {number(use.cpu_mean_pct)} / {number(band.minimum_pct)} = {percent(share)}"
    target_cores = demand.mean_cores if band is None else band.highest_cores
    asked = [p.limits.cpus for p in case.phases if p.limits is not None and p.limits.cpus]
    right = agrees(claim, share)
    if right and all(cores <= target_cores for cores in asked):
        return
    cores_line = (
        f"(1 - {number(share / HUNDRED, 4)}) x {number(case.capacity.logical_cores)} = "
        f"{rounded(target_cores, 2)} cores"
    )
    meant = ", ".join(number(cores) for cores in asked)
    yield AuditFinding(
        code=FindingCode.OVERPROVISIONED,
        severity=Severity.NOTE if right else Severity.WRONG,
        subject="summary",
        claim=f"{number(claim)} % over-provisioned",
        computed=(
            f"right {base}, and that means {rounded(target_cores, 2)} cores, not {meant}; "
            "idle is "
            f"{percent(idle, 1)}"
            if right
            else f"{percent(share)} {base}; idle is {percent(idle, 1)}"
        ),
        arithmetic=tuple(dict.fromkeys((line, cores_line, idle_line))),
        instead=f"{rounded(target_cores, 2)} cores",
        figures=(("share_pct", share), ("cores", target_cores), ("idle_pct", idle)),
    )


def _already_broken(case: Case) -> Iterator[AuditFinding]:
    target = case.kpi(Kpi.MEMORY_PCT)
    used_pct = case.utilisation.memory_pct
    if target is None or not target.maximum or used_pct <= target.maximum:
        return
    used = demand_of(case).memory_gib
    need = used / (target.maximum / HUNDRED)
    yield AuditFinding(
        code=FindingCode.CRITERION_ALREADY_BROKEN,
        severity=Severity.WRONG,
        subject="criteria",
        claim=f"{target.name} {between(target.minimum, target.maximum, target.unit)}",
        computed=(
            f"{target.name} at {number(used_pct)} % already breaks it before anything is changed"
        ),
        arithmetic=(
            f"{number(used_pct)} > {number(target.maximum)}",
            f"{number(used)} GiB / {number(target.maximum / HUNDRED)} = {number(need)} GiB",
        ),
        instead=f"{number(need)} GiB or more meet it; no smaller limit can",
        figures=(("needed_gib", need),),
    )


def _alerts(case: Case) -> Iterator[AuditFinding]:
    for target in case.kpis:
        alert, maximum = target.alert, target.maximum
        if alert is None or maximum is None or alert.above >= maximum:
            continue
        yield AuditFinding(
            code=FindingCode.ALERT_INSIDE_TARGET,
            severity=Severity.WRONG,
            subject="criteria",
            claim=(
                f"{target.name}: target {between(target.minimum, maximum, target.unit)}, "
                "alert above "
                f"{number(alert.above, 4)}"
            ),
            computed="the alert fires while the target is met",
            arithmetic=(f"{number(alert.above, 4)} < {number(maximum, 4)}",),
            instead=f"alert above {number(maximum, 4)} or more",
            figures=(("alert_above", Decimal(alert.above)),),
        )
