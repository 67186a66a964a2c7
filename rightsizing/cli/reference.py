"""Writes ``docs/reference/``, or says which of its pages differ from the code.

    python -m rightsizing.cli.reference docs            write docs/reference/*.md
    python -m rightsizing.cli.reference docs --check    exit with 1 and name the pages that differ

A page that differs means that the code has changed; ``make docs`` brings it up to date.
"""

from __future__ import annotations

from pathlib import Path

import click

from rightsizing.cli.referencepages import PAGES

FOLDER = "reference"


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
        names = ", ".join((docs / FOLDER / name).as_posix() for name in differing)
        raise click.ClickException(f"not as the code says: {names}; run `make docs`")


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


if __name__ == "__main__":
    main()
