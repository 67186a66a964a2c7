"""``rightsize staging``: a staging stack that mirrors this one, and what has passed there."""

from __future__ import annotations

import re

import click
from rich.table import Table

from rightsizing.cli.session import Session
from rightsizing.errors import ConfigError
from rightsizing.model.base import NoData
from rightsizing.model.update import Json
from rightsizing.rollout.staging import (
    Difference,
    StagingEvidence,
    compare_stacks,
    passed_staging,
    staging_values,
)
from rightsizing.rollout.stagingrecord import read_staging
from rightsizing.stack.configfile import MASK, StackFile
from rightsizing.stack.driver import StackRef
from rightsizing.stack.durable import replace_file
from rightsizing.stack.yamltext import edit_mapping

_STACK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
NO_MIRROR_EXIT_CODE = 2  # as ConfigError
_NEW_FILE = "# Mirrors stack {stack}; written by `rightsize staging`.\nconfig: {{}}\n"


@click.command(epilog="Example: rightsize --stack prod staging --check")
@click.option("--name", default="staging", show_default=True, help="The staging stack.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 2 when it is no mirror.")
@click.pass_obj
def staging(session: Session, name: str, check: bool) -> int:
    """Make the staging stack a mirror of --stack, and say what differs and what has passed.

    Writes Pulumi.NAME.yaml with this stack's values and release. What must differ stays as it is
    there: region, network, images, addresses of proxies, tags, and how far it has got. Secrets
    cannot be copied and have to be set there.
    """
    if not _STACK_NAME.fullmatch(name):
        raise ConfigError(
            f"--name {name[:40]!r} is no name of a stack; give 1 to 100 letters, digits, '.', '_' "
            "or '-', beginning with a letter or digit"
        )
    if name == session.stack_name:
        raise ConfigError(f"stack {name} cannot mirror itself; give --stack or --name")
    if name.startswith("prod") and not check:
        raise ConfigError(
            f"--name {name}: a stack whose name begins with prod is production and is not written "
            "over; give another name, for instance staging"
        )
    mirror = StackRef(session.project_dir, session.stack.project, name)
    changed = False if check else _write(session, mirror)
    evidence = read_staging(session.stack, name)
    forbidden = evidence.mirror.forbidden
    passed = _passed(session, evidence)
    session.show(
        _table(evidence),
        {
            "stack": session.stack_name,
            "staging": name,
            "written": changed,
            "mirrors": not forbidden,
            "differences": [_json(item) for item in evidence.mirror.differences],
            "passed": not isinstance(passed, NoData) and passed is not None,
            "reason": passed.reason if isinstance(passed, NoData) else passed,
        },
    )
    if changed:
        session.remark(f"{mirror.config_path.name} was written")
    if passed is not None:
        session.remark(passed.reason if isinstance(passed, NoData) else passed)
    if forbidden:
        session.remark(f"{name} does not mirror {session.stack_name}: {len(forbidden)} differences")
        return NO_MIRROR_EXIT_CODE
    return 0


def _write(session: Session, mirror: StackRef) -> bool:
    """Bring the staging stack's file in line; False when it already was."""
    production = session.stack_file.values()
    there = mirror.config_path.is_file()
    present = StackFile.load(mirror.config_path).values() if there else None
    wanted = staging_values(production, present)
    secret = sorted(key for key, value in wanted.items() if _has_secret(value))
    if secret:
        raise ConfigError(
            f"{secret[0]} of stack {session.stack_name} holds a secret, which another stack cannot "
            f"read; set it in {mirror.config_path.name} with `pulumi config set --secret`, and "
            "leave it out of what is mirrored"
        )
    text = (
        mirror.config_path.read_text("utf-8")
        if there
        else _NEW_FILE.format(stack=session.stack_name)
    )
    gone = {key: None for key in (present or {}) if key not in wanted}
    edited = edit_mapping(text, "config", {**wanted, **gone}, str(mirror.config_path))
    if there and not compare_stacks(wanted, present or {}).differences:
        return False
    replace_file(mirror.config_path, edited.encode("utf-8"))
    return True


def _has_secret(value: Json) -> bool:
    if isinstance(value, dict):
        return any(_has_secret(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(_has_secret(item) for item in value)
    return bool(value == MASK)


def _passed(session: Session, evidence: StagingEvidence) -> str | NoData | None:
    """What has passed of this stack's release, at the next phase; None without a release."""
    sizing = session.sizing
    if sizing.release is None:
        return None
    found = passed_staging(evidence, sizing.release, max(sizing.phase, 1))
    return found if isinstance(found, NoData) else found.sentence


def _table(evidence: StagingEvidence) -> Table:
    table = Table("differs", "production", evidence.stack, "allowed")
    for item in evidence.mirror.differences:
        table.add_row(
            item.path,
            _text(item.production),
            _text(item.staging),
            "yes" if item.is_allowed else "no",
        )
    return table


def _text(value: Json) -> str:
    return "" if value is None else str(value)


def _json(item: Difference) -> Json:
    return {
        "path": item.path,
        "production": item.production,
        "staging": item.staging,
        "allowed": item.is_allowed,
    }
