"""The trace schema: names, units and limits of the columns a utilisation file may have.

One row is one resource over one interval. ``resource_id``, ``timestamp`` and at least one measured
column are required. Percentages are of the capacity beside them (``capacity_cores``,
``capacity_mem_bytes``), rates are per second, and an empty cell means "not measured".
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rightsizing.errors import BadTrace
from rightsizing.model.workload import WORKLOAD_KEY_PATTERN

MAX_CPU_RATIO = 2.0  # over this it is a unit error; real virtual machines reach 1.82 by turbo
MAX_MEMORY_RATIO = 1.05  # rounding and page accounting; more is a wrong capacity
MAX_CAPACITY_CORES = 2_048  # the largest EC2 type has 1,920 vCPU; millicores are far above
MAX_INTERVAL_SECONDS = 86_400
REQUESTS_METRIC = "requests"  # the one ``other_metric`` the store keeps

REQUIRED_COLUMNS = ("resource_id", "timestamp")
# Number columns that are read, and the store's column for those that go over unchanged.
COPIED_COLUMNS = {
    "disk_read_bps": "disk_read_bytes_per_s",
    "disk_write_bps": "disk_write_bytes_per_s",
    "net_in_bps": "network_in_bytes_per_s",
    "net_out_bps": "network_out_bytes_per_s",
}
CONVERTED_COLUMNS = (
    "cpu_pct",
    "cpu_cores",
    "cpu_pct_max",
    "mem_bytes",
    "mem_pct",
    "mem_pct_max",
    "capacity_cores",
    "capacity_mem_bytes",
    "interval_s",
    "other_value",
)
NUMBER_COLUMNS = (*CONVERTED_COLUMNS, *COPIED_COLUMNS)
READ_COLUMNS = (*REQUIRED_COLUMNS, *NUMBER_COLUMNS, "other_metric")
# Part of the schema, but nothing the store keeps: reported as such when they hold values.
IGNORED_COLUMNS = (
    "cpu_pct_p95",
    "gpu_pct",
    "gpu_mem_bytes",
    "cpu_ncu",
    "mem_ncu",
    "cpu_limit_ncu",
    "mem_limit_ncu",
)
_LABEL_COLUMNS = ("source",)  # says where a row is from; the store says "file"
KNOWN_COLUMNS = (*READ_COLUMNS, *IGNORED_COLUMNS, *_LABEL_COLUMNS)
_MEASURED_COLUMNS = ("cpu_pct", "cpu_cores", "mem_bytes", "mem_pct", "other_value", *COPIED_COLUMNS)

_LOOKALIKE_CUTOFF = 0.75  # difflib ratio from which an unknown name is taken for a misspelling
# Names from common exporters, for the hint only: nothing is renamed behind the user's back.
_FOREIGN_NAMES = {
    "time": "timestamp",
    "date": "timestamp",
    "datetime": "timestamp",
    "ts": "timestamp",
    "instance": "resource_id",
    "instance_id": "resource_id",
    "host": "resource_id",
    "hostname": "resource_id",
    "vm": "resource_id",
    "vm_id": "resource_id",
    "id": "resource_id",
    "cpu": "cpu_pct",
    "cpu_usage": "cpu_pct",
    "cpu_utilization": "cpu_pct",
    "memory": "mem_bytes",
    "memory_bytes": "mem_bytes",
    "memory_pct": "mem_pct",
    "cores": "capacity_cores",
    "vcpus": "capacity_cores",
}


@dataclass(frozen=True, slots=True)
class TraceColumns:
    """Columns of one file after the check: those that are read and those that are not kept."""

    read: tuple[str, ...]
    ignored: tuple[str, ...]


def check_columns(file: str, names: Sequence[str]) -> TraceColumns:
    """Sort a file's columns; raise BadTrace naming the wrong, missing or doubled one.

    A name that looks like a misspelt column is refused, since ignoring it would lose its data; any
    other unknown column is left out and reported.
    """
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise BadTrace(f"{file}: column {doubled[0]!r} appears twice; rename or remove one")
    unknown = [name for name in names if name not in KNOWN_COLUMNS]
    for column in REQUIRED_COLUMNS:
        if column not in names:
            raise BadTrace(f"{file} has no column {column!r}{_hint(column, unknown, names)}")
    for name in unknown:
        close = _closest(name, [known for known in KNOWN_COLUMNS if known not in names])
        if close is not None:
            raise BadTrace(
                f"{file}: column {name!r} is not in the trace schema; did you mean {close!r}?"
            )
    if not any(name in names for name in _MEASURED_COLUMNS):
        raise BadTrace(
            f"{file} has no measured column; it needs at least one of "
            f"{', '.join(_MEASURED_COLUMNS)}"
        )
    return TraceColumns(
        read=tuple(name for name in names if name in READ_COLUMNS),
        ignored=tuple(name for name in names if name in IGNORED_COLUMNS or name in unknown),
    )


def workload_key(resource_id: str, prefix: str = "") -> str:
    """A workload key made from a resource id.

    Characters a key cannot have become ``-``; a key changed that way ends in a digest of the id, so
    that two ids never share a key.
    """
    wanted = prefix + resource_id
    if WORKLOAD_KEY_PATTERN.match(wanted):
        return wanted
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:8]
    cleaned = re.sub(r"[^A-Za-z0-9._/-]+", "-", wanted).lstrip("._/-")[:100]
    return f"{cleaned or 'resource'}-{digest}"


def _closest(name: str, candidates: Sequence[str]) -> str | None:
    lowered = name.strip().lower()
    foreign = _FOREIGN_NAMES.get(lowered)
    if foreign in candidates:
        return foreign
    found = difflib.get_close_matches(lowered, candidates, n=1, cutoff=_LOOKALIKE_CUTOFF)
    return found[0] if found else None


def _hint(column: str, unknown: Sequence[str], names: Sequence[str]) -> str:
    for name in unknown:
        if _closest(name, [column]) is not None:
            return f"; did you mean {name!r}? Rename it to {column!r}"
    if len(names) == 1 and re.search(r"[;\t|]", names[0]):
        return "; its values seem not to be separated by commas"
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"; it has {shown}"
