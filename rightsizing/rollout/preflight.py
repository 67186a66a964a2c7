"""What has to hold before a rollout begins: one check a question, one sentence an answer.

Pure checks of what was read, and two readers (alarms, offerings). What could not be read has not
passed: a rollout that begins blind cannot be judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, unique

from rightsizing.errors import PlanRejected, RightsizingError
from rightsizing.model.base import NoData
from rightsizing.model.freeze import FreezeWindow
from rightsizing.model.quarantine import QuarantineEntry, find_quarantined
from rightsizing.model.release import Release
from rightsizing.model.rollout import Slot
from rightsizing.model.size import FleetSize
from rightsizing.model.update import Json, OperationResult, Step, StepOp
from rightsizing.rollout.stages import Stage, StageKind
from rightsizing.stack.inverse import inverse_diff
from rightsizing.stack.livefacts import AwsReader

AUTOSCALER_ALARMS = "TargetTracking-"  # by which autoscaling acts: red is their way of working
_AUTOSCALED = frozenset({"desiredCapacity", "desiredCount"})  # the autoscaler's, never drift
_SHOWN = 3  # of a list, in a sentence


@unique
class Question(StrEnum):
    """What is asked."""

    ALARMS = "alarms"
    DRIFT = "drift"
    REVERSIBLE = "reversible"
    QUARANTINE = "quarantine"
    FREEZE = "freeze"
    BUDGET = "budget"
    CAPACITY = "capacity"
    FACTS = "facts"
    TREE = "tree"
    DOWNTIME = "downtime"
    TRAFFIC = "traffic"
    STAGING = "staging"


@unique
class Answer(StrEnum):
    """How a check came out."""

    PASSED = "passed"
    NOTED = "noted"  # to be read before yes, no obstacle
    FAILED = "failed"
    UNKNOWN = "unknown"  # could not be read, which is an obstacle too


@dataclass(frozen=True, slots=True)
class Check:
    """One question with its answer."""

    question: Question
    answer: Answer
    sentence: str

    @property
    def blocks(self) -> bool:
        """Whether the rollout may not begin."""
        return self.answer in {Answer.FAILED, Answer.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Preflight:
    """All checks, in the order they were made."""

    checks: tuple[Check, ...]

    @property
    def obstacles(self) -> tuple[Check, ...]:
        """Checks that keep the rollout from beginning."""
        return tuple(check for check in self.checks if check.blocks)

    def require(self) -> None:
        """Raise PlanRejected naming every obstacle."""
        if self.obstacles:
            found = "; ".join(check.sentence for check in self.obstacles)
            raise PlanRejected(
                f"the rollout cannot begin: {found}; nothing was changed, run it again when that "
                "is put right"
            )


def check_alarms(aws: AwsReader, dimension_values: frozenset[str]) -> Check:
    """Whether every alarm about these resources is OK, which needs data.

    Args:
        dimension_values: load balancers, target groups, groups and services, as dimensions name
            them. An alarm counts when one of its dimensions has such a value.
    """
    try:
        found = [
            alarm
            for alarm in aws.pages("cloudwatch", "describe_alarms", "MetricAlarms")
            if not alarm["AlarmName"].startswith(AUTOSCALER_ALARMS)
            and not dimension_values.isdisjoint(_dimension_values(alarm))
        ]
    except RightsizingError as error:
        return Check(Question.ALARMS, Answer.UNKNOWN, f"the alarms cannot be read: {error}")
    words = {"ALARM": "red", "INSUFFICIENT_DATA": "without data"}
    bad = [
        f"{alarm['AlarmName']} is {words.get(alarm['StateValue'], 'in an unknown state')}"
        for alarm in sorted(found, key=lambda alarm: (alarm["StateValue"], alarm["AlarmName"]))
        if alarm["StateValue"] != "OK"
    ]
    if bad:
        return Check(Question.ALARMS, Answer.FAILED, _listed(f"of {len(found)} alarms ", bad))
    if not found:
        return Check(Question.ALARMS, Answer.NOTED, "no alarm watches these workloads")
    return Check(Question.ALARMS, Answer.PASSED, f"{len(found)} alarms are green, with data")


def check_drift(preview: OperationResult) -> Check:
    """Whether the live cloud is as the applied configuration says.

    Args:
        preview: of the configuration as it was applied last, with refresh.
    """
    drifted = [_drift(step) for step in preview.changes if not _is_autoscaling(step)]
    if drifted:
        return Check(Question.DRIFT, Answer.FAILED, _listed("changed by hand: ", drifted))
    return Check(Question.DRIFT, Answer.PASSED, "nothing was changed beside the stack")


def check_reversible(preview: OperationResult) -> Check:
    """Whether what the first stage changes can be undone, and how fast.

    Args:
        preview: of the rollout's first update.
    """
    back = inverse_diff(preview)
    lost = [step.sentence for step in back.impossible]
    if lost:
        return Check(Question.REVERSIBLE, Answer.FAILED, _listed("no way back: ", lost))
    if back.slow:
        sentence = _listed(
            f"going back takes about {back.minutes} minutes: ",
            [step.sentence for step in back.slow],
        )
        return Check(Question.REVERSIBLE, Answer.NOTED, sentence)
    return Check(Question.REVERSIBLE, Answer.PASSED, "going back is a matter of seconds")


def check_quarantine(entries: tuple[QuarantineEntry, ...], release: Release, phase: int) -> Check:
    """Whether this release was rolled back at this phase before."""
    found = find_quarantined(entries, release.id, phase)
    name = f"release {release.short_id} at phase {phase}"
    if found is None:
        return Check(Question.QUARANTINE, Answer.PASSED, f"{name} was never rolled back")
    sentence = f"{name} is quarantined since {found.at:%Y-%m-%d %H:%M} UTC ({found.reason})"
    return Check(Question.QUARANTINE, Answer.FAILED, sentence)


def check_freeze(windows: Sequence[FreezeWindow], now: datetime, expected: timedelta) -> Check:
    """Whether now, and the time the rollout is expected to take, are clear of every freeze."""
    for window in sorted(windows, key=lambda window: window.start):
        span = f"{window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC"
        if window.start <= now < window.end:
            sentence = f"changes are frozen from {span} ({window.reason})"
            return Check(Question.FREEZE, Answer.FAILED, sentence)
        if now < window.start < now + expected:
            sentence = f"it would still run when changes are frozen from {span} ({window.reason})"
            return Check(Question.FREEZE, Answer.FAILED, sentence)
    return Check(Question.FREEZE, Answer.PASSED, "no freeze is near")


def check_budget(
    stages: Sequence[Stage],
    usd_an_hour: Callable[[FleetSize], float | NoData],
    most_usd_an_hour: float,
) -> Check:
    """Whether what runs beside the serving size is within the budget.

    Args:
        usd_an_hour: price of a slot at its least instances, US dollars an hour.
        most_usd_an_hour: the budget.
    """
    extra = 0.0
    for size in _doubled(stages).values():
        price = usd_an_hour(size)
        if isinstance(price, NoData):
            return Check(
                Question.BUDGET,
                Answer.UNKNOWN,
                f"what {size} costs is not known: {price.reason}",
            )
        extra += price
    sentence = (
        f"both slots together cost ${extra:.2f} an hour more, ${most_usd_an_hour:.2f} allowed"
    )
    answer = Answer.PASSED if extra <= most_usd_an_hour else Answer.FAILED
    return Check(Question.BUDGET, answer, sentence)


def check_offerings(aws: AwsReader, instance_types: Sequence[str], zones: Sequence[str]) -> Check:
    """Whether AWS offers every type, the old ones too for the way back, in every zone in use.

    An offering is no promise of capacity; that shows only when instances start.
    """
    wanted = sorted(set(instance_types))
    if not wanted or not zones:
        return Check(Question.CAPACITY, Answer.NOTED, "no zones are known, offerings not checked")
    filters = [
        {"Name": "instance-type", "Values": wanted},
        {"Name": "location", "Values": sorted(set(zones))},
    ]
    try:
        offered = {
            (item["InstanceType"], item["Location"])
            for item in aws.pages(
                "ec2",
                "describe_instance_type_offerings",
                "InstanceTypeOfferings",
                LocationType="availability-zone",
                Filters=filters,
            )
        }
    except RightsizingError as error:
        return Check(Question.CAPACITY, Answer.UNKNOWN, f"offerings cannot be read: {error}")
    lacking = [
        f"{kind} in {zone}"
        for kind in wanted
        for zone in sorted(set(zones))
        if (kind, zone) not in offered
    ]
    if lacking:
        return Check(Question.CAPACITY, Answer.FAILED, _listed("not offered: ", lacking))
    return Check(
        Question.CAPACITY,
        Answer.PASSED,
        f"{', '.join(wanted)} are offered in {len(set(zones))} zones",
    )


def _dimension_values(alarm: Json) -> list[str]:
    """Of the alarm's own metric, and of every metric in its formula."""
    metrics = [
        alarm,
        *(query.get("MetricStat", {}).get("Metric", {}) for query in alarm.get("Metrics", ())),
    ]
    return [item["Value"] for metric in metrics for item in metric.get("Dimensions", ())]


def _doubled(stages: Sequence[Stage]) -> Mapping[str, FleetSize]:
    """What the filled stage runs in slots without weight, by fleet."""
    found = {}
    for stage in stages:
        if stage.kind is not StageKind.FILL:
            continue
        for key, fleet in stage.sizing.rollout.fleets.items():
            for slot in Slot:
                state = fleet.slot(slot)
                if state is None or state.weight > 0:
                    continue
                if isinstance(state.size, FleetSize):  # a container's engine is paid for anyhow
                    found[key] = state.size
    return found


def _is_autoscaling(step: Step) -> bool:
    return (
        step.op is StepOp.UPDATE
        and bool(step.changed_keys)
        and (set(step.changed_keys) <= _AUTOSCALED)
    )


def _drift(step: Step) -> str:
    if step.op is StepOp.CREATE:
        return f"{step.name} is gone"
    keys = ", ".join(step.changed_keys) or "unnamed properties"
    return f"{step.name} ({keys})"


def _listed(before: str, items: Sequence[str]) -> str:
    more = len(items) - _SHOWN
    return before + "; ".join(items[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
