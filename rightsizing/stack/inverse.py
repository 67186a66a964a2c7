"""The inverse diff: what going back from an update would do, computed before going forward.

Pure; from the forward preview's steps. Minutes are rough upper figures for planning, chosen by us:
what counts is whether going back is a matter of seconds, of minutes, or not possible at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique

from rightsizing.model.update import OperationResult, Step, StepOp

LISTENER_TYPE = "aws:lb/listener:Listener"
CONTAINER_TYPE = "docker:index/container:Container"
_WEIGHTS = "defaultActions"
_NO_RESOURCE = ("rightsizing:", "pulumi:")  # components, providers and the stack itself

# Minutes until a resource of this type, made anew, does its work. Others take less than one.
MINUTES_TO_MAKE: Mapping[str, int] = {
    "aws:autoscaling/group:Group": 5,  # instances boot and pass the load balancer's health checks
    "aws:lb/loadBalancer:LoadBalancer": 3,
    "aws:ecs/service:Service": 5,  # tasks start and pass health checks
    CONTAINER_TYPE: 1,  # stop, start, and what the application needs to be ready
}
# Minutes for a changed resource to take effect, where the change itself is made at once.
MINUTES_TO_UPDATE: Mapping[str, int] = {
    "aws:ecs/service:Service": 5,  # a rolling deployment replaces every task
}
# What is lost with a resource of this type for good, whatever is made in its place.
LOST_FOR_GOOD: Mapping[str, str] = {
    "aws:cloudwatch/logGroup:LogGroup": "its log events",
    "aws:ec2/vpc:Vpc": "its id, which other stacks may refer to",
    "aws:lb/loadBalancer:LoadBalancer": "its address",
}


@unique
class Reversal(StrEnum):
    """How one step is undone, fastest first."""

    WEIGHT_MOVE = "weight move"
    IN_PLACE = "in-place update"
    DELETION = "deletion"
    REPLACEMENT = "replacement"
    RECREATION = "recreation"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, slots=True)
class InverseStep:
    """How one resource comes back. ``minutes`` 0: less than one."""

    step: Step
    reversal: Reversal
    minutes: int
    sentence: str


@dataclass(frozen=True, slots=True)
class InverseDiff:
    """All steps of going back."""

    steps: tuple[InverseStep, ...]

    @property
    def impossible(self) -> tuple[InverseStep, ...]:
        """What going back does not bring back; shown before yes."""
        return tuple(step for step in self.steps if step.reversal is Reversal.IMPOSSIBLE)

    @property
    def slow(self) -> tuple[InverseStep, ...]:
        """What comes back only in minutes; shown before yes."""
        return tuple(step for step in self.steps if step.minutes and step not in self.impossible)

    @property
    def minutes(self) -> int:
        """Rough time until everything works again; resources of different workloads overlap."""
        return max((step.minutes for step in self.steps), default=0)


def inverse_diff(preview: OperationResult) -> InverseDiff:
    """Read a forward preview backwards. Components and providers have nothing to undo."""
    return _diff(preview, {StepOp.CREATE: StepOp.DELETE, StepOp.DELETE: StepOp.CREATE})


def restoring_diff(preview: OperationResult) -> InverseDiff:
    """The same view of a rollback's own preview, whose steps already are the way back."""
    return _diff(preview, {})


def _diff(preview: OperationResult, swapped: Mapping[StepOp, StepOp]) -> InverseDiff:
    return InverseDiff(
        tuple(
            _step_back(step, swapped.get(step.op, step.op))
            for step in preview.changes
            if not step.type.startswith(_NO_RESOURCE)
        )
    )


def _step_back(step: Step, op: StepOp) -> InverseStep:
    minutes = MINUTES_TO_MAKE.get(step.type, 0)
    lost = LOST_FOR_GOOD.get(step.type)
    made = "replaced" if op is StepOp.REPLACE else "made anew"
    match op:
        case StepOp.DELETE:
            return InverseStep(step, Reversal.DELETION, 0, f"{step.name} is deleted")
        case StepOp.CREATE | StepOp.REPLACE if lost:
            sentence = f"{step.name} is {made}{_about(minutes)}, but {lost} cannot be brought back"
            return InverseStep(step, Reversal.IMPOSSIBLE, minutes, sentence)
        case StepOp.CREATE | StepOp.REPLACE:
            kind = Reversal.REPLACEMENT if op is StepOp.REPLACE else Reversal.RECREATION
            return InverseStep(step, kind, minutes, f"{step.name} is {made}{_about(minutes)}")
        case _:
            return _step_in_place(step)


def _step_in_place(step: Step) -> InverseStep:
    if step.type == LISTENER_TYPE and set(step.changed_keys) <= {_WEIGHTS}:
        return InverseStep(
            step, Reversal.WEIGHT_MOVE, 0, f"{step.name} moves its weights, in seconds"
        )
    minutes = MINUTES_TO_UPDATE.get(step.type, 0)
    return InverseStep(
        step, Reversal.IN_PLACE, minutes, f"{step.name} is updated in place{_about(minutes)}"
    )


def _about(minutes: int) -> str:
    return f", about {minutes} minute{'s' if minutes > 1 else ''}" if minutes else ""
