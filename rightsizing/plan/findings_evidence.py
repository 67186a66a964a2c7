"""Audit of evidence: what do the measurements and promises of a review rest on?"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from rightsizing.plan.case import Case, Effect, PhaseClaim
from rightsizing.plan.demand import HUNDRED, safe_cores
from rightsizing.plan.evidence import (
    INTERVAL_LIMIT_S,
    MEMORY_WINDOW_DAYS,
    day_coverage,
    days_for_coverage,
    enough_for_memory,
)
from rightsizing.plan.figures import agrees, number, percent, rounded, usd
from rightsizing.plan.finding import AuditFinding, FindingCode, Severity

_MINUTES = INTERVAL_LIMIT_S // 60


def evidence_findings(case: Case) -> Iterator[AuditFinding]:
    """Every finding about what is not shown."""
    yield from _window(case)
    yield from _confidence(case)
    yield from _nothing_measured(case)
    for phase in case.phases:
        yield from _cache(case, phase)
        for effect in phase.effects:
            yield from _effect(phase, effect)
    yield from _canary(case)


def _window(case: Case) -> Iterator[AuditFinding]:
    use = case.utilisation
    if enough_for_memory(use):
        return
    window = "unknown" if use.window_days is None else f"{number(use.window_days)} days"
    interval = "unknown" if use.interval_s is None else f"{number(use.interval_s)} s"
    lines = [
        (
            f"window {window}, interval {interval}; at least {MEMORY_WINDOW_DAYS} days at "
            f"{INTERVAL_LIMIT_S} s are needed"
        ),
        ", ".join(
            f"{days} days cover {percent(_pct(day_coverage(days)), 1)} of days"
            for days in (7, MEMORY_WINDOW_DAYS, 32)
        )
        + " (p ** n = 0.05)",
    ]
    if use.processes is not None and use.workload_processes is not None:
        lines.append(
            f"{use.workload_processes} of {use.processes} processes are the workload's: the "
            "figures are of the whole host"
        )
    cores = safe_cores(case)
    limit = f"a limit of {number(cores)} cores" if cores is not None else "a lower CPU limit"
    yield AuditFinding(
        code=FindingCode.WEAK_EVIDENCE,
        severity=Severity.UNPROVEN,
        subject="measurements",
        claim=(
            f"CPU {number(use.cpu_mean_pct)} % average, {number(use.cpu_peak_pct)} % peak; "
            "memory "
            f"{number(use.memory_pct)} %"
        ),
        computed=(
            f"averages and peaks over a window that is {window} are weak evidence: sizes are kept"
        ),
        arithmetic=tuple(lines),
        instead=f"collect mean and maximum of CPU and memory every {_MINUTES} minutes for "
        f"{MEMORY_WINDOW_DAYS} days, by process group: that would allow {limit}, and a memory "
        "limit down to the measured peak plus margin",
    )


def _confidence(case: Case) -> Iterator[AuditFinding]:
    window = case.utilisation.window_days
    coverage = _pct(day_coverage(0 if window is None else float(window)))
    claims = [
        (phase, phase.confidence_pct)
        for phase in case.phases
        if phase.confidence_pct is not None
        and phase.confidence_pct > coverage
        and phase.saving_usd_per_month > 0
    ]
    if not claims:
        return
    needed = ["n days of daily maxima cover a share p of days, 95 % sure, where p ** n = 0.05"]
    needed += [
        f"{number(claim)} % needs {days_for_coverage(float(claim / HUNDRED))} days"
        for claim in sorted({claim for _, claim in claims if 0 < claim < HUNDRED}, reverse=True)
    ]
    yield AuditFinding(
        code=FindingCode.CONFIDENCE,
        severity=Severity.UNPROVEN,
        subject="all phases",
        claim="confidence "
        + ", ".join(f"phase {phase.number} {number(claim)} %" for phase, claim in claims),
        computed="a window that is not stated supports no figure"
        if window is None
        else f"{number(window)} days of measurements support {percent(coverage, 1)}",
        arithmetic=tuple(needed),
        instead="state the window, and claim what it covers",
        figures=() if window is None else (("coverage_pct", coverage),),
    )


def _nothing_measured(case: Case) -> Iterator[AuditFinding]:
    bare = [phase for phase in case.phases if _has_no_basis(phase)]
    if not bare:
        return
    summed = sum((phase.saving_usd_per_month for phase in bare), Decimal(0))
    yield AuditFinding(
        code=FindingCode.NOTHING_MEASURED,
        severity=Severity.UNPROVEN,
        subject="phases " + ", ".join(str(phase.number) for phase in bare),
        claim="save "
        + ", ".join(f"{usd(phase.saving_usd_per_month)}" for phase in bare)
        + " a month",
        computed=f"{usd(summed)} a month rest on no size, no measurement and no price",
        arithmetic=(
            " + ".join(number(phase.saving_usd_per_month) for phase in bare) + f" = {usd(summed)}",
        ),
        instead="plan these phases without a saving until something is measured",
        figures=(("summed_usd_per_month", summed),),
    )


def _has_no_basis(phase: PhaseClaim) -> bool:
    sized = phase.limits is not None or (
        phase.instance is not None and phase.instance.instance_type is not None
    )
    return phase.saving_usd_per_month > 0 and not sized and phase.evidence is None


def _cache(case: Case, phase: PhaseClaim) -> Iterator[AuditFinding]:
    cache, cycle = phase.cache, case.units.cycle_s
    if cache is None or cycle is None or cache.ttl_s > cycle:
        return
    equal = "equals" if cache.ttl_s == cycle else "is shorter than"
    yield AuditFinding(
        code=FindingCode.CACHE_REUSE,
        severity=Severity.UNPROVEN,
        subject=f"phase {phase.number}",
        claim=(
            f"a cache with a TTL of {number(cache.ttl_s)} s is hit {number(cache.hit_pct)} % "
            "of times"
        ),
        computed=(
            f"the TTL {equal} the cycle of {number(cycle)} s, so reuse within it is unproven: "
            "an entry "
            "of one cycle has expired in the next"
        ),
        arithmetic=(
            f"{number(cache.ttl_s)} / {number(cycle)} = {number(cache.ttl_s / cycle)} cycles",
        ),
        instead="measure how often the same article comes back within one cycle, or a longer TTL",
        figures=(("cycles_per_ttl", cache.ttl_s / cycle),),
    )


def _effect(phase: PhaseClaim, effect: Effect) -> Iterator[AuditFinding]:
    low = effect.before / effect.after_high
    high = effect.before / effect.after_low
    low_holds = effect.factor_low <= low or agrees(effect.factor_low, low)
    high_holds = effect.factor_high <= high or agrees(effect.factor_high, high)
    if low_holds and high_holds:
        return
    yield AuditFinding(
        code=FindingCode.EFFECT,
        severity=Severity.NOTE,
        subject=f"phase {phase.number}",
        claim=(
            f"{effect.what}: {number(effect.factor_low)}-{number(effect.factor_high)} times faster"
        ),
        computed=f"{number(effect.before)} {effect.unit} -> {number(effect.after_low)}-"
        f"{number(effect.after_high)} {effect.unit} is {rounded(low, 1)} to {rounded(high, 1)} "
        "times",
        arithmetic=(
            (
                f"{number(effect.before)} / {number(effect.after_high)} = {rounded(low, 1)}, "
                f"{number(effect.before)} / {number(effect.after_low)} = {rounded(high, 1)}"
            ),
        ),
        instead=f"{rounded(low, 1)}-{rounded(high, 1)} times",
        figures=(("factor_low", low), ("factor_high", high)),
    )


def _canary(case: Case) -> Iterator[AuditFinding]:
    if not (case.singleton and case.safety.canary):
        return
    fits = " and ".join(case.stateless_parts) or "stateless parts"
    yield AuditFinding(
        code=FindingCode.SINGLETON_CANARY,
        severity=Severity.NOTE,
        subject=case.workload,
        claim="gradual rollout by canary",
        computed=f"{case.workload} is a singleton: a second copy beside it would do its work twice",
        arithmetic=("copies while a canary pair runs: 2; copies allowed: 1",),
        instead=f"resize it in place, watch it, restore it; a canary pair fits {fits}",
    )


def _pct(share: float) -> Decimal:
    return Decimal(str(share)) * HUNDRED
