"""Every question before a rollout, asked of the stack and the cloud: the preflight, read.

Two previews with refresh are made, of what was applied last and of the first step; the stack file
holds each meanwhile and is put back, so nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from rightsizing.errors import RightsizingError
from rightsizing.model.base import NoData
from rightsizing.model.declaration import StackDeclaration
from rightsizing.model.freeze import FreezeWindow
from rightsizing.model.release import Release
from rightsizing.model.size import FleetSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.update import OperationResult
from rightsizing.rollout.preflight import (
    Answer,
    Check,
    Preflight,
    Question,
    check_alarms,
    check_budget,
    check_drift,
    check_freeze,
    check_offerings,
    check_quarantine,
    check_reversible,
)
from rightsizing.rollout.run import RolloutRun
from rightsizing.rollout.stages import Stage
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.facts import compare_facts
from rightsizing.stack.lease import hold_lease
from rightsizing.stack.livefacts import AwsReader
from rightsizing.stack.provenance import read_program
from rightsizing.stack.quarantine import Quarantine
from rightsizing.stack.record import difference_sentences

_SHOWN = 3  # of a list, in a sentence


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is asked beside the stack itself.

    ``dimension_values``: what alarms of these workloads name. ``expected``: how long the rollout is
    taken to last. ``allow_dirty``: a program with uncommitted changes is only noted.
    """

    aws: AwsReader | None
    dimension_values: frozenset[str]
    windows: Sequence[FreezeWindow]
    expected: timedelta
    usd_an_hour: Callable[[FleetSize], float | NoData]
    budget_usd_an_hour: float
    allow_dirty: bool = False


def check_readiness(
    run: RolloutRun,
    current: StackSizing,
    stages: Sequence[Stage],
    release: Release,
    conditions: Conditions,
) -> Preflight:
    """Ask everything; what cannot be read counts as not passed. Changes nothing.

    Args:
        current: what was applied last.
        stages: of the rollout to come.

    Raises StackLocked when another command is working on the stack.
    """
    file = StackFile.load(run.stack.config_path)
    declaration = file.declaration()
    phase = stages[-1].sizing.phase
    checks = [
        check_quarantine(Quarantine(run.stack.record_dir).entries(), release, phase),
        check_freeze(conditions.windows, run.clock.now(), conditions.expected),
        _check_tree(run, allow_dirty=conditions.allow_dirty),
        _check_live(run, current, declaration),
    ]
    if conditions.aws is not None and declaration.fleets:
        checks.append(check_alarms(conditions.aws, conditions.dimension_values))
        types = _instance_types(current, stages)
        checks.append(check_offerings(conditions.aws, types, declaration.network.zones))
    with hold_lease(run.stack.record_dir, "rollout's preflight"):
        checks.append(_previewed(run, current, Question.DRIFT, check_drift))
        checks.append(_previewed(run, stages[0].sizing, Question.REVERSIBLE, check_reversible))
    checks.append(check_budget(stages, conditions.usd_an_hour, conditions.budget_usd_an_hour))
    checks += [
        Check(Question.DOWNTIME, Answer.NOTED, sentence)
        for stage in stages
        for sentence in stage.downtime
    ]
    return Preflight(tuple(checks))


def _previewed(
    run: RolloutRun,
    sizing: StackSizing,
    question: Question,
    check: Callable[[OperationResult], Check],
) -> Check:
    """A check of a preview of this sizing; the stack file is as before afterwards."""
    before = StackFile.load(run.stack.config_path)
    try:
        before.write_sizing(sizing)
        return check(run.driver.preview(run.stack, refresh=True))
    except RightsizingError as error:
        return Check(question, Answer.UNKNOWN, f"the preview failed: {error}")
    finally:
        before.restored()


def _check_tree(run: RolloutRun, *, allow_dirty: bool) -> Check:
    program = read_program(run.stack.project_dir)
    if isinstance(program.commit, NoData):
        sentence = f"the program's commit is not known ({program.commit.reason})"
        return Check(Question.TREE, Answer.NOTED, sentence)
    if not program.dirty:
        return Check(Question.TREE, Answer.PASSED, f"the program is commit {program.commit[:12]}")
    shown = ", ".join(program.dirty[:_SHOWN])
    more = f" and {len(program.dirty) - _SHOWN} more" if len(program.dirty) > _SHOWN else ""
    return Check(
        Question.TREE,
        Answer.NOTED if allow_dirty else Answer.FAILED,
        f"the git tree has uncommitted changes outside the sizing keys ({shown}{more}), so this "
        "program could not be found again; commit them, or say --allow-dirty",
    )


def _check_live(run: RolloutRun, current: StackSizing, declaration: StackDeclaration) -> Check:
    workloads = declaration.workloads()
    report = compare_facts(run.read(workloads), current, workloads)
    if report.matches:
        return Check(Question.FACTS, Answer.PASSED, "what runs is what was applied last")
    answer = Answer.FAILED if report.mismatches else Answer.UNKNOWN
    found = "; ".join(difference_sentences(report)[:_SHOWN])
    return Check(Question.FACTS, answer, f"what runs is not what was applied last: {found}")


def _instance_types(current: StackSizing, stages: Sequence[Stage]) -> list[str]:
    """Types that run now, for the way back, and those to come."""
    sizings = [current, *(stage.sizing for stage in stages)]
    found = {
        state.size.instance_type
        for sizing in sizings
        for fleet in sizing.rollout.fleets.values()
        for state in (fleet.a, fleet.b)
        if state is not None and isinstance(state.size, FleetSize)
    }
    return sorted(found)
