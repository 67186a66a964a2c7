"""``rightsize autoscale``: a scaling policy chosen by replaying the workload's own load."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path

import click

from rightsizing.cli.progress import progress_bar
from rightsizing.cli.scaling import CORES, REQUESTS, ScalingQuestion, scaling_report
from rightsizing.cli.session import Session
from rightsizing.decide.autoscaling.policies import Platform
from rightsizing.errors import ConfigError
from rightsizing.report import terminal
from rightsizing.report.scalingpage import scaling_json, scaling_page

_MOST_USD_PER_HOUR = 100_000  # of one instance
METRICS = {"cpu": CORES, "requests": REQUESTS}


@click.command(epilog="Example: rightsize autoscale web requests.parquet --capacity 40")
@click.argument("workload", required=False)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option(
    "--bound",
    "bound_pct",
    type=float,
    default=0.1,
    show_default=True,
    help="Largest share of minutes with demand above capacity, %.",
)
@click.option(
    "--metric",
    type=click.Choice(list(METRICS)),
    help="What the load is made of.  [default: CPU where it was measured, else requests]",
)
@click.option(
    "--capacity",
    type=float,
    help="Load of one instance at full use: cores, or requests a second.  [default: its cores]",
)
@click.option(
    "--platform",
    type=click.Choice([platform.value for platform in Platform]),
    help="Whose scaling.  [default: the workload's; else ec2]",
)
@click.option(
    "--full",
    "full_pct",
    type=float,
    default=85.0,
    show_default=True,
    help="Use of an instance above which demand counts as above capacity, %.",
)
@click.option(
    "--launch-minutes",
    type=int,
    default=3,
    show_default=True,
    help="From the decision until a new instance serves.",
)
@click.option(
    "--least", type=int, default=1, show_default=True, help="Instances there must always be."
)
@click.option("--usd-per-hour", help="Price of one instance.  [default: the fleet's list price]")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the resampling.")
@click.pass_obj
def autoscale(
    session: Session,
    workload: str | None,
    path: Path | None,
    bound_pct: float,
    metric: str | None,
    capacity: float | None,
    platform: str | None,
    full_pct: float,
    launch_minutes: int,
    least: int,
    usd_per_hour: str | None,
    seed: int,
) -> None:
    """Choose minimum, maximum, target and schedule by replaying the workload's own load.

    WORKLOAD is a key of the stack's store, or one of the resources of PATH, a trace file (CSV or
    Parquet) with CPU or requests. A file alone will do when it holds one resource. The cheapest
    policy within the bound is printed beside a fixed number, the present policy and the frontier.
    Nothing is changed.
    """
    if workload is not None and path is None and Path(workload).is_file():
        path, workload = Path(workload), None
    _check("--bound", bound_pct, 0.0001, 50)
    _check("--full", full_pct, 1, 100)
    _check("--launch-minutes", launch_minutes, 0, 60)
    _check("--least", least, 0, 10_000)
    _check("--seed", seed, 0, 2**31)
    if capacity is not None:
        _check("--capacity", capacity, 1e-6, 1e12)
    question = ScalingQuestion(
        workload=workload,
        path=path,
        metric=None if metric is None else METRICS[metric],
        platform=None if platform is None else Platform(platform),
        capacity=capacity,
        bound=bound_pct / 100,
        full=full_pct / 100,
        launch_minutes=launch_minutes,
        least=least,
        usd_per_hour=_price(usd_per_hour),
        seed=seed,
    )
    with progress_bar(session) as listener:
        report = scaling_report(session, question, listener)
    session.show(terminal.renderable(scaling_page(report)), scaling_json(report))


def _check(option: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ConfigError(f"{option} {value:g} must be {least:g} to {most:g}")


def _price(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal(-1)
    if not price.is_finite() or not 0 < price <= _MOST_USD_PER_HOUR:
        raise ConfigError(
            f"--usd-per-hour {text[:40]!r} must be an amount above 0 and at most "
            f"{_MOST_USD_PER_HOUR:,}, such as 0.096"
        )
    return price
