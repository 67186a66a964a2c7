"""A generated store of many workloads: 14 days and more of CPU and memory at 5 minutes.

Each workload has a size of 1 to 64 cores, a level, a daily swing, noise with memory, and now and
then a spike; memory is a slow wave under a capacity of 4 GiB a core. Values are rounded as
CloudWatch rounds them (CPU to 0.01 % of capacity, memory to pages of 4 KiB). Seeded by workload and
day, so that a day can be written alone, and written in the store's own files a few thousand
workloads at a time.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from rightsizing.measure.partition import Partition, bucket_of
from rightsizing.measure.schema import STORE_SCHEMA
from rightsizing.model.measurement import SCHEMA_VERSION
from rightsizing.units import BYTES_PER_GIB, MILLISECONDS_PER_DAY

FIRST_DAY = 20_724  # 2026-09-28, a Monday
INTERVAL_S = 300
PER_DAY = 288
CHUNK_WORKLOADS = 3_000  # 864,000 rows, one row group
CORES = np.array([1, 2, 4, 8, 16, 32, 48, 64], dtype=np.float64)
PAGE_BYTES = 4096


def keys_by_bucket(workloads: int, buckets: int) -> list[list[str]]:
    """Keys of a fleet of this many workloads, by bucket, each sorted."""
    found: list[list[str]] = [[] for _ in range(buckets)]
    for number in range(workloads):
        key = f"service-{number:07d}"
        found[bucket_of(key, buckets)].append(key)
    return found


def write_day(root: Path, keys: list[list[str]], day: int) -> int:
    """Write one day (0 is the first) of every bucket; returns the rows written."""
    root.mkdir(parents=True, exist_ok=True)
    meta = {"schema_version": SCHEMA_VERSION, "buckets": len(keys)}
    (root / "store.json").write_text(json.dumps(meta) + "\n", encoding="utf-8")
    rows = 0
    for bucket, members in enumerate(keys):
        path = root / Partition(FIRST_DAY + day, bucket).path
        path.parent.mkdir(exist_ok=True)
        with pq.ParquetWriter(
            path,
            STORE_SCHEMA,
            compression="zstd",
            compression_level=1,
            use_dictionary=["workload", "resource_id", "source"],
        ) as writer:
            for first in range(0, len(members), CHUNK_WORKLOADS):
                chunk = members[first : first + CHUNK_WORKLOADS]
                writer.write_table(_rows(chunk, day), row_group_size=len(chunk) * PER_DAY)
                rows += len(chunk) * PER_DAY
    return rows


def _rows(keys: list[str], day: int) -> pa.Table:
    numbers = np.array([int(key.rpartition("-")[2]) for key in keys], dtype=np.int64)
    cores = CORES[numbers * 7919 % len(CORES)]
    cpu, memory = _demand(numbers, cores, day)
    size = cpu.size
    codes = pa.array(np.repeat(np.arange(len(keys), dtype=np.int32), PER_DAY))
    names = pa.DictionaryArray.from_arrays(codes, pa.array(keys)).cast(pa.string())
    start = (FIRST_DAY + day) * MILLISECONDS_PER_DAY
    times = start + np.arange(PER_DAY, dtype=np.int64) * INTERVAL_S * 1000
    capacity = np.repeat(cores, PER_DAY)
    given = {
        "workload": names,
        "resource_id": names,
        "timestamp_ms": pa.array(np.tile(times, len(keys))),
        "interval_s": pa.array(np.full(size, INTERVAL_S, dtype=np.int64)),
        "source": pa.array(["generated"]).take(pa.array(np.zeros(size, dtype=np.int8))),
        "cpu_cores_max": pa.array(cpu.ravel()),
        "capacity_cores": pa.array(capacity),
        "memory_bytes_max": pa.array(memory.ravel()),
        "capacity_memory_bytes": pa.array(capacity * 4 * BYTES_PER_GIB),
    }
    columns = [
        given[field.name] if field.name in given else pa.nulls(size, field.type)
        for field in STORE_SCHEMA
    ]
    return pa.Table.from_arrays(columns, schema=STORE_SCHEMA)


def _demand(
    numbers: npt.NDArray[np.int64], cores: npt.NDArray[np.float64], day: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(W, 288) CPU in cores and memory in bytes of one day."""
    traits = np.random.default_rng(numbers[0]).random((len(numbers), 5))
    noise = np.random.default_rng((int(numbers[0]), day))
    level = 0.02 + 0.4 * traits[:, :1] ** 2
    swing = level * traits[:, 1:2]
    hour = np.arange(PER_DAY) / 12.0
    weekend = 0.6 if day % 7 >= 5 else 1.0
    wave = weekend * swing * np.sin((hour - 24 * traits[:, 2:3]) * (np.pi / 12))
    rough = noise.standard_normal((len(numbers), PER_DAY), dtype=np.float32)
    rough[:, 1:] = 0.6 * rough[:, 1:] + 0.8 * rough[:, :-1]  # neighbours resemble each other
    spikes = noise.random((len(numbers), PER_DAY), dtype=np.float32) < 0.002 * traits[:, 3:4]
    share = level + wave + level * 0.15 * rough + spikes * (0.3 + 0.4 * traits[:, 4:5])
    cpu = np.round(np.clip(share, 0.001, 1.0), 4) * cores[:, None]
    used = 0.1 + 0.7 * traits[:, 3:4] + 0.05 * np.sin((hour + day) * (np.pi / 12) * traits[:, 1:2])
    used = used + 0.005 * rough
    pages = np.round(used * cores[:, None] * 4 * (BYTES_PER_GIB / PAGE_BYTES))
    return cpu, np.asarray(pages * PAGE_BYTES, dtype=np.float64)
