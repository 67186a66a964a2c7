"""Streams of two arms for the judges' benchmark: generated, and modulated by real traces.

Every run is 120 one-minute looks of requests and failed requests of two equal arms; the canary's
failure rate is multiplied by the true ratio. Before it lies the service's own A/A history, which
only the calibrated rule reads.

    independent        both arms share swings of the failure rate (sd 0.3); nothing else
    autocorrelated r   as well, each arm wanders by itself: log rate AR(1), sd 0.1, correlation r
    nasa, twitter      requests of each minute from the trace, split at random
    cpu                failure rate follows a real machine's CPU, 5-minute steps
    replicas           the arms' ratio follows two real replicas of one service (CPU, 5 minutes)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rightsizing.rollout.judge.likelihood import FloatArray
from rightsizing.rollout.judge.noise import CountHistory
from rightsizing.rollout.judge.peers.run import Streams

LOOKS = 120
HISTORY_LOOKS = 20_160  # 14 days
BASE_RATIO = 0.005  # failed share of requests at ratio 1
COMMON_SD = 0.3
ARM_SD = 0.1
MIN_LOAD = 0.2  # of the median minute
REPLICAS = ("g113812204462-115", "g113812204462-88")


@dataclass(frozen=True, slots=True)
class World:
    """Per-minute modulation: of requests, of the common failure rate, of the arms' log ratio.

    Generated worlds (``persistence`` given) draw their own; traces hold series, split in a past
    (for calibration) and a future (for runs).
    """

    name: str
    persistence: float | None = None
    requests: FloatArray | None = None
    log_rate: FloatArray | None = None
    log_ratio: FloatArray | None = None

    @property
    def is_real(self) -> bool:
        """Whether it replays a trace."""
        return self.persistence is None


def generated_worlds() -> tuple[World, ...]:
    """The three generated ones."""
    return (
        World("independent", 0.0),
        World("autocorrelated 0.5", 0.5),
        World("autocorrelated 0.9", 0.9),
    )


def real_worlds(folder: Path) -> tuple[World, ...]:
    """The four replays; ``folder`` is RIGHTSIZING_DATA."""
    nasa = _minutes(folder, "web_requests", "nasa_http_1min", "other_value")
    twitter = _minutes(folder, "web_requests", "twitter_sample_stream_1min", "other_value")
    machine = _busiest(folder, "bitbrains_rnd")
    return (
        World("nasa requests", requests=nasa / np.median(nasa)),
        World("twitter requests", requests=twitter / np.median(twitter)),
        World("cpu of a machine", log_rate=np.repeat(machine, 5)),
        World("replicas of a service", log_ratio=np.repeat(replica_ratio(folder), 5)),
    )


def replica_ratio(folder: Path) -> FloatArray:
    """Log ratio of CPU of two replicas of one service, in the 5 minutes both were measured."""
    first, second = (_five_minutes(folder, "google2019_instances", name) for name in REPLICAS)
    shared = sorted(first.keys() & second.keys())
    return np.log([max(first[t], 0.1) / max(second[t], 0.1) for t in shared])


def draw(
    world: World,
    errors_per_minute: float,
    ratio: float,
    runs: int,
    rng: np.random.Generator,
    *,
    looks: int = LOOKS,
    past: bool = False,
) -> Streams:
    """Runs of two arms with this many failed requests a minute and arm at ratio 1."""
    load, log_rate, log_ratio = _modulation(world, runs, looks, rng, past=past)
    requests = np.maximum(errors_per_minute / BASE_RATIO * load, 1.0)
    canary_n, baseline_n = rng.poisson(requests) + 1, rng.poisson(requests) + 1
    arms = _wander(world, runs, looks, rng)
    rate = BASE_RATIO * np.exp(log_rate)
    canary_p = np.minimum(rate * ratio * np.exp(arms[0] + log_ratio), 1.0)
    baseline_p = np.minimum(rate * np.exp(arms[1]), 1.0)
    return Streams(
        rng.binomial(canary_n, canary_p).astype(np.float64),
        canary_n.astype(np.float64),
        rng.binomial(baseline_n, baseline_p).astype(np.float64),
        baseline_n.astype(np.float64),
    )


def history(world: World, errors_per_minute: float, rng: np.random.Generator) -> CountHistory:
    """The service's own A/A past."""
    looks = HISTORY_LOOKS
    if world.is_real:
        looks = min(looks, len(_series(world)) // 2)
    one = draw(world, errors_per_minute, 1.0, 1, rng, looks=looks, past=True)
    return CountHistory(
        one.canary_events[:, 0],
        one.canary_requests[:, 0],
        one.baseline_events[:, 0],
        one.baseline_requests[:, 0],
    )


def ar1(persistence: float, shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    """Stationary first-order autoregression of variance 1, (looks, runs)."""
    steps = rng.standard_normal(shape)
    values = np.empty(shape)
    values[0] = steps[0]
    for look in range(1, shape[0]):
        values[look] = persistence * values[look - 1] + np.sqrt(1 - persistence**2) * steps[look]
    return values


def _series(world: World) -> FloatArray:
    for series in (world.requests, world.log_rate, world.log_ratio):
        if series is not None:
            return series
    raise ValueError(f"{world.name} has no series")


def _modulation(
    world: World, runs: int, looks: int, rng: np.random.Generator, *, past: bool
) -> tuple[FloatArray, FloatArray, FloatArray]:
    shape = (looks, runs)
    if not world.is_real:
        persistence = world.persistence or 0.0
        return np.ones(shape), COMMON_SD * ar1(persistence, shape, rng), np.zeros(shape)
    half = len(_series(world)) // 2
    allowed = np.array([half - looks]) if past else _served(world, half, looks)
    starts = rng.choice(allowed, runs)
    index = np.arange(looks)[:, None] + starts[None, :]

    def part(series: FloatArray | None, empty: float) -> FloatArray:
        return np.full(shape, empty) if series is None else series[index]

    return part(world.requests, 1.0), part(world.log_rate, 0.0), part(world.log_ratio, 0.0)


def _served(world: World, half: int, looks: int) -> NDArray[np.int64]:
    """Starts in the second half whose window is no outage: the median minute in a fifth of normal.

    Without traffic there is nothing to judge; the judge answers "no data" or "too few" there.
    """
    starts = np.arange(half, len(_series(world)) - looks)
    if world.requests is None:
        return starts
    windows = np.lib.stride_tricks.sliding_window_view(world.requests, looks)[starts]
    return starts[np.median(windows, axis=1) >= MIN_LOAD]


def _wander(
    world: World, runs: int, looks: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    shape = (looks, runs)
    if not world.persistence:
        return np.zeros(shape), np.zeros(shape)
    first, second = (ARM_SD * ar1(world.persistence, shape, rng) for _ in range(2))
    return first, second


def _minutes(folder: Path, file: str, resource: str, column: str) -> FloatArray:
    table = pq.read_table(
        folder / "traces" / f"{file}.parquet",
        columns=[column],
        filters=[("resource_id", "=", resource)],
    )
    return np.maximum(table[column].to_numpy().astype(np.float64), 0.0)


def _five_minutes(folder: Path, file: str, resource: str) -> dict[int, float]:
    table = pq.read_table(
        folder / "traces" / f"{file}.parquet",
        columns=["timestamp", "cpu_pct"],
        filters=[("resource_id", "=", resource)],
    )
    stamps = pc.cast(table["timestamp"], "int64").to_numpy() // 300_000
    return dict(zip(stamps.tolist(), table["cpu_pct"].to_numpy().tolist(), strict=True))


def _busiest(folder: Path, file: str) -> FloatArray:
    """Log of CPU over its median, of the machine with the highest median CPU below saturation."""
    table = pq.read_table(
        folder / "traces" / f"{file}.parquet", columns=["resource_id", "cpu_pct"]
    ).drop_null()
    names = table["resource_id"].to_pandas()
    values = table["cpu_pct"].to_pandas().groupby(names)
    medians = values.median()
    chosen = medians[medians < 80].idxmax()
    cpu = values.get_group(chosen).to_numpy().astype(np.float64)
    return np.clip(np.log(np.maximum(cpu, 0.1) / np.median(cpu)), -1.5, 1.5)
