"""Entry point: builds the command tree, turns errors into one sentence and an exit code.

Exit codes (also in ``docs/reference/exit-codes.md``): 0 done; 1 error; 2 arguments or
configuration; 3 refused by the evidence; 4 stack operation; 5 live facts differ; 6 partly
restored; 7 not restored; 8 done, but some resources could not be read; 130 interrupted.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Sequence
from decimal import InvalidOperation

import click
from click.core import ParameterSource

import rightsizing
from rightsizing.cli.session import Session
from rightsizing.errors import RightsizingError

INTERRUPTED_EXIT_CODE = 130  # 128 + SIGINT, as shells report it
_ENGINE_INTERRUPTED = "Query interrupted"  # what DuckDB makes of Ctrl-C within a query
INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h
_LONGEST_SENTENCE = 2_000  # characters; a longer one repeats a value of somebody's file


class CommandTree(click.Group):
    """Commands by group, imported on first use so that ``--help`` and previews start fast."""

    sections: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("Measure", ("discover", "measure", "record", "store")),
        (
            "Decide",
            (
                "recommend",
                "explain",
                "backtest",
                "autoscale",
                "commit",
                "pack",
                "serverless",
                "cache",
                "money",
                "audit",
                "plan",
                "check",
            ),
        ),
        (
            "Apply",
            (
                "preview",
                "apply",
                "rollout",
                "retire",
                "rollback",
                "canary",
                "load",
                "staging",
                "history",
                "status",
                "destroy",
            ),
        ),
        ("Watch", ("watch", "monitor", "exporter")),
        ("Around it", ("report", "quarantine", "local", "catalog", "iam-policy")),
    )

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All command names, in the order of a normal piece of work."""
        del ctx
        return [name for _, names in self.sections for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module that holds a command."""
        del ctx
        from rightsizing.cli.commands import COMMANDS

        loader = COMMANDS.get(cmd_name)
        return loader() if loader is not None else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Commands under their section headings."""
        for title, names in self.sections:
            rows = []
            for name in names:
                command = self.get_command(ctx, name)
                if command is not None:
                    rows.append((name, command.get_short_help_str(limit=76)))
            with formatter.section(title):
                formatter.write_dl(rows)


@click.group(
    cls=CommandTree,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: rightsize measure && rightsize recommend && rightsize plan && pulumi preview",
)
@click.option("--project", type=click.Path(), help="Folder with Pulumi.yaml.  [default: nearest]")
@click.option("--stack", "-s", default="dev", show_default=True, help="Stack to work on.")
@click.option(
    "--driver",
    type=click.Choice(["cli", "embedded"]),
    help="Engine to use.  [default: the stack's own, else the Pulumi CLI, else embedded]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.version_option(rightsizing.__version__, prog_name="rightsize")
@click.pass_context
def rightsize(
    ctx: click.Context,
    project: str | None,
    stack: str,
    driver: str | None,
    as_json: bool,
    debug: bool,
) -> None:
    """From measured utilisation to an applied, reversible resize.

    Reads what workloads use, decides their size with stated risk and money, writes the decision
    into Pulumi stack configuration, applies it and restores it.
    """
    ctx.obj = Session(
        project_option=project,
        stack_name=stack,
        driver_option=driver,
        as_json=as_json,
        debug=debug,
        stack_given=ctx.get_parameter_source("stack") is ParameterSource.COMMANDLINE,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run the command line; returns the exit code. Errors are printed to standard error."""
    as_json, debug = "--json" in arguments, "--debug" in arguments
    try:
        result = rightsize.main(args=_globals_first(arguments), standalone_mode=False)
    except BrokenPipeError:
        # The reader (head, less) went away; the interpreter must not complain at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - nothing may end in a traceback
        if isinstance(error, click.UsageError) and not as_json:
            error.show()
            return error.exit_code
        if debug and not isinstance(error, click.ClickException):
            traceback.print_exc()
        return _fail(*_sentence(error), as_json=as_json)
    return result if isinstance(result, int) else 0


def _sentence(error: BaseException) -> tuple[str, int]:
    """What to tell the user, and the exit code."""
    match error:
        case RuntimeError() if str(error) == _ENGINE_INTERRUPTED:
            return _sentence(KeyboardInterrupt())
        case KeyboardInterrupt() | click.exceptions.Abort():
            return "interrupted; what was finished is kept", INTERRUPTED_EXIT_CODE
        case click.ClickException() | RightsizingError():
            said = error.format_message() if isinstance(error, click.ClickException) else str(error)
            return said, error.exit_code
        case OSError():
            # A full disk or a folder without permission, where no adapter could say more.
            where = f"{error.filename}: " if error.filename else ""
            said = error.strerror or str(error)
            return f"{where}{said}; {_advice(error)}, then run it again", 1
        case OverflowError() | InvalidOperation():
            return "a number is too large to compute with; check the amounts that were given", 1
        case _:
            name = type(error).__name__
            return f"internal error ({name}: {error}); run again with --debug", INTERNAL_ERROR


def _advice(error: OSError) -> str:
    """What to do about a file that cannot be read or written."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "make the folder or correct the path"
    if isinstance(error, IsADirectoryError):
        return "name a file in it"
    return "make room or change the permissions"


def _printable(sentence: str) -> str:
    """Without characters that steer a terminal, and not longer than a page."""
    plain = "".join(
        one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode()
        for one in sentence
    )
    if len(plain) <= _LONGEST_SENTENCE:
        return plain
    half = _LONGEST_SENTENCE // 2
    return f"{plain[:half]} ... {plain[-half:]}"


# Global options that people also type after the command's name.
_GLOBAL_FLAGS = frozenset({"--json", "--debug"})
_GLOBAL_VALUES = frozenset({"--stack", "-s", "--project", "--driver"})


def _globals_first(arguments: list[str]) -> list[str]:
    """Move global options to the front, so that ``rightsize preview -s prod --json`` works."""
    front: list[str] = []
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        name = argument.split("=", 1)[0]
        if argument == "--":
            rest += [argument, *waiting]
            break
        if argument in _GLOBAL_FLAGS or (name in _GLOBAL_VALUES and "=" in argument):
            front.append(argument)
        elif argument in _GLOBAL_VALUES:
            front += [argument, *waiting[:1]]
            del waiting[:1]
        else:
            rest.append(argument)
    return [*front, *rest]


def _fail(sentence: str, exit_code: int, *, as_json: bool) -> int:
    sentence = _printable(sentence)
    if as_json:
        click.echo(json.dumps({"error": {"message": sentence, "exit_code": exit_code}}))
    click.echo(f"error: {sentence}", err=True)
    return exit_code


if __name__ == "__main__":
    main()
