"""Traffic at once: set the weights of a fleet's slots outside a stack update.

The one thing this package changes without a stack driver, because a rollback of traffic has to take
seconds. Whoever does it writes the same weights to the stack's configuration and applies them, else
the next update undoes them. Setting is idempotent and verified by reading back: an answer that was
lost, or says more than happened, makes no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rightsizing.errors import ConfigError, RightsizingError, StackError
from rightsizing.model.base import NoData
from rightsizing.model.facts import FleetFacts
from rightsizing.model.rollout import MAX_WEIGHT, Slot
from rightsizing.model.update import Json
from rightsizing.model.workload import WORKLOAD_TAG
from rightsizing.stack.livefacts import SLOT_TAG, AwsReader, Scope
from rightsizing.stack.livefleet import PROBING_PORT

ATTEMPTS = 3  # beside the client's own retries: for answers that were lost
CPU_CEILING = 0.8  # of the slot that takes over; the top of the case's CPU target band
Weights = Mapping[Slot, int]


class Traffic(Protocol):
    """The weights of one fleet's slots."""

    def weights(self) -> dict[Slot, int]:
        """Weights as they are now. Raises RightsizingError."""
        ...

    def set_weights(self, weights: Weights) -> TrafficChange:
        """Make the weights these, at once. Raises RightsizingError; StackError if they stay."""
        ...


@dataclass(frozen=True, slots=True)
class TrafficChange:
    """Weights before and after, as read back. ``note``: why weight 0 is not yet no traffic."""

    before: Weights
    after: Weights
    note: str | None = None

    @property
    def moved(self) -> bool:
        """False when the weights already were as asked."""
        return dict(self.before) != dict(self.after)


class AwsControl(AwsReader, Protocol):
    """AWS calls of one region that may change something, with foreign errors mapped."""


@dataclass(frozen=True, slots=True)
class AlbTraffic:
    """Slots as target groups of one listener of an Application Load Balancer."""

    aws: AwsControl
    workload: str
    listener_arn: str
    target_groups: Mapping[Slot, str]  # ARN by slot

    def weights(self) -> dict[Slot, int]:
        """Weight of each slot's target group; a group the listener does not name has 0."""
        found = _group_weights(_forward(self._actions(), self.workload))
        return {slot: found.get(arn, 0) for slot, arn in self.target_groups.items()}

    def set_weights(self, weights: Weights) -> TrafficChange:
        """Modify the listener and read it back; stickiness and other groups stay as they are.

        Raises:
            ConfigError: the weights are not between 0 and 999, or nobody would serve.
            StackError: the listener does not hold them after three attempts.
            RightsizingError: what the client raises, if the weights are not as asked.
        """
        _check_weights(weights, self.target_groups)
        actions = self._actions()
        forward = _forward(actions, self.workload)
        before = self.weights_in(forward)
        problem: RightsizingError | None = None
        for _ in range(ATTEMPTS):
            if self.weights_in(_forward(actions, self.workload)) == dict(weights):
                break
            try:
                self.aws.call(
                    "elbv2",
                    "modify_listener",
                    ListenerArn=self.listener_arn,
                    DefaultActions=[self._with_weights(action, weights) for action in actions],
                )
                problem = None
            except RightsizingError as error:  # it may have been done all the same
                problem = error
            actions = self._actions()
        after = self.weights_in(_forward(actions, self.workload))
        if after != dict(weights):
            raise _not_moved(self.workload, weights, after, problem)
        return TrafficChange(before, after, _stickiness(forward, weights))

    def weights_in(self, forward: Json) -> dict[Slot, int]:
        """Weights in a forward configuration by slot."""
        found = _group_weights(forward)
        return {slot: found.get(arn, 0) for slot, arn in self.target_groups.items()}

    def _actions(self) -> Sequence[Json]:
        page = self.aws.call("elbv2", "describe_listeners", ListenerArns=[self.listener_arn])
        listeners = page.get("Listeners", ())
        if not listeners:
            raise StackError(
                f"{self.workload}: the load balancer's listener is gone; run `rightsize status`"
            )
        actions: Sequence[Json] = listeners[0].get("DefaultActions", ())
        return actions

    def _with_weights(self, action: Json, weights: Weights) -> Json:
        if action.get("Type") != "forward":
            return action
        forward = dict(_forward([action], self.workload))
        own = set(self.target_groups.values())
        others = [item for item in forward["TargetGroups"] if item["TargetGroupArn"] not in own]
        forward["TargetGroups"] = [
            *others,
            *(
                {"TargetGroupArn": self.target_groups[slot], "Weight": weight}
                for slot, weight in weights.items()
            ),
        ]
        kept = {key: value for key, value in action.items() if key != "TargetGroupArn"}
        return {**kept, "ForwardConfig": forward}


def find_alb_traffic(aws: AwsControl, scope: Scope, workload: str) -> AlbTraffic:
    """The listener that serves a fleet of the stack, found by tags and never from state.

    Raises StackError when there is none, RightsizingError when the cloud cannot be read.
    """
    groups: dict[Slot, str] = {}
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in scope.tags.items()]
    for group in aws.pages(
        "autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups", Filters=filters
    ):
        tags = {tag["Key"]: tag.get("Value", "") for tag in group.get("Tags", ())}
        arns = group.get("TargetGroupARNs") or ()
        ours = scope.holds(tags) and tags.get(WORKLOAD_TAG) == workload
        if ours and tags.get(SLOT_TAG) in set(Slot) and arns:
            groups[Slot(tags[SLOT_TAG])] = arns[0]
    if not groups:
        raise StackError(
            f"{workload}: no Auto Scaling group of the stack is behind a load balancer, so there "
            "is no traffic to move; run `rightsize status`"
        )
    balancers = {
        balancer
        for group in aws.pages("elbv2", "describe_target_groups", "TargetGroups")
        if group["TargetGroupArn"] in groups.values()
        for balancer in group.get("LoadBalancerArns", ())
    }
    for balancer in sorted(balancers):
        for listener in aws.pages(
            "elbv2", "describe_listeners", "Listeners", LoadBalancerArn=balancer
        ):
            if listener.get("Port") != PROBING_PORT:
                return AlbTraffic(aws, workload, listener["ListenerArn"], groups)
    raise StackError(
        f"{workload}: no listener forwards to its target groups; run `rightsize apply`"
    )


@dataclass(frozen=True, slots=True)
class TakeoverCapacity:
    """Whether a slot can carry all traffic. ``missing``: instances it lacks; NoData: not known."""

    slot: Slot
    healthy: int
    missing: int | NoData
    sentence: str

    @property
    def is_enough(self) -> bool:
        """True only when that is known."""
        return self.missing == 0 and not isinstance(self.missing, NoData)


def check_takeover(
    facts: FleetFacts,
    slot: Slot,
    *,
    healthy: int,
    used_cores: float | NoData,
    cores_of: Callable[[str], float],
    ceiling: float = CPU_CEILING,
) -> TakeoverCapacity:
    """Whether ``slot`` can serve alone, before the other one is drained. Pure.

    Args:
        healthy: targets of the slot that pass their health checks now.
        used_cores: CPU that all slots together use at present, cores.
        cores_of: vCPU of an instance type.
        ceiling: mean CPU (0-1) the slot may reach.
    """
    name = f"{facts.workload}: slot {slot.value}"
    found = [item for item in facts.slots if item.slot is slot]
    if not found or healthy == 0:
        missing: int | NoData = 1 if not found else max(found[0].min_instances, 1)
        return TakeoverCapacity(slot, 0, missing, f"{name} has no healthy instance")
    if isinstance(used_cores, NoData):
        sentence = f"{name} has {healthy} healthy instances; the load is not known"
        return TakeoverCapacity(slot, healthy, used_cores, sentence)
    smallest = min((cores_of(kind) for kind, _ in found[0].running_types), default=0.0)
    if smallest <= 0:
        lost = NoData(f"{name} runs no instance of a known type")
        return TakeoverCapacity(slot, healthy, lost, lost.reason)
    needed = -(-used_cores // (smallest * ceiling))  # rounded up
    short = max(int(needed) - healthy, 0)
    sentence = (
        f"{name} has {healthy} healthy instances and needs {int(needed)} for {used_cores:.1f} "
        f"cores in use at {ceiling:.0%} CPU"
    )
    return TakeoverCapacity(slot, healthy, short, sentence)


def _check_weights(weights: Weights, slots: Mapping[Slot, Any]) -> None:
    shown = _shown(weights)
    if set(weights) != set(slots):
        present = ", ".join(sorted(slot.value for slot in slots))
        raise ConfigError(f"weights {shown} do not name the slots that exist, {present}")
    if any(not 0 <= weight <= MAX_WEIGHT for weight in weights.values()):
        raise ConfigError(f"weights {shown} must be between 0 and {MAX_WEIGHT}")
    if not any(weights.values()):
        raise ConfigError(f"weights {shown} would leave nobody to serve")


def _forward(actions: Sequence[Json], workload: str) -> Json:
    """The forward configuration of the listener's default action, single groups included."""
    for action in actions:
        if action.get("Type") == "forward":
            config: Json = dict(action.get("ForwardConfig") or {})
            if not config.get("TargetGroups") and action.get("TargetGroupArn"):
                config["TargetGroups"] = [{"TargetGroupArn": action["TargetGroupArn"], "Weight": 1}]
            return {"TargetGroups": [], **config}
    raise StackError(f"{workload}: the listener forwards to no target group; run `rightsize apply`")


def _group_weights(forward: Json) -> dict[str, int]:
    return {item["TargetGroupArn"]: int(item.get("Weight", 1)) for item in forward["TargetGroups"]}


def _stickiness(forward: Json, weights: Weights) -> str | None:
    sticky = forward.get("TargetGroupStickinessConfig") or {}
    if not sticky.get("Enabled") or all(weights.values()):
        return None
    seconds = int(sticky.get("DurationSeconds", 0))
    return (
        f"target group stickiness is on: clients may stay with a slot of weight 0 for {seconds} s"
    )


def _not_moved(
    workload: str, wanted: Weights, found: Weights, problem: RightsizingError | None
) -> RightsizingError:
    why = "another update may be changing them" if problem is None else str(problem)
    return StackError(
        f"{workload}: the weights are {_shown(found)} and not {_shown(wanted)} ({why}); "
        "run `rightsize rollback` again"
    )


def _shown(weights: Weights) -> str:
    return ", ".join(f"{slot.value}={weight}" for slot, weight in sorted(weights.items()))
