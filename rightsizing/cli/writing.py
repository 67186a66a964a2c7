"""Decisions into the stack file: what ``--write`` of ``cache``, ``serverless`` and ``pack`` does.

Only the decision's own fields are written; image, environment and phase of an entry are its
owner's, and stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel

from rightsizing.cli.session import Session
from rightsizing.errors import ConfigError
from rightsizing.model.caching import CacheConfig
from rightsizing.model.commitment import CommitmentPlan
from rightsizing.model.phased import CommitmentsDeclaration
from rightsizing.model.serverless import ServerlessConfig
from rightsizing.model.tenancy import TenancyConfig
from rightsizing.model.update import Json
from rightsizing.stack.lease import hold_lease


def write_cache(session: Session, name: str, configs: Mapping[str, CacheConfig]) -> None:
    """The cache's setting: a container for an embedded stack, ElastiCache for any other."""
    config = configs["dev" if session.declaration.embedded else "prod"]
    _write(session, "cache", {name: {"config": plain_config(config)}})


def write_jobs(session: Session, decided: ServerlessConfig, images: Mapping[str, str]) -> None:
    """The functions' sizes. A trigger that is declared already stays as it is.

    Raises ConfigError for a function that has no image, neither declared nor in ``images``.
    """
    declared = session.declaration.jobs
    fields: dict[str, Json] = {}
    for name, function in decided.functions.items():
        config = plain_config(function)
        entry: dict[str, Json] = {"config": config}
        if name in declared:
            # What a schedule really is, only its owner knows; the decision has a placeholder.
            config["trigger"] = plain_config(declared[name].config.trigger)
        elif name not in images:
            raise ConfigError(
                f"function {name!r} is not declared yet and has no image; give --image {name}=URI"
            )
        if name in images:
            entry["image"] = images[name]
        fields[name] = entry
    unknown = sorted(set(images) - set(decided.functions))
    if unknown:
        raise ConfigError(
            f"--image {unknown[0]}: Lambda was not decided for it, so it is not written"
        )
    if not fields:
        session.remark("nothing to write: Lambda is the cheapest way for no component")
        return
    _write(session, "jobs", fields)
    left = sorted(set(declared) - set(decided.functions))
    if left:
        session.remark(f"declared and not decided here, left as they are: {', '.join(left)}")


def write_tenancy(session: Session, name: str, config: TenancyConfig, image: str | None) -> None:
    """The packing. Raises ConfigError when the tenants have no image."""
    entry: dict[str, Json] = {"config": plain_config(config)}
    if image is not None:
        entry["image"] = image
    elif name not in session.declaration.tenancy:
        raise ConfigError(
            f"tenants {name!r} are not declared yet and have no image; give --image REFERENCE"
        )
    _write(session, "tenancy", {name: entry})


def write_commitments(session: Session, plan: CommitmentPlan) -> None:
    """The purchases as a proposal.

    Raises ConfigError when others are confirmed: they may be bought, and must not be forgotten.
    """
    declared = session.declaration.commitments
    proposed = declared.model_copy(update={"plan": plan, "confirmed": None})
    if declared.confirmed is not None and proposed.digest != declared.digest:
        raise ConfigError(
            f"{session.stack.config_path.name} holds confirmed commitments; they may be bought and "
            "must stay in the program: add these beside them by hand, remove confirmed, and "
            "approve all of them"
        )
    if session.declaration.embedded:
        raise ConfigError(
            f"stack {session.stack_name} is embedded, where nothing is sold; choose the production "
            "stack with --stack"
        )
    _write(session, "commitments", {"plan": plain_config(plan)})


def write_confirmed(session: Session, confirmed: CommitmentsDeclaration) -> None:
    """The confirmation of the purchases that stand in the file."""
    assert confirmed.confirmed is not None
    _write(session, "commitments", {"confirmed": plain_config(confirmed.confirmed)})


def require_stack(session: Session, write: bool) -> None:
    """Refuse ``--write`` without a stack before anything is computed. Raises ConfigError."""
    if write:
        _ = session.declaration


def refuse_overwriting(option: str, out: Path | None, *inputs: Path | None) -> None:
    """Raises ConfigError when a result would be written over what it is made from."""
    if out is None or not out.exists():
        return
    for path in inputs:
        if path is not None and path.exists() and out.samefile(path):
            raise ConfigError(f"{option} {out} is also the input, which it would replace")


def images_by_name(given: Iterable[str]) -> dict[str, str]:
    """``NAME=URI`` options as a map. Raises ConfigError for one without a name."""
    found = {}
    for text in given:
        name, separator, image = text.partition("=")
        if not separator or not name or not image:
            raise ConfigError(f"--image {text[:60]!r} must be NAME=URI")
        found[name] = image
    return found


def plain_config(model: BaseModel) -> dict[str, Json]:
    """A decision as configuration: no key without a value."""
    found: dict[str, Json] = model.model_dump(mode="json", exclude_none=True)
    return found


def _write(session: Session, key: str, fields: Mapping[str, Json]) -> None:
    # While an apply asks or runs, the file stays what it was shown to be.
    with hold_lease(session.stack.record_dir, key):
        session.write_declared(key, fields)
    session.remark(
        f"{session.stack.config_path.name}: wrote rightsizing:{key} ({', '.join(fields)}); it is "
        "applied from its phase on: `rightsize plan --phase N`, then `rightsize preview`"
    )
