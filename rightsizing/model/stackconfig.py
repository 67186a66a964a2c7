"""The ``rightsizing:`` part of a stack's configuration, as both the program and the tool read it.

One parser for both sides: ``parse_stack_sizing`` turns the raw structured values of the three keys
into types and checks them against each other. Errors name the key and the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from rightsizing.errors import ConfigError
from rightsizing.model.release import LAST_PHASE, Release
from rightsizing.model.rollout import RolloutState
from rightsizing.model.size import ServiceSize, Size
from rightsizing.model.update import PHASE_KEY, RELEASE_KEY, ROLLOUT_KEY, Json

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class StackSizing:
    """The three keys, checked. Without a release, every size is the workload's declared one."""

    release: Release | None
    phase: int
    rollout: RolloutState

    def size_of(self, workload: str, default: Size) -> Size:
        """Size that applies now: the release's at the current phase, else the declared one."""
        if self.release is None:
            return default
        size = self.release.size_at(workload, self.phase)
        if size is None:
            return default
        if size.kind != default.kind:
            raise ConfigError(
                f"{RELEASE_KEY} gives {workload} a {size.kind} size, but it is declared as a "
                f"{default.kind}; run `rightsize plan` again"
            )
        return size


def parse_model(model: type[_Model], value: Json, key: str) -> _Model:
    """Validate a structured configuration value; raise ConfigError naming key, field and value."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join([key, *(str(part) for part in first["loc"])])
        more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
        shown = repr(first.get("input"))
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{path}: {message}, found {shown}{more}") from error


def parse_stack_sizing(values: Mapping[str, Json]) -> StackSizing:
    """Parse the three keys from ``values`` (key -> structured value; absent keys allowed).

    Raises ConfigError when a key is malformed, a phase has no release, or the live slot of a fleet
    does not hold the size the release gives it at this phase (a phase edited by hand).
    """
    raw_release = values.get(RELEASE_KEY)
    release = None if raw_release is None else parse_model(Release, raw_release, RELEASE_KEY)
    raw_rollout = values.get(ROLLOUT_KEY)
    rollout = parse_model(RolloutState, {} if raw_rollout is None else raw_rollout, ROLLOUT_KEY)
    phase = _parse_phase(values.get(PHASE_KEY))
    if phase > 0 and release is None:
        raise ConfigError(
            f"{PHASE_KEY} is {phase} but {RELEASE_KEY} is not set; run `rightsize plan` first"
        )
    if release is not None:
        _check_live_slots(release, phase, rollout)
    return StackSizing(release, phase, rollout)


def _parse_phase(value: Json) -> int:
    if value is None:
        return 0
    try:
        phase = int(value) if isinstance(value, int | str) and not isinstance(value, bool) else -1
    except ValueError:
        phase = -1
    if not 0 <= phase <= LAST_PHASE:
        raise ConfigError(
            f"{PHASE_KEY} is {value!r}, must be a whole number from 0 to {LAST_PHASE}"
        )
    return phase


def _check_live_slots(release: Release, phase: int, rollout: RolloutState) -> None:
    for workload, fleet in rollout.fleets.items():
        wanted = release.size_at(workload, phase)
        live = fleet.slot(fleet.live)
        if wanted is None or live is None or isinstance(wanted, ServiceSize):
            continue
        if live.size != wanted:
            raise ConfigError(
                f"{ROLLOUT_KEY} has {workload} at {live.size} in live slot {fleet.live.value}, but "
                f"{RELEASE_KEY} at phase {phase} says {wanted}; run `rightsize plan --phase "
                f"{phase}`, which moves the slots together with the phase"
            )
