"""``rightsize catalog``: instance types and list prices, and where they come from."""

from __future__ import annotations

from decimal import Decimal

import click

from rightsizing.catalog.catalogfile import BUNDLED_CATALOG, read_catalog_file
from rightsizing.cli.live import now
from rightsizing.cli.progress import progress_bar
from rightsizing.cli.session import PARTIAL_DATA_EXIT_CODE, Session
from rightsizing.measure.awsclients import AwsClients
from rightsizing.measure.pricelist import refresh_catalog
from rightsizing.model.base import NoData
from rightsizing.report import jsonview
from rightsizing.units import HOURS_PER_MONTH, format_usd


@click.group(epilog="Example: rightsize catalog show m7g.large")
def catalog() -> None:
    """Instance types and list prices, each with source and date."""


@catalog.command(epilog="Example: rightsize catalog show r6g.large --region eu-west-1")
@click.argument("instance_type", required=False)
@click.option("--region", default="us-east-1", show_default=True, help="AWS region.")
@click.pass_obj
def show(session: Session, instance_type: str | None, region: str) -> None:
    """Show where the catalog comes from, or one instance type with its price."""
    found = session.catalog
    if instance_type is None:
        session.show(found.description, {"description": found.description})
        return
    shape, price = found.shape(instance_type), found.price(instance_type, region)
    if isinstance(price, NoData):
        money = f"price unknown: {price.reason}"
    else:
        monthly = format_usd(price.usd_per_hour * Decimal(HOURS_PER_MONTH))
        money = (
            f"${price.usd_per_hour.normalize():f} an hour, {monthly} a month of "
            f"{HOURS_PER_MONTH} h ({region} Linux on-demand list, {price.source}, {price.as_of})"
        )
    session.show(
        f"{instance_type}: {shape.vcpus} vCPU on {shape.physical_cores} cores, "
        f"{shape.memory_gib:g} GiB, {shape.architecture.value}\n{money}",
        {"shape": jsonview.plain(shape), "price": jsonview.plain(price)},
    )


@catalog.command(epilog="Example: rightsize catalog refresh --region us-east-1 --region eu-west-1")
@click.option(
    "--region", "regions", multiple=True, help="Region; may be repeated.  [default: the stack's]"
)
@click.pass_obj
def refresh(session: Session, regions: tuple[str, ...]) -> int:
    """Read specifications and list prices from AWS into this project's catalog.

    Needs AWS credentials; the local stand-in has no Price List. Other regions are kept.
    """
    wanted = regions or (session.declaration.region,)
    path = session.state_dir / "catalog.json"
    base = read_catalog_file(path if path.exists() else BUNDLED_CATALOG)
    with progress_bar(session) as listener:
        done = refresh_catalog(AwsClients, wanted, path, listener, base=base, today=now().date())
    session.show(
        f"{done.path}: {done.types} types and {done.prices} prices of {', '.join(done.regions)}",
        {
            "path": str(done.path),
            "regions": list(done.regions),
            "types": done.types,
            "prices": done.prices,
            "skipped": done.skipped,
            "failures": list(done.failures),
        },
    )
    for failure in done.failures:
        session.remark(failure)
    return 0 if done.complete else PARTIAL_DATA_EXIT_CODE
