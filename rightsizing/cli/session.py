"""What every command needs: project, stack, driver, store, catalog, and how to print.

Built once per invocation; each property is read when first asked for, so that ``--help`` and
commands that need no stack touch no file. On a stack that says ``rightsizing:embedded: true`` the
local cloud is started when it is down, and its environment is used for this process only.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console, RenderableType

from rightsizing.errors import ConfigError
from rightsizing.model.base import NoData
from rightsizing.model.declaration import StackDeclaration
from rightsizing.model.price import Rates
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.update import Json
from rightsizing.settings import Settings, parse_settings
from rightsizing.stack.driver import DriverName, StackDriver, StackRef

if TYPE_CHECKING:
    from rightsizing.catalog.catalog import Catalog
    from rightsizing.measure.store import Store
    from rightsizing.stack.configfile import StackFile

PROJECT_FILE = "Pulumi.yaml"
STATE_FOLDER = ".rightsizing"
PARTIAL_DATA_EXIT_CODE = 8  # done, but something could not be read


@dataclass
class Session:
    """One invocation of the command line."""

    project_option: str | None
    stack_name: str
    driver_option: str | None
    as_json: bool
    debug: bool
    overrides: tuple[str, ...] = ()
    stack_given: bool = False

    @cached_property
    def console(self) -> Console:
        """Standard output; plain text when it is not a terminal."""
        width = None if sys.stdout.isatty() else 120
        return Console(highlight=False, width=width, soft_wrap=False)

    @cached_property
    def messages(self) -> Console:
        """Standard error, for progress and remarks that are not the result."""
        return Console(stderr=True, highlight=False)

    @cached_property
    def project_dir(self) -> Path:
        """The folder that holds Pulumi.yaml: the option's, or the nearest one upwards."""
        if self.project_option is not None:
            folder = Path(self.project_option).resolve()
            if not (folder / PROJECT_FILE).is_file():
                raise ConfigError(f"--project {self.project_option}: no {PROJECT_FILE} there")
            return folder
        here = Path.cwd()
        for folder in (here, *here.parents):
            if (folder / PROJECT_FILE).is_file():
                return folder
        raise ConfigError(
            f"no {PROJECT_FILE} in {here} or above; change to a Pulumi project or give --project"
        )

    @property
    def in_project(self) -> bool:
        """Whether there is a project with this stack; measuring and sizing files needs none.

        A project or stack that was named must exist: a misspelt one is no reason to do without.
        """
        if self.project_option is not None or self.stack_given:
            return True
        try:
            return (self.project_dir / f"Pulumi.{self.stack_name}.yaml").is_file()
        except ConfigError:
            return False

    @property
    def state_dir(self) -> Path:
        """``.rightsizing`` of the project, or of the current folder when there is none."""
        try:
            return self.project_dir / STATE_FOLDER
        except ConfigError:
            return Path.cwd() / STATE_FOLDER

    @cached_property
    def stack(self) -> StackRef:
        """The stack named by ``--stack``."""
        from rightsizing.stack.selection import load_stack

        return load_stack(self.project_dir, self.stack_name)

    @cached_property
    def stack_file(self) -> StackFile:
        """``Pulumi.<stack>.yaml``."""
        from rightsizing.stack.configfile import StackFile

        return StackFile.load(self.stack.config_path)

    @property
    def values(self) -> Mapping[str, Json]:
        """The stack file's structured values."""
        return self.stack_file.values()

    @property
    def declaration(self) -> StackDeclaration:
        """Declared workloads."""
        return self.stack_file.declaration()

    @property
    def sizing(self) -> StackSizing:
        """Release, phase and rollout as the stack file has them."""
        return self.stack_file.sizing()

    def write_sizing(self, sizing: StackSizing) -> None:
        """Write the three keys into the stack file."""
        self.stack_file = self.stack_file.write_sizing(sizing)

    def write_declared(self, key: str, fields: Mapping[str, Json]) -> None:
        """Write fields of one declared key into the stack file."""
        self.stack_file = self.stack_file.write_declared(key, fields)

    def reread(self) -> None:
        """Forget the stack file, because a driver or a rollback has written it."""
        self.__dict__.pop("stack_file", None)

    @property
    def settings(self) -> Settings:
        """Defaults, then the stack file's, then ``--set``."""
        # Outside a project only the defaults and --set apply.
        return parse_settings(self.values if self.in_project else {}, self.overrides)

    @property
    def rates(self) -> Rates | NoData:
        """The owner's own rates for containers and hosts."""
        settings = self.settings
        if settings.usd_per_core_month is None or settings.usd_per_gib_month is None:
            return NoData(
                "no own rates; set usd_per_core_month and usd_per_gib_month to price containers"
            )
        return Rates(settings.usd_per_core_month, settings.usd_per_gib_month, settings.rates_source)

    @cached_property
    def catalog(self) -> Catalog:
        """The refreshed catalog of this project when there is one, else the packaged one."""
        from rightsizing.catalog.catalog import Catalog

        refreshed = self.state_dir / "catalog.json"
        return Catalog.load(refreshed if refreshed.exists() else None)

    @cached_property
    def store(self) -> Store:
        """The measurement store of this stack; of the current folder where there is none.

        Stacks may share workload keys, so what was measured for one is never evidence for another.
        """
        from rightsizing.measure.store import Store

        folder = self.stack.record_dir if self.in_project else self.state_dir
        return Store(folder / "store")

    @cached_property
    def driver(self) -> StackDriver:
        """The driver that owns the stack; starts the local cloud for an embedded stack."""
        from rightsizing.stack.selection import select_driver

        self.use_local_cloud()
        choice = None if self.driver_option is None else DriverName(self.driver_option)
        driver = select_driver(self.stack, choice)
        if not any(item.proxy for item in self.declaration.containers.values()):
            return driver
        from rightsizing.measure.docker import connect
        from rightsizing.rollout.proxied import ProxiedContainers
        from rightsizing.rollout.proxieddriver import ProxiedDriver

        return ProxiedDriver(driver, ProxiedContainers(self.stack, connect))

    def use_local_cloud(self) -> None:
        """Point this process at the local cloud when the stack is embedded; else do nothing."""
        if not self.declaration.embedded:
            return
        from rightsizing.embedded.cloud.server import LocalCloud

        cloud = LocalCloud(self.project_dir)
        notice = cloud.ensure().notice
        if notice:
            self.remark(notice)
        os.environ.update(cloud.env())

    def show(self, view: RenderableType, data: Json) -> None:
        """Print the result: ``data`` with ``--json``, else ``view``."""
        if self.as_json:
            click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        else:
            self.print(view)

    def print(self, view: RenderableType) -> None:
        """Print for people; a file or pipe gets no padding at the ends of lines."""
        if self.console.is_terminal:
            self.console.print(view)
            return
        with self.console.capture() as captured:
            self.console.print(view)
        click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))

    def remark(self, sentence: str) -> None:
        """Say something beside the result, on standard error."""
        self.messages.print(sentence, markup=False)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before changing something; abort on no. Without a terminal ``--yes`` is needed."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise ConfigError(f"{question} Not a terminal: say --yes to go on.")
        click.confirm(question, abort=True, err=True)
