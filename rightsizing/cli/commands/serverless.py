"""``rightsize serverless``: Lambda, Fargate or the shared instance, by measured invocations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from rightsizing.catalog.catalog import Catalog
from rightsizing.catalog.lambdarates import lambda_rates
from rightsizing.cli.serverlessinput import read_components
from rightsizing.cli.session import Session
from rightsizing.cli.writing import images_by_name, require_stack, write_jobs
from rightsizing.decide.serverless.breakeven import BurstBreakEven, burst_break_even
from rightsizing.decide.serverless.choice import (
    FARGATE_START_SECONDS,
    ComponentChoice,
    Offer,
    RunWay,
    choose_way,
)
from rightsizing.decide.serverless.coldstart import IDLE_SECONDS
from rightsizing.decide.serverless.component import Trigger
from rightsizing.errors import ConfigError
from rightsizing.model.base import NoData
from rightsizing.model.serverless import (
    FunctionConfig,
    QueueTrigger,
    ScheduleTrigger,
    ServerlessConfig,
)
from rightsizing.model.workload import Architecture
from rightsizing.report import terminal
from rightsizing.report.jsonview import plain
from rightsizing.report.serverlesspage import serverless_json, serverless_page

_BURST_PAIRS = (("t3.large", "m5.large"), ("t3.xlarge", "m5.xlarge"), ("t3.2xlarge", "m5.2xlarge"))
_TIMEOUT_MARGIN = 2  # times the longest run that was seen


@click.command(epilog="Example: rightsize serverless invocations.csv --shared m7g.large")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--region", default="us-east-1", show_default=True, help="AWS region.")
@click.option(
    "--shared",
    default="m6i.large",
    show_default=True,
    help="Instance type that would run them beside other things.",
)
@click.option(
    "--arch",
    "architectures",
    multiple=True,
    type=click.Choice([item.value for item in Architecture]),
    default=(Architecture.X86_64.value,),
    show_default=True,
    help="For which there are images; may be repeated.",
)
@click.option(
    "--days", type=float, help="Days the rows cover.  [default: a log's span, else a month]"
)
@click.option(
    "--idle-seconds",
    type=float,
    default=IDLE_SECONDS,
    show_default=True,
    help="Idle time after which an environment is taken to be gone.",
)
@click.option("--free-tier", is_flag=True, help="Subtract the account's free tier from each.")
@click.option("--write", is_flag=True, help="Write the functions into the stack file.")
@click.option(
    "--image", "images", multiple=True, metavar="NAME=URI", help="Image of a new function, in ECR."
)
@click.pass_obj
def serverless(
    session: Session,
    path: Path,
    region: str,
    shared: str,
    architectures: tuple[str, ...],
    days: float | None,
    idle_seconds: float,
    free_tier: bool,
    write: bool,
    images: tuple[str, ...],
) -> None:
    """Price each component as Lambda, Fargate or on a shared instance, with break-even.

    PATH is CSV or Parquet: a log (component, timestamp, duration_ms, memory_mib) or a summary
    (component, invocations, duration_ms, memory_mib). A component measured at two memory sizes gets
    its memory tuned. Nothing is changed without --write, which keeps declared triggers and images.
    """
    if images and not write:
        raise ConfigError("--image is for --write")
    if not 0 < idle_seconds < math.inf:
        raise ConfigError(f"--idle-seconds {idle_seconds:g} must be above 0")
    require_stack(session, write)
    catalog = session.catalog
    known = tuple(Architecture(item) for item in architectures)
    offer = Offer(
        lambda_x86=lambda_rates(region, Architecture.X86_64),
        lambda_arm=lambda_rates(region, Architecture.ARM64),
        fargate=catalog.fargate_rates(region, known[0]),
        shared=catalog.shape(shared),
        shared_price=catalog.price(shared, region),
        free_tier=free_tier,
        architectures=known,
    )
    components = read_components(path, days, idle_seconds)
    choices = [choose_way(component, offer) for component in components]
    decided = functions(choices)
    bursts = tuple(_bursts(catalog, region))
    notes = (
        f"An environment idle for {idle_seconds:g} s is taken to be gone; AWS documents no figure.",
        f"A Fargate task is taken to be billed {FARGATE_START_SECONDS} s before its work starts.",
        "On arm the durations of x86 are assumed; measure before moving.",
        "Requests to gateways, queues, logs and traffic are not in these figures.",
    )
    if write:
        write_jobs(session, decided, images_by_name(images))
    session.show(
        terminal.renderable(serverless_page(choices, bursts, notes)),
        serverless_json(choices, bursts, plain(decided), notes),
    )


def functions(choices: Sequence[ComponentChoice]) -> ServerlessConfig:
    """Configuration of the components for which Lambda is cheapest.

    A schedule is written as hourly, which its owner changes to what it is.
    """
    found = {}
    for choice in choices:
        chosen, component = choice.chosen, choice.component
        if isinstance(chosen, NoData) or chosen.way not in (RunWay.LAMBDA_X86, RunWay.LAMBDA_ARM):
            continue
        arm = chosen.way is RunWay.LAMBDA_ARM
        scheduled = component.trigger is Trigger.SCHEDULE
        seconds = math.ceil(component.longest_ms / 1000 * _TIMEOUT_MARGIN)
        found[component.name] = FunctionConfig(
            memory_mib=min(max(chosen.memory_mib, 128), 10_240),
            architecture=Architecture.ARM64 if arm else Architecture.X86_64,
            timeout_seconds=min(max(seconds, 3), 900),
            ephemeral_mib=max(component.ephemeral_mib, 512),
            trigger=ScheduleTrigger(expression="rate(1 hour)") if scheduled else QueueTrigger(),
        )
    return ServerlessConfig(functions=found)


def _bursts(catalog: Catalog, region: str) -> Iterator[BurstBreakEven]:
    for one, two in _BURST_PAIRS:
        burstable, fixed = catalog.price(one, region), catalog.price(two, region)
        if isinstance(burstable, NoData) or isinstance(fixed, NoData):
            continue
        found = burst_break_even(
            catalog.shape(one), burstable.usd_per_hour, catalog.shape(two), fixed.usd_per_hour
        )
        if isinstance(found, BurstBreakEven):
            yield found
