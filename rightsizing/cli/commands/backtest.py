"""``rightsize backtest``: our sizing and its peers', replayed over your own history."""

from __future__ import annotations

from pathlib import Path

import click

from rightsizing.backtest.contestants import contestants
from rightsizing.backtest.ec2types import TypeTable
from rightsizing.backtest.schedule import Schedule
from rightsizing.backtest.trial import Mode
from rightsizing.cli.backtesting import run_study, tracks_of_path, tracks_of_store, unscored_notes
from rightsizing.cli.progress import progress_bar
from rightsizing.cli.session import Session
from rightsizing.errors import ConfigError, TelemetryError
from rightsizing.measure.store import Store
from rightsizing.report import terminal
from rightsizing.report.backtestjson import backtest as backtest_json
from rightsizing.report.backtestpage import backtest_page
from rightsizing.report.backtestplots import backtest_html


@click.command(epilog="Example: rightsize backtest trace.parquet --rules 'krr-*' --html page.html")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option(
    "--store",
    "store_folder",
    type=click.Path(path_type=Path),
    help="Folder of a measurement store.  [default: the stack's]",
)
@click.option(
    "--rules",
    "patterns",
    multiple=True,
    help="A peer's name or pattern, such as krr-*; may be repeated.  [default: all]",
)
@click.option(
    "--risk",
    "risks",
    multiple=True,
    help="Our risk, a preset or a percentage of time; may be repeated.  [default: a frontier]",
)
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    default=Mode.LIMITS.value,
    show_default=True,
    help="Continuous limits, or the cheapest EC2 type that holds them.",
)
@click.option("--region", default="us-east-1", show_default=True, help="Region of EC2 types.")
@click.option("--weeks", type=int, help="Score only the last weeks.  [default: all]")
@click.option(
    "--history-days",
    type=int,
    help="Days before the first scored week, at least 7.  [default: 14, or 7 on a short trace]",
)
@click.option(
    "--workloads",
    "most",
    type=int,
    default=1000,
    show_default=True,
    help="At most so many workloads take part.",
)
@click.option(
    "--html", "page_file", type=click.Path(path_type=Path), help="Write a page with plots."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the resampling.")
@click.pass_obj
def backtest(
    session: Session,
    path: Path | None,
    store_folder: Path | None,
    patterns: tuple[str, ...],
    risks: tuple[str, ...],
    mode: str,
    region: str,
    weeks: int | None,
    history_days: int | None,
    most: int,
    page_file: Path | None,
    seed: int,
) -> None:
    """Replay history through our rule and its peers', and compare what they would have cost.

    PATH is a trace file (CSV or Parquet) or a folder of them; without it the stack's store is
    replayed. Every rule sees only the past, its size is held until it changes it itself, and the
    next days are scored. Nothing is changed.
    """
    if path is not None and store_folder is not None:
        raise ConfigError("PATH and --store both say what to replay; give one of them")
    for option, value, least in (("--workloads", most, 1), ("--seed", seed, 0)):
        if value < least:
            raise ConfigError(f"{option} {value} must be at least {least}")
    types = TypeTable.of(session.catalog, region) if mode == Mode.EC2.value else None
    rules = contestants(patterns, risks, types=types)
    with progress_bar(session) as listener:
        if path is not None:
            tracks = tracks_of_path(path, most, listener)
        else:
            store = session.store if store_folder is None else Store(store_folder)
            tracks = tracks_of_store(store, most, listener)
        if not tracks.series:
            raise TelemetryError("nothing to replay: no workload has CPU measurements")
        schedule = Schedule.of(tracks.series, history_days=history_days, weeks=weeks)
        study = run_study(tracks, rules, schedule, types=types, seed=seed, listener=listener)
    notes = (*tracks.notes, *unscored_notes(tracks, schedule))
    if page_file is not None:
        page_file.write_text(backtest_html(study, notes), encoding="utf-8")
        session.remark(f"wrote {page_file}")
    session.show(terminal.renderable(backtest_page(study, notes)), backtest_json(study, notes))
