"""The deciding use case: from the store to recommendations and a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from rightsizing.cli.profiling import StoreProfiles
from rightsizing.cli.session import Session
from rightsizing.decide.policy import Scope, SizingPolicy
from rightsizing.decide.recommend import recommend_all
from rightsizing.decide.risk import Risk
from rightsizing.model.base import NoData
from rightsizing.model.profile import Profile
from rightsizing.model.recommendation import Recommendation
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.workload import Workload, WorkloadKind
from rightsizing.plan.build import Plan, build_plan
from rightsizing.plan.phases import PlanAssumptions
from rightsizing.settings import Settings
from rightsizing.stack.quarantine import Quarantine


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
    profiles: StoreProfiles | None,
    scope: Scope,
    *,
    every_excuse: bool = False,
) -> Decided:
    """Recommend a size for every workload that is declared or measured.

    ``profiles`` None: nothing was measured. ``every_excuse`` keeps every rejected type instead of
    the nearest in cost. Raises StoreError when the store is empty or unreadable.
    """
    policy, rates = policy_of(session.settings), session.rates
    policy = policy.model_copy(update={"every_excuse": every_excuse})
    reference = None if profiles is None else profiles.memory_reference_bytes()
    batches = () if profiles is None else profiles.batches()
    decided: list[tuple[str, Recommendation | str]] = []
    waiting = dict(workloads)
    for cases in _cases(waiting, batches):
        found = recommend_all(
            cases,
            session.catalog,
            policy,
            scope=scope,
            rates=rates,
            memory_reference_bytes=reference,
        )
        decided += [
            (workload.key, item if isinstance(item, Recommendation) else str(item))
            for (workload, _profile), item in zip(cases, found, strict=True)
        ]
    decided.sort(key=lambda pair: pair[0])
    return Decided(
        tuple(item for _key, item in decided if isinstance(item, Recommendation)),
        tuple(item for _key, item in decided if isinstance(item, str)),
    )


def _cases(
    waiting: dict[str, Workload], batches: Iterable[Mapping[str, Profile]]
) -> Iterator[list[tuple[Workload, Profile | NoData]]]:
    """Measured workloads batch by batch, then those left in ``waiting``, which nobody measured."""
    for batch in batches:
        yield [
            (waiting.pop(key) if key in waiting else _host(key), profile)
            for key, profile in batch.items()
        ]
    unmeasured = NoData("the store holds nothing of it")
    yield [(workload, unmeasured) for workload in waiting.values()]


def _host(key: str) -> Workload:
    return Workload(key=key, kind=WorkloadKind.HOST)


def make_plan(session: Session, current: StackSizing | None = None) -> tuple[Plan, Decided]:
    """A plan for the declared workloads, from their ``current`` sizes and the measurements."""
    workloads = declared_workloads(session, current)
    profiles = StoreProfiles(session, only=workloads)
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
