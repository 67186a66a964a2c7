"""Measurements in; day tables of a fleet, or profiles of its workloads, out.

The engine behind the Ibis table (DuckDB, Spark) groups and counts in one query; what arrives here
is one row a workload and day. A store that lasts keeps those rows: see ``profile.daycache``.
"""

from __future__ import annotations

from collections.abc import Iterator

import ibis
import pyarrow as pa
from ibis.expr import types as ir

from rightsizing.model.profile import Profile
from rightsizing.profile.dayquery import content_of, day_rows, interval_parts
from rightsizing.profile.dayrows import conformed
from rightsizing.profile.daytable import DayTable
from rightsizing.profile.intervals import Content
from rightsizing.profile.rowprofile import profile_of
from rightsizing.profile.tableassembly import CELLS, day_tables


def build_profiles(measurements: ir.Table) -> dict[str, Profile]:
    """Profile every workload in the table.

    Args:
        measurements: the columns of ``model.measurement``, one row a (workload, resource,
            timestamp), in any order.

    Returns:
        Profiles by workload key, sorted. A workload whose rows measured neither CPU nor memory is
        absent.
    """
    found = {
        workload: profile_of(table, row)
        for table in build_day_tables(measurements)
        for row, workload in enumerate(table.workloads)
    }
    return dict(sorted(found.items()))


def build_day_tables(measurements: ir.Table, *, cells: int = CELLS) -> Iterator[DayTable]:
    """Day tables of every workload that measured CPU or memory.

    Args:
        measurements: as for ``build_profiles``.
        cells: bins a table may hold, (workloads x days x bins), unless it is of one workload. All
            workloads come in one table when they fit.
    """
    return day_tables(measured_rows(measurements, content_of(measurements)), cells)


def measured_rows(measurements: ir.Table, content: Content) -> pa.Table:
    """One row a (workload, day) of measurements that hold this content, as ``DAY_SCHEMA``."""
    return conformed(answers(measurements, content))


def answers(measurements: ir.Table, content: Content) -> list[pa.Table]:
    """What the engine says of them, for ``dayrows.conformed``."""
    parts = interval_parts(measurements, content)
    return [day_rows(part, held).to_pyarrow() for part, held in parts]


def busiest_intervals(measurements: ir.Table) -> ir.Table:
    """One row an interval of every workload, as the profiles see them."""
    parts = [part for part, _held in interval_parts(measurements, content_of(measurements))]
    return parts[0] if len(parts) == 1 else ibis.union(*parts)
