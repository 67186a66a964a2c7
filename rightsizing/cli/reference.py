"""The pages of ``docs/reference/``, written from the code they describe.

    python -m rightsizing.cli.reference docs            write docs/reference/*.md
    python -m rightsizing.cli.reference docs --check    exit with 1 and name the pages that differ

A page holds nothing that is not in the code: commands from click, settings and stack keys from the
pydantic models, exit codes from the errors, the IAM policy from ``rightsizing.awscalls``. So a page
that differs means that the code has changed, and ``make docs`` brings it up to date.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import click

from rightsizing import errors
from rightsizing.awscalls import (
    PROVISION_ACTIONS,
    READ_CALLS,
    policy_document,
    provision_actions,
    read_actions,
)
from rightsizing.cli.commands import COMMANDS
from rightsizing.cli.fieldtable import MEANING, field_rows, table
from rightsizing.cli.main import (
    INTERNAL_ERROR,
    INTERRUPTED_EXIT_CODE,
    PARTIAL_DATA_EXIT_CODE,
    CommandTree,
    rightsize,
)
from rightsizing.model.declaration import (
    ContainerDeclaration,
    FleetDeclaration,
    NetworkDeclaration,
    ServiceDeclaration,
    StackDeclaration,
)
from rightsizing.model.measurement import MEASUREMENT_COLUMNS, SCHEMA_VERSION
from rightsizing.model.release import LAST_PHASE, MAX_RELEASE_BYTES, Release
from rightsizing.model.rollout import FleetRollout, RolloutState, SlotState
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize
from rightsizing.model.update import PHASE_KEY, RELEASE_KEY, ROLLOUT_KEY
from rightsizing.model.workload import Slos
from rightsizing.rollout.restoration import EXIT_CODES as ROLLBACK_EXIT_CODES
from rightsizing.rollout.restoration import RollbackOutcome
from rightsizing.settings import SETTINGS_KEY, Settings

FOLDER = "reference"
_WRITTEN = "Written by `make docs` from {source}; do not edit."
_DEFAULT_IN_HELP = re.compile(r"\s*\[default: (?P<default>[^\]]+)\]$")

# What an exit code means whatever raised it. Codes with an error class or a command are listed
# beside these; a code without an entry here is an error of this module.
EXIT_MEANINGS: Mapping[int, str] = {
    0: "done",
    1: "an error, or a checklist with a failed item; nothing more specific applies",
    2: "arguments, settings or configuration are wrong",
    3: "refused by the evidence: a plan, an audit, a quarantined release, a phase out of order",
    4: "a stack operation could not be done",
    5: "live facts are not what the stack file says",
    ROLLBACK_EXIT_CODES[RollbackOutcome.PARTLY_RESTORED]: "a rollback restored a part",
    ROLLBACK_EXIT_CODES[RollbackOutcome.FAILED]: "a rollback restored nothing",
    PARTIAL_DATA_EXIT_CODE: "done, but something could not be read or is unknown",
    INTERNAL_ERROR: "internal error; run again with `--debug`",
    INTERRUPTED_EXIT_CODE: "interrupted, or answered no; what was finished is kept",
}


def commands_page() -> str:
    """Every command with its options and an example, in the order of ``--help``."""
    parts = [_head("Commands", "the click commands"), _global_options()]
    for section, names in CommandTree.sections:
        parts.append(f"## {section}")
        for name in names:
            parts += _command_parts(f"rightsize {name}", COMMANDS[name]())
    return _page(parts)


def settings_page() -> str:
    """Every setting with default, bounds and meaning."""
    return _page(
        [
            _head("Settings", "`rightsizing/settings.py`"),
            f"A setting comes from its default, then from `{SETTINGS_KEY}` in the stack file, then "
            "from\n`--set NAME=VALUE` on the command line. Percentages are 0-100, money is US "
            "dollars, a month\nhas 730 hours.",
            "```yaml\nconfig:\n  rightsizing:settings:\n    cpu_headroom_pct: 30\n"
            "    usd_per_core_month: 2.604\n    usd_per_gib_month: 12.31\n```",
            table(("setting", *MEANING), field_rows(Settings)),
        ]
    )


def exit_codes_page() -> str:
    """Exit codes, what they mean and which errors end with them."""
    by_code: dict[int, list[str]] = {code: [] for code in EXIT_MEANINGS}
    for error in _error_classes():
        by_code[error.exit_code].append(f"`{error.__name__}`")
    rows = [
        (f"`{code}`", EXIT_MEANINGS[code], ", ".join(names) or "")
        for code, names in sorted(by_code.items())
    ]
    described = [
        (f"`{error.__name__}`", f"`{error.exit_code}`", _first_line(error.__doc__))
        for error in _error_classes()
    ]
    return _page(
        [
            _head("Exit codes", "`rightsizing/errors.py` and the command line"),
            "An error is one sentence on standard error. With `--json` it is also printed as\n"
            '`{"error": {"message": ..., "exit_code": ...}}`. A traceback needs `--debug`.',
            table(("code", "means", "errors"), rows),
            "`rightsize rollback` ends with "
            + ", ".join(
                f"{code} {outcome.value.replace('_', ' ')}"
                for outcome, code in ROLLBACK_EXIT_CODES.items()
            )
            + ".\n`rightsize check` ends with 0 when everything passed, 1 when something failed, "
            f"{PARTIAL_DATA_EXIT_CODE} when\nsomething is unknown. `rightsize local status` ends "
            "with 1 when the local cloud does not run.",
            "## Errors",
            table(("error", "code", "means"), described),
        ]
    )


def iam_policy_page() -> str:
    """Every AWS call with its reason, and the two policy documents."""
    calls = [
        (f"`{call.action}`", ", ".join(purpose.value for purpose in call.purposes), call.why)
        for call in READ_CALLS
    ]
    provisioned = [
        (f"`{name}`", ", ".join(f"`{action}`" for action in sorted(actions)))
        for name, actions in PROVISION_ACTIONS.items()
    ]
    applying = json.loads(policy_document(applying=True))["Statement"][1]
    return _page(
        [
            _head("IAM policy", "`rightsizing/awscalls.py`"),
            "`rightsize iam-policy` prints the first document, `rightsize iam-policy --applying` "
            "both\nstatements. A test compares the table with the calls in the source.",
            f"## Reading\n\nThe toolkit itself makes {len(READ_CALLS)} kinds of calls "
            f"({len(read_actions())} actions). None of them changes anything.",
            table(("action", "for", "why"), calls),
            f"```json\n{policy_document()}\n```",
            f"## Applying\n\nWhat the Pulumi AWS provider needs for the resource types of `infra/` "
            f"({len(provision_actions())} actions,\ntagging included). Only `pulumi up`, "
            "`rightsize apply`, `retire`, `rollback` and `destroy` use them.",
            table(("resource type", "actions"), provisioned),
            f"```json\n{json.dumps(applying, indent=2)}\n```",
        ]
    )


def measurement_schema_page() -> str:
    """Columns of the store."""
    rows = [
        (
            f"`{column.name}`",
            column.type.value,
            column.unit,
            "yes" if column.required else "",
            column.meaning,
        )
        for column in MEASUREMENT_COLUMNS
    ]
    return _page(
        [
            _head("Measurement schema", "`rightsizing/model/measurement.py`"),
            "The store (`.rightsizing/store`) is Parquet. One row is one workload and resource "
            "over one\ninterval. An empty cell means that it was not measured in that interval; "
            "it never means 0.\nTimestamps are interval starts, UTC. "
            f"Schema version {SCHEMA_VERSION}.",
            table(("column", "type", "unit", "required", "meaning"), rows),
            "Files in the trace schema are another format: see\n"
            "[Measure](../guide/measure.md#files).",
        ]
    )


def stack_configuration_page() -> str:
    """Declared keys and the three keys that the tool writes."""
    parts = [
        _head("Stack configuration", "the models that parse `Pulumi.<stack>.yaml`"),
        "All keys are under `rightsizing:`. An unknown field is refused by name. Workload keys are "
        "1 to 128\nletters, digits, `.`, `_`, `/` and `-`, and unique in the stack.",
        "## Declared by the owner",
        table(("key", *MEANING), field_rows(StackDeclaration)),
        f"`{SETTINGS_KEY}` holds [settings](settings.md).",
    ]
    for title, model in (
        ("`network`", NetworkDeclaration),
        ("An entry of `fleets`", FleetDeclaration),
        ("An entry of `services`", ServiceDeclaration),
        ("An entry of `containers`", ContainerDeclaration),
        ("`slos` of a workload", Slos),
    ):
        parts += [f"### {title}", table(("field", *MEANING), field_rows(model))]
    parts.append("## Sizes")
    for model in (FleetSize, ServiceSize, ContainerSize):
        parts += [
            f"### {_first_line(model.__doc__)}",
            table(("field", *MEANING), field_rows(model)),
        ]
    parts += [
        "## Written by the tool",
        "`rightsize plan`, `retire` and `rollback` write these keys and keep everything else in "
        "the file,\ncomments too.",
        f"### `{RELEASE_KEY}`",
        f"Its id is the SHA-256 of its canonical JSON. At most {MAX_RELEASE_BYTES:,} bytes.",
        table(("field", *MEANING), field_rows(Release)),
        f"### `{PHASE_KEY}`",
        f"A whole number from 0 to {LAST_PHASE}: phases 1 up to it apply. 0 or absent: none.",
        f"### `{ROLLOUT_KEY}`",
        table(("field", *MEANING), field_rows(RolloutState)),
        "An entry of `fleets`, and one of its slots:",
        table(("field", *MEANING), [*field_rows(FleetRollout), *field_rows(SlotState)]),
    ]
    return _page(parts)


PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands_page,
    "settings.md": settings_page,
    "exit-codes.md": exit_codes_page,
    "iam-policy.md": iam_policy_page,
    "measurement-schema.md": measurement_schema_page,
    "stack-configuration.md": stack_configuration_page,
}


def differing_pages(docs: Path) -> tuple[str, ...]:
    """Names of the pages whose file in ``docs/reference`` is missing or not as generated."""
    folder = docs / FOLDER
    return tuple(name for name, make in PAGES.items() if _read(folder / name) != make())


def write_pages(docs: Path) -> None:
    """Write every page into ``docs/reference``."""
    folder = docs / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        (folder / name).write_text(make(), encoding="utf-8")


@click.command(epilog="Example: python -m rightsizing.cli.reference docs --check")
@click.argument("docs", type=click.Path(path_type=Path, file_okay=False))
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when a page differs.")
def main(docs: Path, check: bool) -> None:
    """Write the reference pages into DOCS/reference."""
    if not check:
        write_pages(docs)
        return
    differing = differing_pages(docs)
    if differing:
        names = ", ".join(str(docs / FOLDER / name) for name in differing)
        raise click.ClickException(f"out of date: {names}; run `make docs`")


def _command_parts(path: str, command: click.Command) -> Iterator[str]:
    """Markdown of a command and of the commands inside it."""
    group = isinstance(command, click.Group)
    arguments = [item for item in command.params if isinstance(item, click.Argument)]
    usage = " ".join([path, *(_usage(item) for item in arguments), *(["COMMAND"] if group else [])])
    yield f"### {path}"
    yield f"`{usage}`" if not command.params else f"`{usage} [OPTIONS]`"
    yield _wrapped(command.help)
    options = [item for item in command.params if isinstance(item, click.Option)]
    if options:
        yield _options(options)
    if command.epilog:
        example = command.epilog.removeprefix("Example: ")
        yield f"```sh\n{example}\n```"
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _command_parts(f"{path} {name}", command.commands[name])


def _global_options() -> str:
    options = [item for item in rightsize.params if isinstance(item, click.Option)]
    return (
        "These options go before or after the command's name. Every command also has `--help`.\n\n"
        + _options(options)
    )


def _options(options: Sequence[click.Option]) -> str:
    return table(("option", "default", "meaning"), [_option(item) for item in options])


def _option(option: click.Option) -> tuple[str, str, str]:
    value = "" if option.is_flag else f" {_value(option)}"
    names = ", ".join(f"`{name}`" for name in option.opts[:-1])
    spelled = f"{names}{', ' if names else ''}`{option.opts[-1]}{value}`"
    text = option.help or ""
    found = _DEFAULT_IN_HELP.search(text)
    default = ""
    if found is not None:
        default = found.group("default")
    elif option.required:
        default = "required"
    elif option.show_default and option.default is not None:
        default = f"`{option.default}`"
    return spelled, default, _DEFAULT_IN_HELP.sub("", text)


def _value(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return "|".join(str(choice) for choice in option.type.choices)
    return option.metavar or option.type.name.upper()


def _usage(argument: click.Argument) -> str:
    if isinstance(argument.type, click.Choice):
        name = "|".join(str(choice) for choice in argument.type.choices)
    else:
        name = (argument.name or "").upper()
    return name if argument.required else f"[{name}]"


def _error_classes() -> Iterator[type[errors.RightsizingError]]:
    """The error tree, in the order of its source."""
    for found in vars(errors).values():
        if isinstance(found, type) and issubclass(found, errors.RightsizingError):
            yield found


def _first_line(text: str | None) -> str:
    return (text or "").strip().splitlines()[0].split(". ")[0].rstrip(".")


def _wrapped(text: str | None) -> str:
    return "\n".join(line.strip() for line in (text or "").strip().splitlines())


def _head(title: str, source: str) -> str:
    return f"# {title}\n\n{_WRITTEN.format(source=source)}"


def _page(parts: Sequence[str]) -> str:
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


if __name__ == "__main__":
    main()
