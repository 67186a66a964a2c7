"""A synthetic past of the news API, minute by minute, for the canary judge to be tried on.

    python examples/trading/past.py past.parquet

Two availability zones of one fleet serve the same traffic on the same size: how they differ is how
two equal arms differ. Traffic and error ratio are those of ``traffic.json``; like that, the figures
are assumptions, made from a fixed seed, and evidence of nothing.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

MINUTES = 26 * 60  # 26 windows of an hour: enough replays of equal arms
REQUESTS_A_MINUTE = 9000  # of each zone
ERROR_RATIO = 0.008
CORES = 8.0  # of the one m5.2xlarge in each zone
SPREAD, PERSISTENCE = 0.01, 0.5  # of the log error ratio of a zone, from minute to minute
SEED = 20_260_701
START = datetime(2026, 7, 1, tzinfo=UTC)


def main() -> None:
    """Write the file named on the command line."""
    rng = np.random.default_rng(SEED)
    start_ms = int(START.timestamp() * 1000)
    names = ("timestamp", "zone", "requests", "errors", "capacity_cores")
    columns: dict[str, list[object]] = {name: [] for name in names}
    for zone in ("us-east-1a", "us-east-1b"):
        wander = 0.0
        for minute in range(MINUTES):
            wander = PERSISTENCE * wander + rng.normal(0.0, SPREAD)
            requests = int(rng.poisson(REQUESTS_A_MINUTE))
            columns["timestamp"].append(start_ms + 60_000 * minute)
            columns["zone"].append(zone)
            columns["requests"].append(requests)
            columns["capacity_cores"].append(CORES)
            columns["errors"].append(int(rng.binomial(requests, ERROR_RATIO * np.exp(wander))))
    pq.write_table(pa.table(columns), sys.argv[1])
    print(f"{MINUTES} synthetic minutes of two zones written to {sys.argv[1]}")


if __name__ == "__main__":
    main()
