"""From recommendations to a plan: one release for all phases, and what each phase earns.

Phase 1 takes sizes within the family, phase 2 a change of family. A change that does nothing, or
that costs no less than what the phase before already reached, is dropped and listed. The baseline
is every workload's size today, so phase 0 of a release is always the way back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from rightsizing.errors import ConfigError, PlanRejected
from rightsizing.model.base import NoData
from rightsizing.model.price import MonthlyCost
from rightsizing.model.quarantine import QuarantineEntry
from rightsizing.model.recommendation import Decision, Recommendation
from rightsizing.model.release import Release
from rightsizing.model.size import Size
from rightsizing.model.workload import Workload
from rightsizing.plan.finance import Amount, appraise, total
from rightsizing.plan.phases import (
    NOT_SIZED,
    PHASE_TITLES,
    SIZED_PHASES,
    PhasePlan,
    PlanAssumptions,
    entry_check_titles,
    success_criteria,
)
from rightsizing.plan.risk import SizeChange, assess_risk, confidence

NOT_DONE = NoData("the phase changes no size, so nothing is done or paid for")
FAMILY_PHASE = SIZED_PHASES[-1]


@dataclass(frozen=True, slots=True)
class DroppedChange:
    """A recommendation that did not become part of the plan, and why."""

    workload: str
    phase: int
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A release with its reasons. ``evidence`` is a digest of what it was planned from."""

    release: Release
    phases: tuple[PhasePlan, ...]
    dropped: tuple[DroppedChange, ...]
    cost_before_usd_per_month: Amount
    assumptions: PlanAssumptions
    evidence: str

    def phase(self, number: int) -> PhasePlan | None:
        """A phase by its number."""
        return next((item for item in self.phases if item.number == number), None)


@dataclass(slots=True)
class _Position:
    """Where a workload stands while phases are laid on top of each other."""

    size: Size
    cost: Amount


def build_plan(
    workloads: Sequence[Workload],
    phase1: Sequence[Recommendation],
    phase2: Sequence[Recommendation],
    assumptions: PlanAssumptions,
    *,
    quarantined: Iterable[QuarantineEntry] = (),
    minimum_saving_ratio: float = 0.0,
) -> Plan:
    """Lay the recommendations over the workloads as phases 1 and 2; phases 3 and 4 have no sizes.

    A workload whose ``phase`` is later than its recommendation's joins at its own phase. Each
    recommendation was weighed against today's size; ``minimum_saving_ratio`` weighs a step of
    phase 2 against what phase 1 reached, as planning anew from there would.

    Raises ConfigError for a recommendation about an unknown workload, given twice, or made for
    another size than the workload has; PlanRejected when the result was rolled back before and its
    evidence has not changed; ReleaseTooLarge above the configuration limit.
    """
    by_key = {workload.key: workload for workload in workloads}
    given = {1: _by_workload(phase1, by_key), 2: _by_workload(phase2, by_key)}
    positions = _baseline(workloads, given)
    baseline = {key: position.size for key, position in positions.items()}
    costs_before = total(tuple(position.cost for position in positions.values()))
    last = max((*PHASE_TITLES, *(workload.phase for workload in workloads)))
    dropped: list[DroppedChange] = []
    sizes: dict[str, dict[str, Size]] = {}
    phases = []
    for number in range(1, last + 1):
        savings: list[Amount] = []
        changes = []
        for key in sorted(positions):
            recommendation = _candidate(by_key[key], number, given)
            position = positions[key]
            if recommendation is None or recommendation.target == position.size:
                continue
            reason = _nothing_gained(recommendation, position, minimum_saving_ratio)
            if reason is not None:
                dropped.append(DroppedChange(key, number, reason))
                continue
            changes.append(
                SizeChange(by_key[key], position.size, recommendation.target, recommendation)
            )
            after = _amount(recommendation.cost_after)
            savings.append(_difference(position.cost, after))
            positions[key] = _Position(recommendation.target, after)
        if changes:
            sizes[str(number)] = {change.workload.key: change.after for change in changes}
        cost_after = total(tuple(position.cost for position in positions.values()))
        phases.append(_phase(number, tuple(changes), tuple(savings), cost_after, assumptions))
    release = Release(baseline=baseline, phases=sizes)
    release.require_fits()
    evidence = evidence_digest((*phase1, *phase2))
    _refuse_quarantined(release, evidence, (*phase1, *phase2), quarantined)
    return Plan(release, tuple(phases), tuple(dropped), costs_before, assumptions, evidence)


def evidence_digest(recommendations: Sequence[Recommendation]) -> str:
    """SHA-256 over the measurements the recommendations stand on: equal data, equal digest."""
    rows = sorted(
        {
            (
                item.workload,
                item.evidence.samples,
                item.evidence.start_ms,
                item.evidence.end_ms,
                item.evidence.interval_s,
                item.evidence.grade.value,
            )
            for item in recommendations
        }
    )
    return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()


def _by_workload(
    recommendations: Sequence[Recommendation], workloads: Mapping[str, Workload]
) -> dict[str, Recommendation]:
    found: dict[str, Recommendation] = {}
    for item in recommendations:
        workload = workloads.get(item.workload)
        if workload is None:
            raise ConfigError(
                f"a recommendation names workload {item.workload!r}, which the stack does not "
                "declare; declare it or leave it out of `rightsize recommend`"
            )
        if item.workload in found:
            raise ConfigError(f"workload {item.workload!r} has two recommendations for one phase")
        if workload.size is not None and workload.size != item.current:
            raise ConfigError(
                f"the recommendation for {item.workload} was made for {item.current}, but it is "
                f"declared as {workload.size}; run `rightsize recommend` again"
            )
        found[item.workload] = item
    return found


def _baseline(
    workloads: Sequence[Workload], given: Mapping[int, Mapping[str, Recommendation]]
) -> dict[str, _Position]:
    positions = {}
    for workload in sorted(workloads, key=lambda item: item.key):
        known = given[1].get(workload.key) or given[2].get(workload.key)
        size = workload.size or (known.current if known is not None else None)
        if size is None:
            continue  # neither declared nor measured: the release cannot say anything about it
        cost: Amount = NoData(f"nothing is recommended for {workload.key}, so it is not priced")
        if known is not None:
            cost = _amount(known.cost_before)
        positions[workload.key] = _Position(size, cost)
    return positions


def _candidate(
    workload: Workload, number: int, given: Mapping[int, Mapping[str, Recommendation]]
) -> Recommendation | None:
    """The recommendation that speaks for a workload at a phase, if it asks for a change."""
    second, first = given[2].get(workload.key), given[1].get(workload.key)
    if number == max(workload.phase, FAMILY_PHASE) and _asks(second):
        return second
    if number == workload.phase and _asks(first):
        return first
    return None


def _asks(item: Recommendation | None) -> bool:
    return item is not None and item.decision in (Decision.DOWNSIZE, Decision.UPSIZE)


def _nothing_gained(
    item: Recommendation, position: _Position, minimum_saving_ratio: float
) -> str | None:
    if position.size == item.current:
        return None  # the recommendation itself weighed this step
    gain = _difference(position.cost, _amount(item.cost_after))
    if isinstance(gain, NoData):
        return f"no saving over {position.size} can be shown: {gain.reason}"
    if gain <= 0:
        return f"{item.target} costs no less than {position.size}"
    if isinstance(position.cost, Decimal) and gain < position.cost * Decimal(
        str(minimum_saving_ratio)
    ):
        return f"{item.target} saves only {gain / position.cost:.1%} over {position.size}"
    return None


def _phase(
    number: int,
    changes: tuple[SizeChange, ...],
    savings: tuple[Amount, ...],
    cost_after: Amount,
    assumptions: PlanAssumptions,
) -> PhasePlan:
    sized = bool(changes) or number in SIZED_PHASES
    saving = total(savings) if sized else NOT_SIZED
    cost = assumptions.cost_of(number)
    if sized and not changes:
        cost = NOT_DONE
    return PhasePlan(
        number=number,
        title=PHASE_TITLES.get(number, f"phase {number}"),
        changes=changes,
        entry_checks=entry_check_titles(number, assumptions),
        success_criteria=success_criteria(changes),
        risk=assess_risk(changes),
        confidence=confidence(changes) if sized else NOT_SIZED,
        saving_usd_per_month=saving,
        known_saving_usd_per_month=sum(
            (item for item in savings if isinstance(item, Decimal)), Decimal(0)
        ),
        implementation_cost_usd=cost,
        appraisal=appraise(
            saving,
            cost,
            discount_rate=assumptions.discount_rate,
            cost_after_usd_per_month=cost_after if sized else NOT_SIZED,
            units_per_month=assumptions.units,
        ),
    )


def _refuse_quarantined(
    release: Release,
    evidence: str,
    recommendations: Sequence[Recommendation],
    quarantined: Iterable[QuarantineEntry],
) -> None:
    newest_ms = max((item.evidence.end_ms for item in recommendations), default=0)
    for entry in quarantined:
        if entry.release != release.id or str(entry.phase) not in release.phases:
            continue
        unchanged = (
            newest_ms <= entry.at.timestamp() * 1000
            if entry.evidence is None
            else entry.evidence == evidence
        )
        if unchanged:
            raise PlanRejected(
                f"the plan is release {release.short_id} again, which is quarantined at phase "
                f"{entry.phase} since {entry.at:%Y-%m-%d %H:%M} UTC ({entry.reason}); measure "
                "until its evidence has changed"
            )


def _amount(cost: MonthlyCost | NoData) -> Amount:
    return cost if isinstance(cost, NoData) else cost.usd_per_month


def _difference(before: Amount, after: Amount) -> Amount:
    if isinstance(before, NoData):
        return before
    if isinstance(after, NoData):
        return after
    return before - after
