"""A packing as a document and as JSON: instances, the gap to the bound, failover, shares."""

from __future__ import annotations

from decimal import Decimal

from rightsizing.decide.tenancy.allocation import Allocation
from rightsizing.decide.tenancy.failover import FailoverRule
from rightsizing.decide.tenancy.packing import PackedInstance, Packing
from rightsizing.model.base import NoData
from rightsizing.model.tenancy import TenancyConfig
from rightsizing.model.update import Json
from rightsizing.report.document import (
    Block,
    Bullets,
    Column,
    Document,
    Heading,
    Paragraph,
    Table,
    Tone,
    clean,
    counted,
    money,
    row,
    share,
)
from rightsizing.report.jsonview import plain
from rightsizing.units import HOURS_PER_MONTH, usd_per_month

_MOST_ROWS = 30
_NAMES_SHOWN = 4


def tenancy_page(
    packing: Packing, notes: tuple[str, ...], allocation: Allocation | NoData
) -> Document:
    """The packing for people; long lists are cut, JSON has them whole."""
    tenants = sum(len(item.tenants) for item in packing.instances)
    blocks: list[Block] = [
        Heading(
            f"{counted(tenants, 'tenant')} on {counted(len(packing.instances), 'instance')}", 1
        ),
        Paragraph(_cost_sentence(packing)),
        Paragraph(_gap_sentence(packing), Tone.GOOD if packing.gap_ratio <= 0.025 else Tone.PLAIN),
        _instances(packing),
    ]
    if len(packing.instances) > _MOST_ROWS:
        blocks.append(Paragraph(f"{len(packing.instances) - _MOST_ROWS} more; see --json."))
    if packing.failover is FailoverRule.N_PLUS_ONE:
        blocks.append(
            Paragraph(
                f"Any one instance may be lost: the others take its tenants, each in every hour "
                f"within the same headroom ({counted(_spares(packing), 'instance')} held empty "
                f"for it)."
            )
        )
    else:
        blocks.append(Paragraph("Nothing is held for the loss of an instance; see --failover n+1."))
    if not isinstance(allocation, NoData):
        blocks += [Heading("Cost shared between tenants"), *_allocation(allocation)]
    if notes:
        blocks.append(Bullets(notes))
    return tuple(blocks)


def tenancy_json(
    packing: Packing,
    config: TenancyConfig,
    notes: tuple[str, ...],
    allocation: Allocation | NoData,
) -> Json:
    """Everything, with the stack configuration that applies it."""
    return {
        "instances": [_instance_json(item) for item in packing.instances],
        "failover": packing.failover.value,
        "usd_per_hour": plain(packing.usd_per_hour),
        "usd_per_month": plain(usd_per_month(packing.usd_per_hour)),
        "bound_usd_per_hour": packing.bound_usd_per_hour,
        "gap_ratio": packing.gap_ratio,
        "first_fit_usd_per_hour": plain(packing.first_fit_usd_per_hour),
        "moves": [dict(moves) for moves in packing.moves],
        "allocation": plain(allocation),
        "configuration": plain(config),
        "notes": list(notes),
    }


def _instance_json(item: PackedInstance) -> Json:
    return {**plain(item), "spare": item.spare}


def _cost_sentence(packing: Packing) -> str:
    monthly = usd_per_month(packing.usd_per_hour)
    first_fit = packing.first_fit_usd_per_hour
    text = f"{money(monthly)} a month of {HOURS_PER_MONTH} h on demand"
    if isinstance(first_fit, NoData):
        return f"{text}. First-fit decreasing on one type: {first_fit.reason}."
    other = usd_per_month(Decimal(repr(first_fit)))
    ratio = float(monthly / other) if other else 1.0
    return (
        f"{text}; first-fit decreasing on the best single type costs {money(other)} "
        f"({ratio:.3f} times that)."
    )


def _gap_sentence(packing: Packing) -> str:
    bound = usd_per_month(Decimal(repr(packing.bound_usd_per_hour)))
    return (
        f"No packing under these rules can cost less than {money(bound)}: at most "
        f"{share(packing.gap_ratio, 2)} is lost."
    )


def _spares(packing: Packing) -> int:
    return sum(item.spare for item in packing.instances)


def _instances(packing: Packing) -> Table:
    columns = (
        Column("instance", right=True),
        Column("type"),
        Column("a month", right=True),
        Column("tenants", right=True),
        Column("CPU", right=True),
        Column("memory", right=True),
        Column("who"),
    )
    rows = tuple(
        row(
            str(number),
            item.instance_type,
            money(usd_per_month(item.usd_per_hour)),
            str(len(item.tenants)),
            share(item.cpu_ratio),
            share(item.memory_ratio),
            _who(item),
        )
        for number, item in enumerate(packing.instances[:_MOST_ROWS])
    )
    return Table(columns, rows)


def _who(item: PackedInstance) -> str:
    if item.spare:
        return "spare"
    names = ", ".join(clean(name) for name in item.tenants[:_NAMES_SHOWN])
    more = len(item.tenants) - _NAMES_SHOWN
    text = names if more <= 0 else f"{names} and {more} more"
    return f"{text} (isolated)" if item.isolated else text


def _allocation(allocation: Allocation) -> list[Block]:
    columns = (Column("tenant"), Column("share", right=True), Column("a month", right=True))
    dearest = sorted(allocation.shares, key=lambda item: (-item.usd, item.tenant))
    rows = tuple(
        row(clean(item.tenant), share(item.ratio, 2), money(item.usd))
        for item in dearest[:_MOST_ROWS]
    )
    blocks: list[Block] = [
        Paragraph(
            f"{allocation.method.value} ({allocation.description}); the parts add up to "
            f"{money(allocation.total)}."
        ),
        Table(columns, rows),
    ]
    if len(dearest) > _MOST_ROWS:
        blocks.append(Paragraph(f"{len(dearest) - _MOST_ROWS} more; see --json."))
    return blocks
