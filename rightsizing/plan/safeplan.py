"""What would be safe instead: fewer cores, memory kept, and a family that fits, with its money.

Everything is conditional on the case's own averages holding, and each option says what has to be
measured first. Money at the case's own rates is kept apart from EC2 list prices.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from rightsizing.model.base import NoData
from rightsizing.model.workload import Architecture
from rightsizing.plan.case import Case, FamilyClass, Kpi, PhaseClaim
from rightsizing.plan.demand import HUNDRED, cpu_band, demand_of, own_rates, safe_cores
from rightsizing.plan.evidence import MEMORY_WINDOW_DAYS, enough_for_memory
from rightsizing.plan.families import Offer, PricedShapes, cheapest_offer, offer
from rightsizing.plan.figures import number, percent, usd
from rightsizing.plan.finance import Amount, Appraisal, appraise

NOTHING_MEASURED = NoData("nothing measured yet, so nothing is claimed")
_SIZED_CLASSES = (FamilyClass.COMPUTE, FamilyClass.GENERAL, FamilyClass.MEMORY)


@dataclass(frozen=True, slots=True)
class SafeOption:
    """One size the case's figures allow. Utilisations are percent of the option's capacity."""

    title: str
    cores: Decimal
    memory_gib: Decimal
    usd_per_month: Amount
    basis: str
    saving_usd_per_month: Amount
    cpu_mean_pct: Decimal
    cpu_peak_pct: Decimal
    memory_pct: Decimal
    arithmetic: str
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SavingRow:
    """Claimed against safe saving of one phase. ``number`` 0 is the total of all phases."""

    number: int
    title: str
    claimed_usd_per_month: Decimal
    safe_usd_per_month: Amount
    why: str


@dataclass(frozen=True, slots=True)
class SafePlan:
    """The alternative to what a case asks for."""

    options: tuple[SafeOption, ...]
    savings: tuple[SavingRow, ...]
    appraisal: Appraisal  # of the phases whose safe saving is known, at the case's own costs
    appraised_phases: tuple[int, ...]


def safe_plan(case: Case, catalog: PricedShapes) -> SafePlan:
    """Derive the safe sizes, their money, and the table of claimed against safe savings."""
    limits = safe_limits_option(case)
    arm = _instance_option(case, catalog, Architecture.ARM64)
    intel = _instance_option(case, catalog, Architecture.X86_64)
    options = [item for item in (limits, arm, intel) if item is not None]
    rows = _saving_rows(case, catalog, limits)
    known = {
        row.number: row.safe_usd_per_month
        for row in rows
        if isinstance(row.safe_usd_per_month, Decimal)
    }
    saved = sum(known.values(), Decimal(0))
    numbers = tuple(known)
    cost = sum(
        (phase.implementation_cost_usd for phase in case.phases if phase.number in numbers),
        Decimal(0),
    )
    claimed = sum((row.claimed_usd_per_month for row in rows), Decimal(0))
    total_row = SavingRow(
        number=0,
        title="all phases",
        claimed_usd_per_month=claimed,
        safe_usd_per_month=saved if known else NOTHING_MEASURED,
        why=f"{percent(saved / case.bill.total_usd_per_month * HUNDRED)} of the bill of "
        f"{usd(case.bill.total_usd_per_month)}; claimed: "
        f"{percent(claimed / case.bill.total_usd_per_month * HUNDRED)}",
    )
    appraisal = appraise(
        saved if known else NOTHING_MEASURED,
        cost,
        cost_after_usd_per_month=case.bill.total_usd_per_month - saved,
        units_per_month=case.units.per_month,
    )
    return SafePlan(tuple(options), (*rows, total_row), appraisal, numbers)


def minimum_vcpus(case: Case) -> Decimal:
    """Fewest cores that carry the peak and keep the mean under the CPU criterion."""
    demand, band = demand_of(case), cpu_band(case)
    return demand.peak_cores if band is None else max(demand.peak_cores, band.lowest_cores)


def minimum_memory_gib(case: Case) -> Decimal:
    """Least memory that holds what is in use and keeps it under the memory criterion."""
    target = case.kpi(Kpi.MEMORY_PCT)
    used = demand_of(case).memory_gib
    if target is None or not target.maximum or target.maximum > HUNDRED:
        return used
    return used / (target.maximum / HUNDRED)


def safe_limits(case: Case) -> tuple[Decimal, Decimal]:
    """Cores and GiB that the case's figures allow: the asked ones where they hold, else ours."""
    asked = next((phase.limits for phase in case.phases if phase.limits is not None), None)
    demand, band = demand_of(case), cpu_band(case)
    cores = safe_cores(case) or case.capacity.logical_cores
    if asked is not None and asked.cpus is not None:
        in_band = band is None or band.lowest_cores <= asked.cpus <= band.highest_cores
        if in_band and asked.cpus >= demand.peak_cores:
            cores = asked.cpus
    memory = case.capacity.memory_gib
    if asked is not None and asked.memory_gib is not None:
        proven = enough_for_memory(case.utilisation) or asked.memory_gib >= memory
        if proven and asked.memory_gib >= minimum_memory_gib(case):
            memory = asked.memory_gib
    return cores, memory


def safe_limits_option(case: Case) -> SafeOption | None:
    """Limits that the case's figures allow, with their money; None when they are today's."""
    cores, memory = safe_limits(case)
    if (cores, memory) == (case.capacity.logical_cores, case.capacity.memory_gib):
        return None
    rates, demand = own_rates(case), demand_of(case)
    after = rates.cost(cores, memory)
    today = case.bill.total_usd_per_month
    conditions = ["the capacity given up is no longer billed: a limit alone saves nothing"]
    if not enough_for_memory(case.utilisation):
        conditions.append(f"{MEMORY_WINDOW_DAYS} days of 5-minute data confirm mean and peak")
    flags = f"--cpus={number(cores)} --memory={number(memory, 4)}g"
    return SafeOption(
        title=f"limits {flags}",
        cores=cores,
        memory_gib=memory,
        usd_per_month=after,
        basis="the case's own rates",
        saving_usd_per_month=today - after,
        cpu_mean_pct=demand.mean_cores / cores * HUNDRED,
        cpu_peak_pct=demand.peak_cores / cores * HUNDRED,
        memory_pct=demand.memory_gib / memory * HUNDRED,
        arithmetic=f"{number(cores)} x {usd(rates.usd_per_core, 3)} + {number(memory, 4)} x "
        f"{usd(rates.usd_per_gib)} = {usd(after)}; {usd(today)} - {usd(after)} = "
        f"{usd(today - after)}",
        conditions=tuple(conditions),
    )


def _cheapest(
    case: Case, catalog: PricedShapes, architecture: Architecture | None
) -> Offer | NoData:
    return cheapest_offer(
        catalog,
        case.region,
        case.month_hours,
        classes=_SIZED_CLASSES,
        min_vcpus=minimum_vcpus(case),
        min_memory_gib=minimum_memory_gib(case),
        architecture=architecture,
    )


def _instance_option(
    case: Case, catalog: PricedShapes, architecture: Architecture
) -> SafeOption | None:
    if all(phase.instance is None for phase in case.phases):
        return None
    found = _cheapest(case, catalog, architecture)
    if isinstance(found, NoData):
        return None
    demand, today = demand_of(case), case.bill.total_usd_per_month
    vcpus = Decimal(found.shape.vcpus)
    saving = today - found.usd_per_month
    return SafeOption(
        title=f"{found.shape.instance_type} ({found.shape.vcpus} vCPU, "
        f"{number(found.memory_gib)} GiB, {architecture.value})",
        cores=vcpus,
        memory_gib=found.memory_gib,
        usd_per_month=found.usd_per_month,
        basis=f"{case.region} on-demand list, {found.price.as_of}, {number(case.month_hours)} h",
        saving_usd_per_month=saving,
        cpu_mean_pct=demand.mean_cores / vcpus * HUNDRED,
        cpu_peak_pct=demand.peak_cores / vcpus * HUNDRED,
        memory_pct=demand.memory_gib / found.memory_gib * HUNDRED,
        arithmetic=f"${number(found.price.usd_per_hour, 5)} x {number(case.month_hours)} h = "
        f"{usd(found.usd_per_month)}; {usd(today)} - {usd(found.usd_per_month)} = {usd(saving)}",
        conditions=_instance_conditions(case, vcpus, architecture),
    )


def _instance_conditions(case: Case, vcpus: Decimal, architecture: Architecture) -> tuple[str, ...]:
    conditions = ["load-tested there: performance a vCPU of the present host is not known"]
    if architecture is Architecture.ARM64:
        conditions.append("an arm64 image exists")
    band, mean = cpu_band(case), demand_of(case).mean_cores
    if band is not None and vcpus > band.highest_cores:
        conditions.append(
            f"mean CPU of {percent(mean / vcpus * HUNDRED)} may be under "
            f"{number(band.minimum_pct)} %: the memory decides the size"
        )
    conditions.append("disk, network and support are priced apart")
    return tuple(conditions)


def _saving_rows(
    case: Case, catalog: PricedShapes, limits: SafeOption | None
) -> tuple[SavingRow, ...]:
    rows: list[SavingRow] = []
    saved_so_far = Decimal(0)
    sized = False
    for phase in case.phases:
        safe: Amount = NOTHING_MEASURED
        why = NOTHING_MEASURED.reason
        if phase.limits is not None and limits is not None and not sized:
            sized = True
            safe, why = limits.saving_usd_per_month, _why_limits(case, phase, limits)
        elif phase.instance is not None:
            safe, why = _instance_saving(case, catalog, phase, saved_so_far)
        if isinstance(safe, Decimal):
            saved_so_far += safe
        rows.append(SavingRow(phase.number, phase.title, phase.saving_usd_per_month, safe, why))
    return tuple(rows)


def _why_limits(case: Case, phase: PhaseClaim, option: SafeOption) -> str:
    assert phase.limits is not None
    used = demand_of(case).memory_gib
    parts = []
    asked_memory, asked_cores = phase.limits.memory_gib, phase.limits.cpus
    if asked_memory is not None and asked_memory != option.memory_gib:
        parts.append(
            f"memory stays at {number(option.memory_gib, 4)} GiB, since {number(used)} GiB of it "
            "are in use"
        )
    if asked_cores is not None and asked_cores != option.cores:
        parts.append(
            f"{number(option.cores)} cores instead of {number(asked_cores)} can meet "
            "the CPU criterion"
        )
    if not phase.host_shrinks:
        parts.append("saved only once the host shrinks")
    if not enough_for_memory(case.utilisation):
        parts.append("to be confirmed by measurements")
    return "; ".join(parts) or "agrees with the case's own rates"


def _instance_saving(
    case: Case, catalog: PricedShapes, phase: PhaseClaim, saved_so_far: Decimal
) -> tuple[Amount, str]:
    assert phase.instance is not None
    found = chosen_type(case, catalog, phase)
    if isinstance(found, NoData):
        return found, found.reason
    left = case.bill.total_usd_per_month - saved_so_far - found.usd_per_month
    today = usd(case.bill.total_usd_per_month - saved_so_far)
    why = (
        f"{found.shape.instance_type} costs {usd(found.usd_per_month)} (list) where "
        f"{today} are left after the phases before it"
    )
    return left, why


def chosen_type(case: Case, catalog: PricedShapes, phase: PhaseClaim) -> Offer | NoData:
    """The claimed type where it holds the demand, else the cheapest that does."""
    assert phase.instance is not None
    if phase.instance.instance_type is not None:
        named = offer(catalog, phase.instance.instance_type, case.region, case.month_hours)
        if (
            isinstance(named, Offer)
            and named.shape.vcpus >= minimum_vcpus(case)
            and named.memory_gib >= minimum_memory_gib(case)
        ):
            return named
    return _cheapest(case, catalog, None)
