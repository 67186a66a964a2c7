"""Click commands as Markdown: usage, help, a table of options and the example of each command."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence

import click

from rightsizing.cli.markdownpage import table

_DEFAULT_IN_HELP = re.compile(r"\s*\[default: (?P<default>[^\]]+)\]$")


def command_parts(path: str, command: click.Command) -> Iterator[str]:
    """Paragraphs of a command, then of the commands inside it; ``path`` is how it is typed."""
    inside = isinstance(command, click.Group)
    arguments = [_usage(item) for item in command.params if isinstance(item, click.Argument)]
    options = options_of(command)
    usage = " ".join(
        [
            path,
            *arguments,
            *(["[OPTIONS]"] if options else []),
            *(["COMMAND"] if inside else []),
        ]
    )
    yield f"### {path}"
    yield f"`{usage}`"
    yield inspect.cleandoc(command.help or "")
    if options:
        yield options_table(options)
    example = example_of(command)
    if example:
        yield f"```sh\n{example}\n```"
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from command_parts(f"{path} {name}", command.commands[name])


def options_of(command: click.Command) -> list[click.Option]:
    """The options of a command, without ``--help``."""
    return [item for item in command.params if isinstance(item, click.Option)]


def example_of(command: click.Command) -> str:
    """The example in a command's epilog; empty when it has none."""
    return (command.epilog or "").removeprefix("Example: ")


def options_table(options: Sequence[click.Option]) -> str:
    """One row an option: spelling with its value, default, meaning."""
    return table(("option", "default", "meaning"), [_row(item) for item in options])


def _row(option: click.Option) -> tuple[str, str, str]:
    value = "" if option.is_flag else f" {_value(option)}"
    *others, last = option.opts
    spelled = ", ".join([*(f"`{name}`" for name in others), f"`{last}{value}`"])
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


def _usage(argument: click.Argument) -> str:
    name = (argument.name or "").upper()
    if isinstance(argument.type, click.Choice):
        name = _value(argument)
    return name if argument.required else f"[{name}]"


def _value(parameter: click.Parameter) -> str:
    if isinstance(parameter.type, click.Choice):
        return "|".join(str(choice) for choice in parameter.type.choices)
    return parameter.metavar or parameter.type.name.upper()
