"""Finding a project's stack, the Pulumi CLI, and the driver that a stack belongs to.

    stack = load_stack(Path.cwd(), "dev")
    driver = select_driver(stack)

The order: a marker left by the driver that made the stack decides; else an explicit choice; else
the CLI where it is installed; else the embedded engine, for a stack that allows it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from rightsizing.errors import ConfigError, StackMissing
from rightsizing.model.update import Json
from rightsizing.stack.cli_driver import CliDriver
from rightsizing.stack.driver import DriverName, StackDriver, StackRef
from rightsizing.stack.embedded_driver import EmbeddedDriver
from rightsizing.stack.ownership import check_owner, owner_of
from rightsizing.stack.yamltext import read_yaml

EMBEDDED_KEY = "rightsizing:embedded"
PROJECT_NAME = re.compile(r"(?!\.+$)[A-Za-z0-9._-]{1,100}")  # Pulumi's rule; it names a folder too
INSTALL_URL = "https://www.pulumi.com/docs/install/"


def find_pulumi(path: str | None = None) -> Path | None:
    """The Pulumi CLI on ``path`` (None: PATH) or in ``~/.pulumi/bin``; None when there is none."""
    found = shutil.which("pulumi", path=path)
    if found is not None:
        return Path(found)
    standard = Path.home() / ".pulumi" / "bin" / "pulumi"
    return standard if standard.is_file() else None


def list_stacks(project_dir: Path) -> tuple[str, ...]:
    """Names of the stacks that have a ``Pulumi.<stack>.yaml``, sorted."""
    found = project_dir.glob("Pulumi.*.yaml")
    return tuple(sorted(path.name.split(".", 1)[1].removesuffix(".yaml") for path in found))


def load_stack(folder: Path, name: str | None = None) -> StackRef:
    """The stack of the project in ``folder`` or the nearest folder above it.

    Args:
        folder: where the user is.
        name: stack name, or None when the project has only one.

    Raises:
        ConfigError: there is no ``Pulumi.yaml``, or it has no name.
        StackMissing: no such stack file; the message lists those there are.
    """
    here = folder.resolve()
    project_dir = next(
        (each for each in (here, *here.parents) if (each / "Pulumi.yaml").is_file()), None
    )
    if project_dir is None:
        raise ConfigError(f"there is no Pulumi.yaml in {here} or above; go to a Pulumi project")
    project = _load_yaml(project_dir / "Pulumi.yaml").get("name")
    if not isinstance(project, str):
        raise ConfigError(f"{project_dir / 'Pulumi.yaml'} has no `name`")
    if not PROJECT_NAME.fullmatch(project):
        raise ConfigError(
            f"{project_dir / 'Pulumi.yaml'}: name {project[:40]!r} must be 1-100 letters, digits, "
            "'.', '_' or '-'"
        )
    stacks = list_stacks(project_dir)
    if name is None:
        if len(stacks) != 1:
            listed = ", ".join(stacks) or "none"
            raise StackMissing(f"say which stack of {project}: there are {listed}")
        name = stacks[0]
    if name not in stacks:
        listed = ", ".join(stacks) or "none"
        raise StackMissing(f"{project} has no stack {name!r} in {project_dir}: there are {listed}")
    return StackRef(project_dir, project, name)


def select_driver(
    stack: StackRef,
    choice: DriverName | str | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    backend: Path | None = None,
) -> StackDriver:
    """The driver for a stack.

    Args:
        stack: the stack.
        choice: ``cli`` or ``embedded``; None lets the marker, the machine and the stack decide.
        environment: environment for the driver's child processes; None: ours.
        backend: folder of the embedded engine's state; None: the project's.

    Raises:
        ConfigError: the choice is unknown, or no driver can serve the stack here.
        DriverMismatch: the stack belongs to the other driver.
    """
    try:
        wanted = None if choice is None else DriverName(choice)
    except ValueError:
        raise ConfigError(
            f"there is no driver {choice!r}, choose {' or '.join(DriverName)}"
        ) from None
    if wanted is not None:
        check_owner(stack, wanted)
    wanted = wanted or owner_of(stack)
    path = None if environment is None else environment.get("PATH")
    pulumi = None if wanted is DriverName.EMBEDDED else find_pulumi(path)
    if wanted is DriverName.EMBEDDED or (wanted is None and pulumi is None and _embedded(stack)):
        return EmbeddedDriver(backend=backend, environment=environment)
    if pulumi is None:
        raise ConfigError(
            f"stack {stack.project}/{stack.name} needs the Pulumi CLI, and there is none on PATH "
            f"or in ~/.pulumi/bin; install it ({INSTALL_URL})"
        )
    return CliDriver(pulumi, environment=environment)


def _embedded(stack: StackRef) -> bool:
    config = _load_yaml(stack.config_path).get("config") or {}
    return isinstance(config, dict) and config.get(EMBEDDED_KEY) in (True, "true")


def _load_yaml(path: Path) -> dict[str, Json]:
    try:
        content = read_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    return content if isinstance(content, dict) else {}
