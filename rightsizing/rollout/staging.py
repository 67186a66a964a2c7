"""A staging stack that mirrors production, and whether a release has passed there. Pure.

Both stacks are the same program; only their configuration differs, and only where it must: where
they are (region, network, images of that region, proxies), what they are called, and how far each
has got (phase, rollout). Every other difference would make a pass in staging mean less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from rightsizing.errors import ConfigError, PlanRejected
from rightsizing.model.base import NoData
from rightsizing.model.loadrecord import LoadRecord, LoadVerdict
from rightsizing.model.release import Release
from rightsizing.model.update import PHASE_KEY, ROLLOUT_KEY, Json

NAMESPACE = "rightsizing"
LOAD_MULTIPLE = 2.0  # of normal volume that staging must have held
_SHOWN = 5  # differences in a sentence
# Paths that may differ, as shell patterns; `*` also matches dots.
ALLOWED_DIFFERENCES = (
    "aws:*",
    "docker:*",
    f"{NAMESPACE}:region",
    f"{NAMESPACE}:embedded",
    f"{NAMESPACE}:network.*",
    f"{NAMESPACE}:owner",
    f"{NAMESPACE}:tags.*",
    f"{NAMESPACE}:settings.*",
    f"{NAMESPACE}:fleets.*.ami.*",
    f"{NAMESPACE}:fleets.*.internal",
    f"{NAMESPACE}:*.environment.*",
    f"{NAMESPACE}:*.tags.*",
    f"{NAMESPACE}:*.owner",
    f"{NAMESPACE}:containers.*.proxy.*",
    f"{NAMESPACE}:containers.*.ports.*",
    f"{NAMESPACE}:containers.*.container_name",
    f"{NAMESPACE}:containers.*.mounts.*",
    f"{PHASE_KEY}*",
    f"{ROLLOUT_KEY}*",
)
# What a new staging stack does not take over: it is production's own.
_NOT_MIRRORED = frozenset({PHASE_KEY, ROLLOUT_KEY})
_NETWORK_IDS = ("vpc_id", "subnet_ids")


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is not the same. None: not there."""

    path: str
    production: Json
    staging: Json

    @property
    def is_allowed(self) -> bool:
        """Whether staging may differ here."""
        return any(fnmatchcase(self.path, pattern) for pattern in ALLOWED_DIFFERENCES)

    def __str__(self) -> str:
        def shown(value: Json) -> str:
            return "nothing" if value is None else str(value)

        return f"{self.path} is {shown(self.staging)}, in production {shown(self.production)}"


@dataclass(frozen=True, slots=True)
class Mirror:
    """How a staging stack differs from production."""

    differences: tuple[Difference, ...]

    @property
    def forbidden(self) -> tuple[Difference, ...]:
        """Differences that make it no mirror."""
        return tuple(item for item in self.differences if not item.is_allowed)

    def require(self, staging: str) -> None:
        """Raise ConfigError naming what must not differ."""
        found = self.forbidden
        if not found:
            return
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise ConfigError(
            f"stack {staging} does not mirror production: "
            + "; ".join(str(item) for item in found[:_SHOWN])
            + f"{more}; run `rightsize staging` again, which writes them anew"
        )


@dataclass(frozen=True, slots=True)
class AppliedRelease:
    """One release at one phase in staging. ``succeeded``: it completed, and live facts agreed."""

    release: str
    phase: int
    succeeded: bool
    how: str = ""


@dataclass(frozen=True, slots=True)
class StagingEvidence:
    """What staging's records say. ``mirror``: how its configuration differs from production's."""

    stack: str
    mirror: Mirror
    applied: tuple[AppliedRelease, ...] = ()  # oldest first
    loads: tuple[LoadRecord, ...] = ()  # oldest first
    damaged: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class StagingPass:
    """A release has passed in staging, and by which load test."""

    stack: str
    release: str
    phase: int
    load: LoadRecord

    @property
    def sentence(self) -> str:
        """For a person."""
        return (
            f"release {self.release[:12]} at phase {self.phase} passed in stack {self.stack}: "
            f"{self.load.requests} requests at {self.load.multiple:g} times normal volume, "
            f"{self.load.at:%Y-%m-%d %H:%M} UTC"
        )


def compare_stacks(production: Mapping[str, Json], staging: Mapping[str, Json]) -> Mirror:
    """All differences between two stacks' ``config`` values, by path, sorted."""
    return Mirror(tuple(sorted(_differences("", production, staging), key=lambda item: item.path)))


def staging_values(
    production: Mapping[str, Json], present: Mapping[str, Json] | None = None
) -> dict[str, Json]:
    """Configuration of a staging stack: production's, but for what is staging's own.

    Args:
        production: values of the production stack, by key.
        present: values of the staging stack where it exists already: what it may have of its own
            stays as it is there.
    """
    own = present or {}
    values: dict[str, Json] = {}
    for key, value in production.items():
        if key not in _NOT_MIRRORED:
            values[key] = _mirrored(key, value, own.get(key), exists=present is not None)
    for key in _NOT_MIRRORED & own.keys():
        values[key] = own[key]
    if present is None:
        network = values.get(f"{NAMESPACE}:network")
        if isinstance(network, dict):  # production's network must not be used by staging
            kept = {name: item for name, item in network.items() if name not in _NETWORK_IDS}
            values[f"{NAMESPACE}:network"] = kept
    return {key: value for key, value in values.items() if value is not None}


def passed_staging(
    evidence: StagingEvidence,
    release: Release,
    phase: int,
    *,
    multiple: float = LOAD_MULTIPLE,
) -> StagingPass | NoData:
    """The pass of a release at a phase in staging, or why there is none.

    Args:
        multiple: of normal volume that has to have been driven, at least.
    """
    name = f"release {release.short_id} at phase {phase}"
    if evidence.damaged:
        return NoData(f"the records of stack {evidence.stack} are damaged: {evidence.damaged[0]}")
    own = [item for item in evidence.applied if item.release == release.id and item.phase == phase]
    if not own:
        return NoData(f"{name} was never applied in stack {evidence.stack}")
    if not own[-1].succeeded:
        how = own[-1].how or "it did not succeed"
        return NoData(f"{name} did not pass in stack {evidence.stack}: {how}")
    loads = [
        item
        for item in evidence.loads
        if (item.release, item.phase, item.judged) == (release.id, phase, True)
        and item.multiple >= multiple
    ]
    if not loads:
        return NoData(
            f"{name} was not load-tested in stack {evidence.stack} at {multiple:g} times normal "
            "volume against a limit or an old target"
        )
    if loads[-1].verdict is not LoadVerdict.PASSED:
        return NoData(
            f"the newest load test of {name} in stack {evidence.stack} is "
            f"{loads[-1].verdict.value}: {loads[-1].reason}"
        )
    return StagingPass(evidence.stack, release.id, phase, loads[-1])


def require_staging_pass(
    evidence: StagingEvidence,
    release: Release,
    phase: int,
    *,
    multiple: float = LOAD_MULTIPLE,
) -> StagingPass:
    """As ``passed_staging``, for a rollout that may not begin without one.

    Raises:
        ConfigError: the staging stack is no mirror of production.
        PlanRejected: the release has not passed there.
    """
    evidence.mirror.require(evidence.stack)
    found = passed_staging(evidence, release, phase, multiple=multiple)
    if isinstance(found, NoData):
        raise PlanRejected(
            f"{found.reason}; run `rightsize --stack {evidence.stack} rollout --phase {phase}` and "
            f"`rightsize --stack {evidence.stack} load` first; nothing was changed"
        )
    return found


def _differences(path: str, production: Json, staging: Json) -> Iterator[Difference]:
    if isinstance(production, Mapping) and isinstance(staging, Mapping):
        for key in sorted({*map(str, production), *map(str, staging)}):
            inner = f"{path}.{key}" if path else key
            yield from _differences(inner, _of(production, key), _of(staging, key))
    elif isinstance(production, Mapping) and staging is None:
        for key, value in production.items():
            yield from _differences(f"{path}.{key}", value, None)
    elif isinstance(staging, Mapping) and production is None:
        for key, value in staging.items():
            yield from _differences(f"{path}.{key}", None, value)
    elif production != staging:
        yield Difference(path, production, staging)


def _of(values: Mapping[str, Json], key: str) -> Json:
    """Keys of a YAML mapping may be numbers, as ports are."""
    return next((value for name, value in values.items() if str(name) == key), None)


def _mirrored(path: str, production: Json, present: Json, *, exists: bool) -> Json:
    """Production's value, except where staging may have its own."""
    if isinstance(production, Mapping):
        own: Mapping[str, Json] = present if isinstance(present, Mapping) else {}
        names: Sequence[str] = [*production, *(name for name in own if name not in production)]
        merged = {
            name: _mirrored(f"{path}.{name}", production.get(name), own.get(name), exists=exists)
            for name in names
        }
        return {name: value for name, value in merged.items() if value is not None}
    if exists and Difference(path, production, present).is_allowed:
        return present
    return production
