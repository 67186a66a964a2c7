"""Measuring as documents: what was discovered, what a run read, what the store holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rightsizing.model.measurement import MeasureReport, Skip
from rightsizing.report.document import (
    Block,
    Bullets,
    Column,
    Document,
    Heading,
    Paragraph,
    Table,
    Tone,
    row,
)

_SHOWN = 20  # reasons a list shows; the JSON holds them all


@dataclass(frozen=True, slots=True)
class WorkloadRow:
    """One discovered workload, in words."""

    key: str
    kind: str
    size: str
    resources: tuple[str, ...]
    running: int
    capacity: str


@dataclass(frozen=True, slots=True)
class StoreRow:
    """What the store holds of one workload; times are UTC, capacities the latest known."""

    key: str
    source: str
    rows: int
    start: datetime
    end: datetime
    cores: float | None
    memory_gib: float | None


def discovery_page(
    rows: Sequence[WorkloadRow], skipped: Sequence[Skip], failures: Sequence[str]
) -> Document:
    """Workloads found, resources passed over, sources that could not be read."""
    columns = (
        Column("workload"),
        Column("kind"),
        Column("size"),
        Column("running", right=True),
        Column("capacity of one"),
        Column("resources"),
    )
    table = Table(
        columns,
        tuple(
            row(
                item.key,
                item.kind,
                item.size,
                str(item.running),
                item.capacity,
                ", ".join(item.resources),
            )
            for item in rows
        ),
    )
    blocks: list[Block] = [Heading("Workloads", 1)]
    blocks.append(table if rows else Paragraph("None found.", Tone.WARNING))
    return (*blocks, *_reasons("Passed over", skipped), *_failures(failures))


def measure_page(reports: Sequence[MeasureReport]) -> Document:
    """n observed, n skipped and why, for each source of a run."""
    blocks: list[Block] = [Heading("Measured", 1)]
    for report in reports:
        left_out = sum(skip.count for skip in report.skipped)
        blocks.append(
            Paragraph(
                f"{report.source}: {report.workloads} workloads, {report.observed:,} rows observed "
                f"({report.new:,} new), {left_out:,} skipped"
            )
        )
        blocks += _reasons("Skipped", report.skipped)
        blocks += _reasons("Stored, worth knowing", report.notes)
        blocks += _failures(report.failures)
    return tuple(blocks)


def store_page(rows: Sequence[StoreRow]) -> Document:
    """One row a workload."""
    columns = (
        Column("workload"),
        Column("source"),
        Column("rows", right=True),
        Column("from, UTC"),
        Column("to, UTC"),
        Column("cores", right=True),
        Column("GiB", right=True),
    )
    body = tuple(
        row(
            item.key,
            item.source,
            f"{item.rows:,}",
            f"{item.start:%Y-%m-%d %H:%M}",
            f"{item.end:%Y-%m-%d %H:%M}",
            "unknown" if item.cores is None else f"{item.cores:g}",
            "unknown" if item.memory_gib is None else f"{item.memory_gib:.1f}",
        )
        for item in rows
    )
    return (Heading("Store", 1), Table(columns, body))


def _reasons(title: str, skipped: Sequence[Skip]) -> list[Block]:
    if not skipped:
        return []
    items = [f"{skip.count:,}: {skip.reason}" for skip in skipped[:_SHOWN]]
    if len(skipped) > _SHOWN:
        items.append(f"and {len(skipped) - _SHOWN} more reasons (--json lists them)")
    return [Paragraph(f"{title}:"), Bullets(tuple(items), Tone.QUIET)]


def _failures(failures: Sequence[str]) -> list[Block]:
    if not failures:
        return []
    return [Paragraph("Could not be read:", Tone.BAD), Bullets(tuple(failures), Tone.BAD)]
