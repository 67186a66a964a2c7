"""Our recommendations beside another recommender's: matched, compared, and why they differ.

A resource is matched to a workload by its workload tag, by the resource ids that discovery and the
store know, or by bearing the workload's key as its name. Instances of a group that is itself
judged are left out. What is compared is the size to run next: a resource found "optimized" is
taken to stay as it is, whatever options are listed beside that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique

from rightsizing.catalog.capacity import SizeCapacity, capacity_of, type_capacity
from rightsizing.catalog.catalog import Catalog
from rightsizing.model.base import NoData
from rightsizing.model.peeradvice import (
    PeerAdvice,
    PeerFinding,
    PeerReport,
    PeerSize,
    PeerTask,
    PeerType,
)
from rightsizing.model.recommendation import Decision, Recommendation
from rightsizing.model.size import FleetSize, ServiceSize, Size
from rightsizing.model.workload import WorkloadKind
from rightsizing.units import CPU_UNITS_PER_VCPU, gib, mib_to_bytes

# Which of the peer's resources a workload can consist of.
_KINDS: Mapping[WorkloadKind, frozenset[WorkloadKind]] = {
    WorkloadKind.FLEET: frozenset({WorkloadKind.FLEET, WorkloadKind.HOST}),
    WorkloadKind.SERVICE: frozenset({WorkloadKind.SERVICE}),
    WorkloadKind.HOST: frozenset({WorkloadKind.HOST}),
    WorkloadKind.CONTAINER: frozenset(),
}
_NO_ADVICE: Mapping[WorkloadKind, str] = {
    WorkloadKind.FLEET: (
        "no group or instance of it has advice: it needs 30 hours of metrics, and groups with "
        "Spot, ECS or EKS instances are left out"
    ),
    WorkloadKind.SERVICE: (
        "it has no advice: only Fargate services with 24 hours of metrics get any, and none with "
        "step scaling"
    ),
    WorkloadKind.HOST: "no EC2 instance has its key as workload tag, id or name",
    WorkloadKind.CONTAINER: "Docker containers are not looked at",
}


@unique
class Verdict(StrEnum):
    """Whether both would run the same size next."""

    AGREE = "agree"
    DIFFER = "differ"
    NO_ADVICE = "no advice"


@dataclass(frozen=True, slots=True)
class ComparedAdvice:
    """One workload's recommendation beside one piece of advice."""

    workload: str
    verdict: Verdict
    why: tuple[str, ...]
    decision: Decision
    target: Size
    saving_usd_per_month: Decimal | NoData
    resources: tuple[str, ...]  # of which the peer says this
    proposed: PeerSize | NoData
    advice: PeerAdvice | NoData  # of the first of the resources


@dataclass(frozen=True, slots=True)
class PeerComparison:
    """All workloads beside the peer's advice; ``unmatched`` resources belong to none of them."""

    peer: str
    compared: tuple[ComparedAdvice, ...]
    unmatched: tuple[str, ...]
    failures: tuple[str, ...]

    def count(self, verdict: Verdict) -> int:
        """How many rows have this verdict."""
        return sum(1 for item in self.compared if item.verdict is verdict)


def compare_with_peer(
    recommendations: Sequence[Recommendation],
    report: PeerReport,
    resource_ids: Mapping[str, frozenset[str]],
    catalog: Catalog,
) -> PeerComparison:
    """Put the peer's advice beside the recommendations.

    Args:
        recommendations: ours.
        report: what the peer said.
        resource_ids: by workload key: group names, ``cluster/service`` names or instance ids.
        catalog: vCPU and memory of the types that are compared.
    """
    by_tag: defaultdict[str, set[int]] = defaultdict(set)
    by_name: defaultdict[str, set[int]] = defaultdict(set)
    for place, item in enumerate(report.advice):
        if item.workload is not None:  # a tag is meant, a name may only be alike
            by_tag[item.workload].add(place)
            continue
        for name in (item.resource_id, item.group, item.name):
            if name is not None:
                by_name[name].add(place)
    compared: list[ComparedAdvice] = []
    unmatched = set(range(len(report.advice)))
    for ours in recommendations:
        known = resource_ids.get(ours.workload, frozenset()) | {ours.workload}
        places = by_tag[ours.workload].union(*(by_name[name] for name in known))
        belonging = {
            place: report.advice[place]
            for place in sorted(places)
            if report.advice[place].kind in _KINDS[ours.kind]
        }
        unmatched -= belonging.keys()
        compared += _rows(ours, list(belonging.values()), catalog) or [_without(ours, report)]
    left = {report.advice[place].resource_id for place in unmatched}
    return PeerComparison(report.peer, tuple(compared), tuple(sorted(left)), report.failures)


def _rows(
    ours: Recommendation, belonging: Sequence[PeerAdvice], catalog: Catalog
) -> list[ComparedAdvice]:
    groups = {item.group for item in belonging if item.kind is WorkloadKind.FLEET}
    alike: dict[tuple[str, str, PeerFinding], list[PeerAdvice]] = {}
    for item in belonging:
        if item.kind is WorkloadKind.HOST and item.group in groups:
            continue
        key = (str(item.current), str(proposed_size(item)), item.finding)
        alike.setdefault(key, []).append(item)
    found = []
    for items in alike.values():
        advice = items[0]
        size = proposed_size(advice)
        same = _same_size(ours.target, size, catalog)
        why = _agreement(ours, advice) if same else _differences(ours, advice, size, catalog)
        verdict = Verdict.AGREE if same else Verdict.DIFFER
        ids = tuple(sorted(item.resource_id for item in items))
        found.append(_compared(ours, verdict, why, ids, size, advice))
    return found


def _without(ours: Recommendation, report: PeerReport) -> ComparedAdvice:
    looked_at = bool(_KINDS[ours.kind])
    unread = report.failures and looked_at
    nothing = NoData("its advice could not be read" if unread else _NO_ADVICE[ours.kind])
    return _compared(ours, Verdict.NO_ADVICE, (nothing.reason,), (), nothing, nothing)


def _compared(  # noqa: PLR0917
    ours: Recommendation,
    verdict: Verdict,
    why: Iterable[str],
    resources: tuple[str, ...],
    proposed: PeerSize | NoData,
    advice: PeerAdvice | NoData,
) -> ComparedAdvice:
    changed = ours.target != ours.current
    return ComparedAdvice(
        workload=ours.workload,
        verdict=verdict,
        why=tuple(why),
        decision=ours.decision,
        target=ours.target,
        saving_usd_per_month=ours.saving_usd_per_month if changed else Decimal(0),
        resources=resources,
        proposed=proposed,
        advice=advice,
    )


def proposed_size(advice: PeerAdvice) -> PeerSize:
    """What the peer would run next: its best option, or the current size when it is optimized."""
    if advice.finding is PeerFinding.OPTIMIZED or advice.best is None:
        return advice.current
    return advice.best.size


def _same_size(ours: Size, theirs: PeerSize, catalog: Catalog) -> bool:
    match ours, theirs:
        case FleetSize(), PeerType():
            return theirs.names == (ours.instance_type,)
        case ServiceSize(), PeerTask():
            return (ours.cpu_units, ours.memory_mib) == (theirs.cpu_units, theirs.memory_mib)
        case _:
            own, other = capacity_of(ours, catalog), _peer_capacity(theirs, catalog)
            return not isinstance(own, NoData) and own == other


def _peer_capacity(size: PeerSize, catalog: Catalog) -> SizeCapacity | NoData:
    match size:
        case PeerTask():
            if size.cpu_units is None or size.memory_mib is None:
                return NoData("the task's CPU or memory is not stated")
            return SizeCapacity(size.cpu_units / CPU_UNITS_PER_VCPU, mib_to_bytes(size.memory_mib))
        case PeerType():
            if len(size.names) > 1:
                return NoData("it mixes instance types")
            return type_capacity(size.names[0], catalog)


def _agreement(ours: Recommendation, advice: PeerAdvice) -> tuple[str, ...]:
    if ours.decision is Decision.REFUSE:
        return ("both stay; ours for lack of evidence",)
    if ours.target == ours.current:
        return ("both keep the current size",)
    return ("the same size", *_other_current(ours, advice))


def _differences(
    ours: Recommendation, advice: PeerAdvice, size: PeerSize, catalog: Catalog
) -> tuple[str, ...]:
    said = [
        *_other_current(ours, advice),
        *_by_dimension(ours, size, catalog),
        *_our_objection(ours, size),
        *_unseen_memory(ours, advice, size, catalog),
    ]
    if ours.decision is Decision.REFUSE:
        codes = ", ".join(reason.value for reason in ours.reasons)
        said.append(f"our evidence forbids a reduction ({codes})")
    days = advice.lookback_days
    if not isinstance(days, NoData) and abs(days - ours.evidence.days) >= 1:
        said.append(f"it looked at {days:g} days, we at {ours.evidence.days:g}")
    return tuple(said)


def _other_current(ours: Recommendation, advice: PeerAdvice) -> tuple[str, ...]:
    match ours.current, advice.current:
        case FleetSize(), PeerType():
            moved = advice.current.names != (ours.current.instance_type,)
        case ServiceSize(), PeerTask():
            stated = (advice.current.cpu_units, advice.current.memory_mib)
            moved = stated != (ours.current.cpu_units, ours.current.memory_mib)
        case _:
            moved = False
    return (f"it judges a current size of {advice.current}",) if moved else ()


def _by_dimension(ours: Recommendation, size: PeerSize, catalog: Catalog) -> tuple[str, ...]:
    own, theirs = capacity_of(ours.target, catalog), _peer_capacity(size, catalog)
    if isinstance(theirs, NoData):
        return (theirs.reason,)
    if isinstance(own, NoData):
        return (own.reason,)
    if own == theirs:
        return ("the same vCPU and memory in another family",)
    found = []
    if own.cores != theirs.cores:
        found.append(f"CPU: {theirs.cores:g} vCPU there, {own.cores:g} here")
    if own.memory_bytes != theirs.memory_bytes:
        there, here = gib(theirs.memory_bytes), gib(own.memory_bytes)
        found.append(f"memory: {there:g} GiB there, {here:g} here")
    return tuple(found)


def _our_objection(ours: Recommendation, size: PeerSize) -> tuple[str, ...]:
    """Why our rules passed over what the peer proposes, where the excuses say it."""
    names = size.names if isinstance(size, PeerType) else (str(size),)
    return tuple(
        f"we passed over {excuse.candidate}: {excuse.sentence}"
        for excuse in ours.excuses
        if excuse.candidate in names
    )


def _unseen_memory(
    ours: Recommendation, advice: PeerAdvice, size: PeerSize, catalog: Catalog
) -> tuple[str, ...]:
    now, then = capacity_of(ours.current, catalog), _peer_capacity(size, catalog)
    if isinstance(now, NoData) or isinstance(then, NoData):
        return ()
    if then.memory_bytes >= now.memory_bytes:
        return ()
    if any(item.metric == "Memory" for item in advice.used):
        return ()
    return ("it proposes less memory without a memory metric",)
