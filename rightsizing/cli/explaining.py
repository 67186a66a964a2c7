"""The explaining use case: one workload's recommendation with everything it was made from."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Any

import rightsizing
from rightsizing.catalog.capacity import capacity_of
from rightsizing.cli.deciding import decide, declared_workloads
from rightsizing.cli.profiling import StoreProfiles, measurements
from rightsizing.cli.session import Session
from rightsizing.decide.policy import Scope
from rightsizing.errors import ConfigError
from rightsizing.model.base import NoData
from rightsizing.model.recommendation import Recommendation
from rightsizing.profile.build import build_day_tables
from rightsizing.profile.demandhistory import DemandHistory, history_of
from rightsizing.profile.fingerprint import fingerprint
from rightsizing.profile.peaksamples import (
    Dimension,
    day_peaks,
    highest_samples,
    intervals_above,
)
from rightsizing.report.explanation import (
    DimensionEvidence,
    EvidenceBundle,
    Explanation,
    SizeCapacities,
    binding_dimensions,
)
from rightsizing.settings import Settings

_SUGGESTIONS = 3


def explain(
    session: Session,
    key: str,
    *,
    scope: Scope,
    everything: bool,
    samples: int,
    every_excuse: bool = False,
) -> Explanation:
    """Explain the recommendation for a workload that is declared or measured.

    Args:
        session: this invocation, with its settings.
        key: of the workload.
        scope: instance types a fleet may move to.
        everything: use all that the store holds, not only the lookback period.
        samples: how many of the highest samples to show of CPU and of memory.
        every_excuse: keep every alternative that lost, not only the nearest in cost.

    Raises:
        ConfigError: nobody declared or measured the workload, or it cannot be sized.
        StoreError: the store is empty or unreadable.
    """
    workloads = declared_workloads(session)
    rows = measurements(session, everything=everything, only=(key,))
    data = fingerprint(rows)
    if key not in workloads and not data.rows:
        raise ConfigError(_unknown(session, key, {*workloads}))
    decided = decide(
        session,
        {name: item for name, item in workloads.items() if name == key},
        StoreProfiles(session, everything=everything, only=(key,)),
        scope,
        every_excuse=every_excuse,
    )
    if decided.failures:
        raise ConfigError(decided.failures[0])
    if not decided.recommendations:
        raise ConfigError(
            f"the {data.rows} rows of workload {key} hold neither CPU nor memory; measure those"
        )
    (found,) = decided.recommendations
    capacities = _capacities(session, found)
    return Explanation(
        recommendation=found,
        capacities=capacities,
        binding=binding_dimensions(found),
        cpu=_evidence(rows, Dimension.CPU, capacities, samples),
        memory=_evidence(rows, Dimension.MEMORY, capacities, samples),
        history=_history(rows),
        bundle=EvidenceBundle(
            version=rightsizing.__version__,
            data=data,
            lookback_days=None if everything else session.settings.lookback_days,
            settings=changed_settings(session.settings),
            scope=scope.value,
            catalog=session.catalog.description,
        ),
    )


def changed_settings(settings: Settings) -> Mapping[str, str]:
    """Settings that differ from their defaults, as they would be typed."""
    default = Settings()
    values = settings.model_dump(mode="json")
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
        if getattr(settings, name) != getattr(default, name)
    }


def _unknown(session: Session, key: str, declared: set[str]) -> str:
    known = sorted(declared | {item.key for item in session.store.workloads()})
    if key in known:
        return (
            f"workload {key} was not measured in the last {session.settings.lookback_days} days of "
            f"the store; give --all-history or set lookback_days"
        )
    near = difflib.get_close_matches(key, known, n=_SUGGESTIONS, cutoff=0.5)
    hint = (
        f"did you mean {', '.join(near)}?" if near else "`rightsize store` lists what was measured"
    )
    return f"workload {key[:60]!r} is none of the {len(known)} that are known; {hint}"


def _capacities(session: Session, found: Recommendation) -> SizeCapacities:
    return SizeCapacities(
        *(
            capacity_of(size, session.catalog)
            for size in (
                found.current,
                found.target,
                found.uncapped_target,
                found.lower_bound,
                found.upper_bound,
            )
        )
    )


def _evidence(
    rows: Any, dimension: Dimension, capacities: SizeCapacities, samples: int
) -> DimensionEvidence | NoData:
    days = day_peaks(rows, dimension)
    if not days:
        return NoData(f"{dimension} was not measured")
    levels: dict[str, float] = {}
    for name, capacity in (("current", capacities.current), ("target", capacities.target)):
        if not isinstance(capacity, NoData):
            is_cpu = dimension is Dimension.CPU
            levels[name] = capacity.cores if is_cpu else capacity.memory_bytes
    counts = intervals_above(rows, dimension, tuple(levels.values()))
    above = dict(zip(levels, counts, strict=True))
    unknown = NoData("the capacity of the size is unknown")
    return DimensionEvidence(
        dimension=dimension,
        highest=highest_samples(rows, dimension, samples),
        days=days,
        above_current=above.get("current", unknown),
        above_target=above.get("target", unknown),
    )


def _history(rows: Any) -> DemandHistory | NoData:
    table = next(build_day_tables(rows), None)  # one workload comes in one table
    if table is None:
        return NoData("neither CPU nor memory was measured")
    return history_of(table)
