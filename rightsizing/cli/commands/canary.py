"""``rightsize canary``: what a canary was judged by, and what the judge is worth on a service."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from rightsizing.cli.canarybacktesting import (
    keep_calibration,
    policy_for,
    read_past,
    try_judge,
)
from rightsizing.cli.finite import FiniteRange
from rightsizing.cli.progress import progress_bar
from rightsizing.cli.session import Session
from rightsizing.errors import PlanRejected
from rightsizing.measure.minutemetrics import MOST_DAYS
from rightsizing.measure.progress import Progress
from rightsizing.model.verdict import CEILING_METRICS, JudgePolicy, Metric
from rightsizing.report import jsonview, terminal
from rightsizing.report.canarybacktestpage import canary_backtest_page
from rightsizing.report.canaryjson import canary_run
from rightsizing.report.canarypage import canary_page
from rightsizing.report.document import Document
from rightsizing.report.htmlpage import html_page
from rightsizing.report.markdown import markdown
from rightsizing.rollout.judge.past import arms_of
from rightsizing.rollout.recomputation import newest_rollout, recompute_run
from rightsizing.rollout.stages import DEFAULT_SHARES
from rightsizing.stack.durable import replace_file

NOT_AS_RECORDED = 1  # exit code
REFUSED = PlanRejected.exit_code
POLICY = JudgePolicy()


@click.group(epilog="Example: rightsize canary explain 0001-4f2a9c1be077-p1")
def canary() -> None:
    """Explain a canary's verdicts, or back-test the judge on a service's own past."""


@canary.command(epilog="Example: rightsize canary explain 0001-4f2a9c1be077-p1 --html canary.html")
@click.argument("run", required=False)
@click.option(
    "--looks",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="How many of the newest looks of a stage to show; files always hold all.",
)
@click.option("--html", "html_file", type=click.Path(path_type=Path), help="Write a page.")
@click.option(
    "--markdown", "markdown_file", type=click.Path(path_type=Path), help="Write Markdown."
)
@click.pass_obj
def explain(
    session: Session,
    run: str | None,
    looks: int,
    html_file: Path | None,
    markdown_file: Path | None,
) -> int:
    """Compute every verdict of a rollout again from its journal, and show what decided.

    RUN is a rollout's id; without it the newest one. Exits with 1 when a verdict is not as it was
    recorded. Nothing is changed, nothing but the journal is read.
    """
    record_dir = session.stack.record_dir
    name = run or newest_rollout(record_dir)
    with progress_bar(session) as listener:
        found = recompute_run(
            record_dir,
            name,
            lambda done, total: listener(Progress("computing verdicts again", done, total)),
        )
    _write_pages(session, canary_page(found), html_file, markdown_file)
    session.show(terminal.renderable(canary_page(found, newest_looks=looks)), canary_run(found))
    return NOT_AS_RECORDED if found.differing else 0


@canary.command(epilog="Example: rightsize canary backtest minutes.csv --workload web")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--workload", help="Keep the calibration for this workload of the stack.")
@click.option(
    "--cloudwatch",
    "days",
    type=click.IntRange(1, MOST_DAYS),
    metavar="DAYS",
    help="Read so many days of minutes from CloudWatch instead of the store.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    type=click.Choice([metric.value for metric in Metric if metric not in CEILING_METRICS]),
    help="Judge by this; may be repeated.  [default: errors, with slow or latency_p99]",
)
@click.option(
    "--latency-bound-ms",
    type=FiniteRange(0, min_open=True),
    help="With --cloudwatch: a request that takes longer is slow.",
)
@click.option(
    "--alpha",
    type=FiniteRange(0, 0.5, min_open=True, max_open=True),
    default=POLICY.alpha_harm,
    show_default=True,
    help="False roll-backs of a whole rollout, at most.",
)
@click.option(
    "--margin",
    type=FiniteRange(1, 100, min_open=True),
    default=POLICY.margin,
    show_default=True,
    help="A canary this much worse is not let in.",
)
@click.option(
    "--horizon",
    type=click.IntRange(10, 1440),
    default=POLICY.horizon_looks,
    show_default=True,
    help="Looks until an undecided stage holds.",
)
@click.option(
    "--stages",
    type=click.IntRange(1, 20),
    default=len(DEFAULT_SHARES) - 1,
    show_default=True,
    help="Judged stages of a rollout that share alpha; the minutes ahead are of one.",
)
@click.option("--html", "html_file", type=click.Path(path_type=Path), help="Write a page.")
@click.option(
    "--markdown", "markdown_file", type=click.Path(path_type=Path), help="Write Markdown."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the replay.")
@click.pass_obj
def backtest(
    session: Session,
    path: Path | None,
    workload: str | None,
    days: int | None,
    metrics: tuple[str, ...],
    latency_bound_ms: float | None,
    alpha: float,
    margin: float,
    horizon: int,
    stages: int,
    html_file: Path | None,
    markdown_file: Path | None,
    seed: int,
) -> int:
    """Try the canary judge on a service's own past before it may act by itself.

    PATH is a CSV or Parquet file of minutes; without it the store's rows of --workload are read,
    or CloudWatch's. The past is dealt into two equal arms: as they are, every roll-back is a false
    alarm; with harm added to one, it tells power and minutes. With --workload the calibration is
    kept for `rightsize rollout`. Exits with 3 when automatic mode is refused.
    """
    with progress_bar(session) as listener:
        past = read_past(
            session,
            path,
            workload,
            cloudwatch_days=days,
            latency_bound_s=None if latency_bound_ms is None else latency_bound_ms / 1000,
            listener=listener,
        )
        arms = arms_of(past)
        policy = policy_for(arms, metrics, alpha=alpha, margin=margin, looks=horizon)
        name = workload or (path.name if path is not None else "")
        found = try_judge(
            past, arms, policy, workload=name, stages=stages, seed=seed, listener=listener
        )
    if workload is not None:
        found = replace(found, written=str(keep_calibration(session, found)))
    page = canary_backtest_page(found)
    _write_pages(session, page, html_file, markdown_file)
    session.show(terminal.renderable(page), jsonview.plain(found))
    return 0 if found.calibration.automatic else REFUSED


def _write_pages(
    session: Session, page: Document, html_file: Path | None, markdown_file: Path | None
) -> None:
    """The whole page as files, where they were asked for."""
    for path, text in ((html_file, html_page), (markdown_file, markdown)):
        if path is not None:
            replace_file(path, text(page).encode())
            session.remark(f"wrote {path}")
