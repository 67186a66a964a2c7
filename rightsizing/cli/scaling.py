"""The scaling use case: from the store or a file to a load, a setting and a report."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from rightsizing.cli.session import Session
from rightsizing.decide.autoscaling.candidates import Setting, most_needed, tracking_policy
from rightsizing.decide.autoscaling.choice import choose
from rightsizing.decide.autoscaling.environment import Environment
from rightsizing.decide.autoscaling.load import Load, load_of
from rightsizing.decide.autoscaling.policies import Platform, Policy
from rightsizing.errors import ConfigError, TelemetryError
from rightsizing.measure.files import measure_file
from rightsizing.measure.progress import Progress, ProgressListener
from rightsizing.measure.store import Store
from rightsizing.model.base import NoData
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize, Size
from rightsizing.report.scalingpage import ScalingReport

CORES, REQUESTS = "cores", "requests/s"
WARMUP_MINUTES = 2  # of the fleets this project makes (infra/components/fleet_slot.py)
HOLES_WORTH_SAYING = 0.001
MOST_INSTANCES = 10_000  # as a declared fleet may have


@dataclass(frozen=True, slots=True)
class ScalingQuestion:
    """What was asked: the command's options, shares 0 to 1, None for "find out"."""

    workload: str | None
    path: Path | None
    metric: str | None
    platform: Platform | None
    capacity: float | None
    bound: float
    full: float
    launch_minutes: int
    least: int
    usd_per_hour: Decimal | None
    seed: int


@dataclass(frozen=True, slots=True)
class _Found:
    load: Load
    capacity_cores: float | None
    notes: tuple[str, ...]


def scaling_report(
    session: Session, question: ScalingQuestion, listener: ProgressListener
) -> ScalingReport:
    """Read, choose, and price. Raises TelemetryError or ConfigError in one sentence."""
    if question.path is not None:
        with tempfile.TemporaryDirectory(prefix="rightsize-autoscale-") as scratch:
            store = Store(Path(scratch))
            measure_file(question.path, store, progress=listener)
            found = _load(store, question)
        declared = None
    else:
        found = _load(session.store, question)
        declared = _declared(session, found.load.key)
    size = None if declared is None else declared.size
    capacity = _capacity(session, question, found, size)
    most = max(most_needed(found.load, capacity * question.full), question.least, 1)
    if most > MOST_INSTANCES:
        raise ConfigError(
            f"{found.load.key} would need {most:,} instances of {capacity:g} {found.load.unit}, at "
            f"most {MOST_INSTANCES:,} are replayed; check --capacity"
        )
    environment = Environment(launch_minutes=question.launch_minutes, full=question.full)
    setting = Setting(
        platform=question.platform or _platform(size),
        environment=environment,
        capacity=capacity,
        least=question.least,
        most=most,
        warmup_minutes=WARMUP_MINUTES,
    )
    choice = choose(
        found.load,
        setting,
        bound=question.bound,
        present=None if found.load.by_clock_only else _present(setting, declared),
        seed=question.seed,
        progress=lambda done, total: listener(Progress("replaying policies", done, total)),
    )
    price, basis = _price(session, question, size)
    return ScalingReport(choice, price, basis, found.notes)


@dataclass(frozen=True, slots=True)
class _Declared:
    size: Size
    target_cpu_pct: int | None


def _load(store: Store, question: ScalingQuestion) -> _Found:
    key = _key(store, question.workload)
    rows = store.measurements([key]).to_pyarrow()
    columns = {name: rows.column(name).to_numpy(zero_copy_only=False) for name in _READ}
    steps = Counter(columns["interval_s"].tolist())
    step_s, most = steps.most_common(1)[0]
    notes = []
    if len(steps) > 1:
        notes.append(
            f"{len(columns['interval_s']) - most:,} rows with other intervals than {step_s} s are "
            "left out"
        )
    own = columns["interval_s"] == step_s
    stamps = columns["timestamp_ms"][own].astype(np.int64)
    requests = columns["requests"][own] / step_s
    instances = np.nan_to_num(columns["instances"][own].astype(float), nan=1.0)
    cores = columns["cpu_cores_mean"][own] * instances
    unit = question.metric or (CORES if np.isfinite(cores).any() else REQUESTS)
    stamps, amounts = _summed(stamps, cores if unit == CORES else requests)
    load = load_of(key, unit, stamps, int(step_s), amounts)
    capacities = columns["capacity_cores"][own]
    known = capacities[np.isfinite(capacities)]
    notes += _load_notes(load)
    return _Found(load, float(np.median(known)) if len(known) else None, tuple(notes))


_READ = (
    "timestamp_ms",
    "interval_s",
    "cpu_cores_mean",
    "instances",
    "requests",
    "capacity_cores",
)


def _summed(stamps: Any, amounts: Any) -> tuple[Any, Any]:
    """One amount an interval: the sum over resources that reported it."""
    known = np.isfinite(amounts)
    unique, position = np.unique(stamps[known], return_inverse=True)
    return unique, np.bincount(position, weights=amounts[known], minlength=len(unique))


def _key(store: Store, wanted: str | None) -> str:
    held = sorted(item.key for item in store.workloads())
    if wanted is not None:
        if wanted not in held:
            raise TelemetryError(f"nothing was measured of {wanted}; known: {_some(held)}")
        return wanted
    if len(held) != 1:
        raise ConfigError(f"name one workload of {len(held)}: {_some(held)}")
    return held[0]


def _some(keys: list[str]) -> str:
    return (", ".join(keys[:8]) + (", ..." if len(keys) > 8 else "")) or "none"


def _load_notes(load: Load) -> list[str]:
    notes = []
    if load.hole_share > HOLES_WORTH_SAYING:
        notes.append(
            f"{load.hole_share:.1%} of minutes were not measured: nothing reacts in them and they "
            "count for nothing"
        )
    if load.by_clock_only:
        notes.append(
            f"intervals of {load.step_s} s hide what happens within them: only fixed numbers and "
            "schedules are compared, on interval means"
        )
    elif load.joined:
        notes.append(
            f"minutes between means of {load.step_s} s lie on a line, which flatters every policy "
            "that reacts; measure by the minute to be sure"
        )
    elif load.step_s > 60:
        notes.append(f"each of {load.step_s} s stands for its minutes: shorter peaks are not seen")
    return notes


def _declared(session: Session, key: str) -> _Declared | None:
    if not session.in_project:
        return None
    declaration = session.declaration
    if (fleet := declaration.fleets.get(key)) is not None:
        return _Declared(session.sizing.size_of(key, fleet.size), fleet.target_cpu_pct)
    if (service := declaration.services.get(key)) is not None:
        return _Declared(session.sizing.size_of(key, service.size), service.target_cpu_pct)
    if (container := declaration.containers.get(key)) is not None:
        return _Declared(session.sizing.size_of(key, container.size), None)
    return None


def _capacity(
    session: Session, question: ScalingQuestion, found: _Found, size: Size | None
) -> float:
    """Load one instance carries at 100 %."""
    if question.capacity is not None:
        return question.capacity
    if found.load.unit == REQUESTS:
        raise ConfigError(
            f"the load of {found.load.key} is in requests a second; say how many one instance "
            "serves at full use with --capacity"
        )
    if isinstance(size, FleetSize):
        return float(session.catalog.shape(size.instance_type).vcpus)
    if isinstance(size, ServiceSize | ContainerSize):
        return size.cpu_cores
    if found.capacity_cores is None:
        raise ConfigError(
            f"the capacity of one instance of {found.load.key} was not measured; give its cores "
            "with --capacity"
        )
    return found.capacity_cores


def _platform(size: Size | None) -> Platform:
    if isinstance(size, ServiceSize):
        return Platform.ECS
    return Platform.EC2


def _present(setting: Setting, declared: _Declared | None) -> Policy | None:
    if declared is None or declared.target_cpu_pct is None:
        return None
    size = declared.size
    if isinstance(size, FleetSize):
        low, high = size.min_instances, size.max_instances
    elif isinstance(size, ServiceSize):
        low, high = size.min_tasks, size.max_tasks
    else:
        return None
    target = declared.target_cpu_pct
    if size.scaling is not None and size.scaling.target_cpu_pct is not None:
        target = size.scaling.target_cpu_pct
    bounded = Setting(
        setting.platform, setting.environment, setting.capacity, low, high, setting.warmup_minutes
    )
    return tracking_policy(bounded, target / 100)


def _price(
    session: Session, question: ScalingQuestion, size: Size | None
) -> tuple[Decimal | NoData, str]:
    if question.usd_per_hour is not None:
        return question.usd_per_hour, f"${question.usd_per_hour} an instance-hour, as given"
    if isinstance(size, FleetSize):
        region = session.declaration.region
        price = session.catalog.price(size.instance_type, region)
        if isinstance(price, NoData):
            return price, price.reason
        return (
            price.usd_per_hour,
            f"{size.instance_type}, {price.region} on-demand list, {price.as_of}, 730 h",
        )
    reason = "no price of one instance; --usd-per-hour gives it"
    return NoData(reason), reason
