"""The deciding use case: from the store to recommendations and a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ibis import _

from rightsizing.cli.live import now_ms
from rightsizing.cli.session import Session
from rightsizing.decide.memoryforecast import LOOKBACK_DAYS
from rightsizing.decide.policy import Scope, SizingPolicy
from rightsizing.decide.recommend import recommend
from rightsizing.decide.risk import Risk
from rightsizing.errors import CatalogError, ConfigError
from rightsizing.model.base import NoData
from rightsizing.model.profile import Profile
from rightsizing.model.recommendation import Recommendation
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.workload import Workload, WorkloadKind
from rightsizing.plan.build import Plan, build_plan
from rightsizing.plan.phases import PlanAssumptions
from rightsizing.profile.build import build_profiles, busiest_intervals
from rightsizing.settings import Settings
from rightsizing.stack.quarantine import Quarantine
from rightsizing.units import MILLISECONDS_PER_DAY


@dataclass(frozen=True, slots=True)
class Decided:
    """Recommendations, and a sentence for each workload that could not be decided."""

    recommendations: tuple[Recommendation, ...]
    failures: tuple[str, ...]


def policy_of(settings: Settings) -> SizingPolicy:
    """The sizing policy that the settings describe. Raises ConfigError for an unknown risk."""
    return SizingPolicy(
        risk=Risk.parse(settings.risk),
        minimum_days=round(settings.min_evidence_days),
        minimum_change_ratio=settings.min_change_pct / 100,
        minimum_saving_ratio=settings.min_saving_pct / 100,
        performance_per_vcpu=settings.performance_per_vcpu,
        latency_ratio_limit=settings.latency_ratio_limit,
        credit_mode=settings.credit_mode,
    )


def assumptions_of(settings: Settings) -> PlanAssumptions:
    """What the plan needs beside measurements."""
    units = settings.units_per_month
    return PlanAssumptions(
        implementation_cost_usd={
            int(phase): cost for phase, cost in settings.implementation_cost_usd.items()
        },
        discount_rate=Decimal(str(settings.discount_rate_pct)) / 100,
        unit_name=settings.unit_name,
        units_per_month=None if units is None else Decimal(str(units)),
    )


def measurements(
    session: Session, *, everything: bool = False, only: Sequence[str] | None = None
) -> Any:
    """The store's rows of the lookback period that ends with its newest row (an Ibis table).

    A row dated in the future does not move the period away from the real ones. With ``only`` the
    rows of these workloads, of the same period.
    """
    if everything:
        return session.store.measurements(only)
    return session.store.measurements(
        only, start_ms=_start_ms(session, session.settings.lookback_days)
    )


def memory_reference_bytes(session: Session) -> float | None:
    """Mean over the store's workloads of their largest memory use in the memory rule's lookback.

    Always of the whole store, so that one workload gets the same size alone and among the others.
    None when memory was not measured.
    """
    rows = session.store.measurements(start_ms=_start_ms(session, LOOKBACK_DAYS))
    peaks = busiest_intervals(rows).group_by("workload").aggregate(peak=_.memory.max())
    found = peaks.aggregate(mean=_.peak.mean()).to_pyarrow()["mean"][0].as_py()
    return None if found is None else float(found)


def _start_ms(session: Session, days: int) -> int:
    held = session.store.workloads()
    newest = min(max((item.end_ms for item in held), default=now_ms()), now_ms())
    return newest - days * MILLISECONDS_PER_DAY


def declared_workloads(
    session: Session, sizing: StackSizing | None = None
) -> Mapping[str, Workload]:
    """Workloads of the stack file at their current sizes; none outside a project.

    ``sizing`` says the current sizes; without it the stack file does.
    """
    if not session.in_project:
        return {}
    sizing = session.sizing if sizing is None else sizing
    return {
        workload.key: workload
        if workload.size is None
        else workload.model_copy(update={"size": sizing.size_of(workload.key, workload.size)})
        for workload in session.declaration.workloads()
    }


def decide(
    session: Session,
    workloads: Mapping[str, Workload],
    profiles: Mapping[str, Profile],
    scope: Scope,
    *,
    every_excuse: bool = False,
) -> Decided:
    """Recommend a size for every workload that is declared or measured.

    ``every_excuse`` keeps every rejected type instead of the nearest in cost.
    """
    policy, rates = policy_of(session.settings), session.rates
    policy = policy.model_copy(update={"every_excuse": every_excuse})
    reference = memory_reference_bytes(session) if profiles else None
    found: list[Recommendation] = []
    failures: list[str] = []
    for key in sorted({*workloads, *profiles}):
        workload = workloads.get(key) or Workload(key=key, kind=WorkloadKind.HOST)
        profile = profiles.get(key) or NoData("the store holds nothing of it")
        try:
            found.append(
                recommend(
                    workload,
                    profile,
                    session.catalog,
                    policy,
                    scope=scope,
                    rates=rates,
                    memory_reference_bytes=reference,
                )
            )
        except (CatalogError, ConfigError) as error:
            failures.append(str(error))
    return Decided(tuple(found), tuple(failures))


def make_plan(session: Session, current: StackSizing | None = None) -> tuple[Plan, Decided]:
    """A plan for the declared workloads, from their ``current`` sizes and the measurements."""
    workloads = declared_workloads(session, current)
    profiles = {
        key: profile
        for key, profile in build_profiles(measurements(session)).items()
        if key in workloads
    }
    phase1 = decide(session, workloads, profiles, Scope.SAME_FAMILY)
    phase2 = decide(session, workloads, profiles, Scope.ANY_FAMILY)
    plan = build_plan(
        tuple(workloads.values()),
        phase1.recommendations,
        phase2.recommendations,
        assumptions_of(session.settings),
        quarantined=Quarantine(session.stack.record_dir).entries(),
        minimum_saving_ratio=policy_of(session.settings).minimum_saving_ratio,
    )
    return plan, phase1
