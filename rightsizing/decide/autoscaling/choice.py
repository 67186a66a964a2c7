"""The choice: the cheapest policy that keeps demand above capacity within a bound.

Every candidate is replayed on the workload's own load. Cost is what is paid for on average, the
bound is on the share of measured minutes with demand above capacity. Where nothing keeps the bound
the least short candidate is named, and that it does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rightsizing.decide.autoscaling.candidates import Candidate, Setting, Workbench, candidates
from rightsizing.decide.autoscaling.clairvoyant import clairvoyant_mean
from rightsizing.decide.autoscaling.evidence import (
    ShortageEvidence,
    shortage_evidence,
    standard_error,
)
from rightsizing.decide.autoscaling.floors import Timetable
from rightsizing.decide.autoscaling.load import Load
from rightsizing.decide.autoscaling.policies import Policy
from rightsizing.decide.autoscaling.replay import Replay, ReplayListener, replay
from rightsizing.errors import ConfigError

DEFAULT_BOUND = 0.001
# Cheaper by less than this is not worth a more complicated policy.
WORTH_RATIO = 0.01


@dataclass(frozen=True, slots=True)
class Judged:
    """A candidate with what its replay came to. ``instances`` are paid for on average.

    ``short_error`` is the standard error of ``short_share``, days being the sample.
    """

    candidate: Candidate
    kind: str
    instances: float
    short_share: float
    short_error: float
    excess_share: float
    starts_per_day: float


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen policy beside what it is compared with; ``present`` None when not known.

    ``frontier``: candidates that no other beats in both cost and shortage, cheapest first.
    ``static``: the smallest fixed number within the bound. ``clairvoyant``: mean instances of
    somebody who knows the load in advance.
    """

    load: Load
    setting: Setting
    bound: float
    chosen: Judged
    timetable: Timetable | None
    evidence: ShortageEvidence
    within_bound: bool
    static: Judged
    present: Judged | None
    frontier: tuple[Judged, ...]
    clairvoyant: float
    tried: int


def choose(
    load: Load,
    setting: Setting,
    *,
    bound: float = DEFAULT_BOUND,
    present: Policy | None = None,
    seed: int = 1,
    progress: ReplayListener | None = None,
) -> Choice:
    """Choose a policy for a load.

    Args:
        load: by the minute, in absolute amounts.
        setting: platform, capacity of an instance, range.
        bound: largest share of measured minutes with demand above capacity, above 0, below 1.
        present: the policy in force, replayed beside.
        seed: of the resampling of days.
        progress: told about minutes replayed.

    Raises ConfigError for a bound outside 0 to 1.
    """
    if not 0 < bound < 1:
        raise ConfigError(f"a bound of {bound:g} of minutes must be above 0 and below 1")
    tried = candidates(load, setting)
    bench = Workbench(load, setting, tried)
    tried = tuple(item for item in tried if bench.feasible(item))
    policies = [bench.judged(item) for item in tried]
    figures = replay(
        load,
        policies if present is None else [*policies, present],
        setting.environment,
        capacity=setting.capacity,
        progress=progress,
    )
    judged = _judged(tried, figures)
    chosen = pick(judged, bound)
    index = judged.index(chosen)
    fixed = [item for item in judged if item.candidate.instances is not None]
    return Choice(
        load=load,
        setting=setting,
        bound=bound,
        chosen=chosen,
        timetable=bench.timetable(chosen.candidate),
        evidence=shortage_evidence(
            figures.short_minutes[index], figures.minutes, bound=bound, seed=seed
        ),
        within_bound=chosen.short_share <= bound,
        static=pick(fixed, bound),
        present=None if present is None else _one(None, figures, len(tried)),
        frontier=frontier(judged),
        clairvoyant=clairvoyant_mean(
            load, setting.environment, capacity=setting.capacity, least=setting.least
        ),
        tried=len(tried),
    )


def pick(judged: Sequence[Judged], bound: float) -> Judged:
    """The cheapest within the bound, of those as cheap the simplest; else the least short one.

    Of those as cheap and as simple the one that keeps the bound with a standard error to spare is
    preferred: of hundreds of candidates some are only lucky on the days seen.
    """
    within = [item for item in judged if item.short_share <= bound]
    if not within:
        return min(judged, key=lambda item: (item.short_share, item.instances))
    cheapest = min(item.instances for item in within)
    near = [item for item in within if item.instances <= cheapest * (1 + WORTH_RATIO)]
    return min(near, key=lambda item: (_parts(item), not _spares(item, bound), item.instances))


def _spares(item: Judged, bound: float) -> bool:
    return item.short_share + item.short_error <= bound


def frontier(judged: Sequence[Judged]) -> tuple[Judged, ...]:
    """Candidates that no other beats in both figures, cheapest first."""
    kept: list[Judged] = []
    for item in sorted(judged, key=lambda one: (one.instances, one.short_share)):
        if not kept or item.short_share < kept[-1].short_share:
            kept.append(item)
    return tuple(kept)


def _parts(item: Judged) -> int:
    return item.kind.count("+")


def _judged(tried: Sequence[Candidate], figures: Replay) -> list[Judged]:
    return [_one(candidate, figures, index) for index, candidate in enumerate(tried)]


def _one(candidate: Candidate | None, figures: Replay, index: int) -> Judged:
    days = max(float(np.count_nonzero(figures.minutes)), 1.0)
    share = float(figures.short_share()[index])
    return Judged(
        candidate=candidate or Candidate(None),
        kind="present policy" if candidate is None else candidate.kind,
        instances=float(figures.mean_instances()[index]),
        short_share=share,
        short_error=standard_error(figures.short_minutes[index], figures.minutes),
        excess_share=float(figures.excess_share()[index]),
        starts_per_day=float(figures.starts[index].sum()) / days,
    )
