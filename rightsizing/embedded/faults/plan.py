"""The fault plan: a typed list of what is to go wrong, when, and how often.

A fault of a call counts the calls that match it: the first ``after`` pass, the next ``times`` are
broken, the rest pass (``times`` null: all of them). A fault of the data plane lasts from
``from_minute`` for ``minutes``, counted from the minute it was planned in. Nothing is random.
"""

from __future__ import annotations

from enum import StrEnum, unique
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from rightsizing.errors import ConfigError
from rightsizing.model.base import FrozenModel


class CallMatch(FrozenModel):
    """Which calls are meant. ``operation`` takes shell wildcards; ``contains`` is text in the body.

    ``service`` is boto3's name, or ``docker`` with the operations ``ContainerCreate``,
    ``ContainerStart``, ``ContainerUpdate``, ``ContainerStop``, ``ContainerRemove``,
    ``ContainerInspect``, ``ContainerStats``; empty means any.
    """

    service: str = ""
    operation: str = "*"
    contains: str = ""


class _Counted(FrozenModel):
    after: int = Field(default=0, ge=0)
    times: int | None = Field(default=1, ge=1)


class _Lasting(FrozenModel):
    """``workload`` and ``slot`` name an arm; empty means any."""

    workload: str = ""
    slot: str = ""
    from_minute: int = Field(default=0, ge=0)
    minutes: int | None = Field(default=None, ge=1)


class RefusedCall(_Counted):
    """The service answers with an error and does nothing."""

    kind: Literal["refused_call"] = "refused_call"
    call: CallMatch
    code: str = "InternalFailure"
    message: str = "The request was refused by a planned fault."
    status: int = Field(default=400, ge=400, lt=600)


class Throttled(_Counted):
    """``ThrottlingException`` (or the service's own word for it); boto3 retries before it tells."""

    kind: Literal["throttled"] = "throttled"
    call: CallMatch


class SlowReply(_Counted):
    """The answer is held back; in real seconds, also where the clock is simulated."""

    kind: Literal["slow_reply"] = "slow_reply"
    call: CallMatch
    seconds: float = Field(gt=0, le=600)


class LostReply(_Counted):
    """The call is carried out, then the connection breaks before the answer."""

    kind: Literal["lost_reply"] = "lost_reply"
    call: CallMatch


class NoCapacity(_Counted):
    """No instance of these types starts: InsufficientInstanceCapacity.

    An Auto Scaling group keeps trying, and each try is a failed scaling activity. ``granted``
    instances of a try start before capacity is out. The first ``looks`` at the activities do not
    show it yet: an update that looks once then reports success although instances are missing.
    """

    kind: Literal["no_capacity"] = "no_capacity"
    instance_type: str = "*"
    granted: int = Field(default=0, ge=0)
    looks: int = Field(default=0, ge=0)


class ImageGone(FrozenModel):
    """The machine image was deregistered: nothing starts from it until the plan is cleared."""

    kind: Literal["image_gone"] = "image_gone"
    image_id: str


@unique
class Phase(StrEnum):
    """When the engine dies, seen from the call that changes the cloud."""

    BEFORE = "before"  # the operation is in flight in the state, the cloud unchanged
    AFTER = "after"  # the cloud has changed, the state does not know


class _AtOperation(_Counted):
    """An engine's operation on the cloud: create, update or delete; empty means any of them."""

    phase: Phase = Phase.AFTER
    operation: Literal["", "create", "update", "delete"] = ""
    urn_contains: str = ""


class Crash(_AtOperation):
    """SIGKILL of the engine at one of its operations; ``after`` 0 is the first that matches."""

    kind: Literal["crash"] = "crash"


class FailedOperation(_AtOperation):
    """A provider's operation fails: before the cloud changed, or after, as if no answer came.

    Unlike a refused or lost call it needs no simulated server, so it works on a real Docker engine.
    """

    kind: Literal["failed_operation"] = "failed_operation"
    message: str = "the operation failed as planned"


class Drift(_Counted):
    """Somebody changes the cloud by hand: a boto3 call, made when the fault is planned.

    With ``on_call`` it is made just after such a call was answered instead.
    """

    kind: Literal["drift"] = "drift"
    service: str
    operation: str  # boto3's method name, such as update_auto_scaling_group
    parameters: dict[str, Any] = Field(default_factory=dict)
    on_call: CallMatch | None = None


class ServiceRolledBack(_Counted):
    """The circuit breaker takes an ECS service back although its update was answered with success.

    The first ``looks`` descriptions after the update still show the new task definition.
    """

    kind: Literal["service_rolled_back"] = "service_rolled_back"
    service_contains: str = ""
    looks: int = Field(default=1, ge=0)


class MetricMatch(FrozenModel):
    """Which metrics are meant; empty means any. ``dimension_contains`` is text in a value."""

    namespace: str = ""
    name: str = ""
    dimension_contains: str = ""


class MetricGap(FrozenModel):
    """No data points for a while; those before and after are there."""

    kind: Literal["metric_gap"] = "metric_gap"
    metric: MetricMatch = MetricMatch()
    from_minute: int = Field(default=0)
    minutes: int | None = Field(default=None, ge=1)


class MetricDelay(FrozenModel):
    """Data points are seen only ``seconds`` after their time."""

    kind: Literal["metric_delay"] = "metric_delay"
    metric: MetricMatch = MetricMatch()
    seconds: int = Field(gt=0)


class MetricSkew(FrozenModel):
    """Data points carry a time ``seconds`` later (negative: earlier) than the true one."""

    kind: Literal["metric_skew"] = "metric_skew"
    metric: MetricMatch = MetricMatch()
    seconds: int


class UnhealthyTargets(_Lasting):
    """The first ``count`` targets (null: all) of matching groups fail their health checks."""

    kind: Literal["unhealthy_targets"] = "unhealthy_targets"
    target_group_contains: str = ""
    count: int | None = Field(default=None, ge=1)


class OomKills(_Lasting):
    """Every instance of an arm is killed for want of memory, once a minute."""

    kind: Literal["oom_kills"] = "oom_kills"


class Degraded(_Lasting):
    """An arm needs more work a request, or fails more of them, than its size explains."""

    kind: Literal["degraded"] = "degraded"
    work_ratio: float = Field(default=1.0, gt=0)
    error_ratio: float = Field(default=0.0, ge=0, le=1)


Fault = Annotated[
    RefusedCall
    | Throttled
    | SlowReply
    | LostReply
    | NoCapacity
    | ImageGone
    | Crash
    | FailedOperation
    | Drift
    | ServiceRolledBack
    | MetricGap
    | MetricDelay
    | MetricSkew
    | UnhealthyTargets
    | OomKills
    | Degraded,
    Field(discriminator="kind"),
]
CallFault = RefusedCall | Throttled | SlowReply | LostReply
OperationFault = Crash | FailedOperation
LastingFault = UnhealthyTargets | OomKills | Degraded
MetricFault = MetricGap | MetricDelay | MetricSkew


class FaultPlan(FrozenModel):
    """All faults, in the order they are tried; a call meets at most one of each kind."""

    faults: tuple[Fault, ...] = ()


def read_plan(path: Path) -> FaultPlan:
    """Read a plan from a JSON file. Raises ConfigError naming what is wrong in it."""
    try:
        return FaultPlan.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the fault plan {path} cannot be read ({error.strerror})") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ConfigError(
            f"the fault plan {path} is wrong at {place} ({first['msg']}); correct it there"
        ) from None
