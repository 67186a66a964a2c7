"""``rightsize pack``: tenants onto shared instances, and their cost shared."""

from __future__ import annotations

import csv
import math
from decimal import Decimal
from pathlib import Path

import click

from rightsizing.cli.progress import progress_bar
from rightsizing.cli.session import Session
from rightsizing.cli.tenancyinput import read_tenants
from rightsizing.cli.writing import refuse_overwriting, require_stack, write_tenancy
from rightsizing.decide.tenancy.allocation import (
    Allocation,
    AllocationMethod,
    allocate,
    share_ratios,
)
from rightsizing.decide.tenancy.bound import fractional_bound
from rightsizing.decide.tenancy.costgame import Shares
from rightsizing.decide.tenancy.failover import FailoverRule
from rightsizing.decide.tenancy.focus import FOCUS_VERSION, check_charges, split_charges
from rightsizing.decide.tenancy.nodetype import Headroom, NodeType, node_types
from rightsizing.decide.tenancy.packing import Packing, pack
from rightsizing.decide.tenancy.tenants import Tenants
from rightsizing.errors import ConfigError
from rightsizing.measure.progress import Progress
from rightsizing.measure.tablefile import read_table
from rightsizing.model.base import NoData
from rightsizing.model.shape import InstanceShape
from rightsizing.model.size import ContainerSize
from rightsizing.model.tenancy import TenancyConfig, TenantInstance
from rightsizing.model.workload import Architecture
from rightsizing.report import terminal
from rightsizing.report.tenancypage import tenancy_json, tenancy_page
from rightsizing.units import MILLICORES_PER_CORE, usd_per_month

_PROFILE_NOTE = "CPU is packed jointly in time, memory at each tenant's peak."


@click.command(
    "pack", epilog="Example: rightsize pack tenants.csv --failover n+1 --allocate shapley"
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--region", default="us-east-1", show_default=True, help="Region of the instances.")
@click.option(
    "--types",
    "patterns",
    multiple=True,
    help="Instance type or pattern, such as m7g.*; may be repeated.  [default: current ones]",
)
@click.option(
    "--arch",
    "architectures",
    multiple=True,
    type=click.Choice([item.value for item in Architecture]),
    default=(Architecture.X86_64.value,),
    show_default=True,
    help="For which the tenants have images; may be repeated.",
)
@click.option("--measured-on", help="Instance type whose cores the loads are; else all are equal.")
@click.option(
    "--failover",
    type=click.Choice([item.value for item in FailoverRule]),
    default=FailoverRule.NONE.value,
    show_default=True,
    help="n+1: any one instance may be lost.",
)
@click.option(
    "--cpu-headroom", type=float, default=10.0, show_default=True, help="CPU kept free, %."
)
@click.option(
    "--memory-headroom", type=float, default=10.0, show_default=True, help="Memory kept free, %."
)
@click.option(
    "--reserve",
    "reserved_mib",
    type=int,
    default=512,
    show_default=True,
    help="Memory of the system and agent on each instance, MiB.",
)
@click.option(
    "--most", type=int, default=120, show_default=True, help="Most tenants on an instance."
)
@click.option(
    "--allocate",
    "method",
    type=click.Choice([item.value for item in AllocationMethod]),
    help="Share the cost between tenants.",
)
@click.option(
    "--bill",
    type=click.Path(path_type=Path),
    help="FOCUS charges (1.0 to 1.3) to share instead of the packing's price.",
)
@click.option(
    "--focus-out", type=click.Path(path_type=Path), help="Write the shares as FOCUS 1.3 rows."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the search.")
@click.option("--write", is_flag=True, help="Write the packing into the stack file.")
@click.option("--name", default="tenants", show_default=True, help="Of the group in the file.")
@click.option("--image", help="Image of the tenants, where the group is not declared yet.")
@click.pass_obj
def pack_tenants(
    session: Session,
    path: Path,
    region: str,
    patterns: tuple[str, ...],
    architectures: tuple[str, ...],
    measured_on: str | None,
    failover: str,
    cpu_headroom: float,
    memory_headroom: float,
    reserved_mib: int,
    most: int,
    method: str | None,
    bill: Path | None,
    focus_out: Path | None,
    seed: int,
    write: bool,
    name: str,
    image: str | None,
) -> None:
    """Pack tenants onto the cheapest mix of instances, and share the cost.

    PATH is CSV or Parquet: tenant, cpu_cores, memory_mib, and optionally hour (0-23 or 0-167),
    group (tenants of a group share no instance) and isolated (yes: an instance of its own); or a
    measured trace. Prints what is lost against a bound no packing can beat. Nothing is changed
    without --write, which keeps the image and all else that is declared.
    """
    if image is not None and not write:
        raise ConfigError("--image is for --write")
    if (bill is not None or focus_out is not None) and method is None:
        raise ConfigError("--bill and --focus-out share a cost; say how with --allocate")
    if focus_out is not None and bill is None:
        raise ConfigError("--focus-out needs the charges it splits; give them with --bill")
    if seed < 0:
        raise ConfigError(f"--seed {seed} must be at least 0")
    headroom = Headroom(cpu_headroom / 100, memory_headroom / 100, reserved_mib, most)
    require_stack(session, write)
    refuse_overwriting("--focus-out", focus_out, path, bill)
    tenants = read_tenants(path)
    types = node_types(
        session.catalog,
        region,
        patterns=patterns,
        architectures=tuple(Architecture(item) for item in architectures),
        headroom=headroom,
        cores_of=_Cores(session, measured_on),
    )
    with progress_bar(session) as listener:
        packing = pack(
            tenants,
            types,
            failover=FailoverRule(failover),
            seed=seed,
            tick=lambda done, total: listener(Progress("packing", done, total)),
        )
    kept = (
        f"{len(types)} types of {region} at list price; {cpu_headroom:g} % of CPU, "
        f"{memory_headroom:g} % of memory and {reserved_mib} MiB kept free on each."
    )
    timed = (
        _PROFILE_NOTE if tenants.slots > 1 else "Loads are constant: give hours to pack in time."
    )
    notes = [kept, timed]
    if measured_on is None:
        notes.append("A core of every type counts the same; say --measured-on to compare speeds.")
    allocation: Allocation | NoData = NoData("not asked for; see --allocate")
    if method is not None:
        allocation = _shared(
            tenants, types, packing, AllocationMethod(method), (bill, focus_out), notes, seed
        )
    config = tenancy_config(packing, tenants)
    if write:
        write_tenancy(session, name, config, image)
    session.show(
        terminal.renderable(tenancy_page(packing, tuple(notes), allocation)),
        tenancy_json(packing, config, tuple(notes), allocation),
    )


class _Cores:
    """Cores of one instance in those of the type that was measured on."""

    def __init__(self, session: Session, measured_on: str | None) -> None:
        self._performance = session.catalog.performance
        self._family = None if measured_on is None else session.catalog.shape(measured_on).family

    def __call__(self, shape: InstanceShape) -> float:
        if self._family is None:
            return float(shape.vcpus)
        return shape.vcpus * self._performance.ratio(self._family, shape.family)


def tenancy_config(packing: Packing, tenants: Tenants) -> TenancyConfig:
    """The packing as stack configuration: each tenant with limits at its own peaks."""
    rows = {name: row for row, name in enumerate(tenants.names)}
    width = max(len(str(len(packing.instances))), 2)

    def limits(name: str) -> ContainerSize:
        row = rows[name]
        return ContainerSize(
            cpu_millicores=max(math.ceil(tenants.peak_cores[row] * MILLICORES_PER_CORE), 10),
            memory_mib=max(math.ceil(tenants.memory_mib[row]), 6),
        )

    return TenancyConfig(
        failover="n+1" if packing.failover is FailoverRule.N_PLUS_ONE else "none",
        instances={
            f"tenants-{number:0{width}d}": TenantInstance(
                instance_type=item.instance_type,
                tenants={name: limits(name) for name in item.tenants},
            )
            for number, item in enumerate(packing.instances, start=1)
        },
    )


def _shared(
    tenants: Tenants,
    types: tuple[NodeType, ...],
    packing: Packing,
    method: AllocationMethod,
    files: tuple[Path | None, Path | None],
    notes: list[str],
    seed: int,
) -> Allocation:
    values = fractional_bound(tenants.demand(), types).values
    shares = share_ratios(method, tenants, types, values, seed)
    bill, focus_out = files
    if bill is None:
        return allocate(_month(packing), tenants, method, shares)
    total = _split_bill(bill, focus_out, tenants, method, shares, notes)
    return allocate(total, tenants, method, shares)


def _month(packing: Packing) -> Decimal:
    return usd_per_month(packing.usd_per_hour)


def _split_bill(
    bill: Path,
    focus_out: Path | None,
    tenants: Tenants,
    method: AllocationMethod,
    shares: Shares,
    notes: list[str],
) -> Decimal:
    table = read_table(bill)
    charges = check_charges(table.name, table.columns, table.dicts())
    total = charges.total()
    notes.append(
        f"{len(charges.rows):,} charges of {table.name}: effective cost {total:f} "
        f"{charges.currency} shared."
    )
    if focus_out is not None:
        parts = split_charges(charges, tenants.names, method, shares)
        with focus_out.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, parts.columns)
            writer.writeheader()
            writer.writerows(parts.rows)
        notes.append(
            f"{focus_out.name}: {len(parts.rows):,} allocated charges, FOCUS {FOCUS_VERSION} "
            f"columns, effective cost {parts.total():f} {charges.currency}."
        )
    return total
