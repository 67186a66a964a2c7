"""Canary judges on the same streams: false alarms, power, minutes to detect, wrong promotions.

    RIGHTSIZING_DATA=/path/to/data python benchmarks/canary_judge.py [--quick]

Ours against the rules of Kayenta, Flagger and Argo Rollouts and sequential tests, over 120
one-minute looks: generated streams, and replays of real traces where RIGHTSIZING_DATA is set; three
traffic levels; true ratios 1, 1.1, 1.25, 1.5, 2 and 5; then the same for a gauge. Ours is
calibrated on a separate stretch of each service's past. Writes ``results/canary_judge.md`` and
``.json``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, astuple, fields
from pathlib import Path

import numpy as np
from canary_cells import OURS, Cell, Service
from canary_gauges import GAUGES, run_gauge
from canary_report import render
from canary_streams import BASE_RATIO, LOOKS, World, draw, generated_worlds, history, real_worlds

from rightsizing.model.verdict import JudgePolicy, Metric, MetricCalibration
from rightsizing.rollout.judge.calibration import MIN_WINDOWS, replay_counts
from rightsizing.rollout.judge.eprocess import count_paths
from rightsizing.rollout.judge.likelihood import ArmNoise, first_look
from rightsizing.rollout.judge.noise import ASSUMED_NOISE
from rightsizing.rollout.judge.outlook import outlook
from rightsizing.rollout.judge.peers.kayenta import kayenta
from rightsizing.rollout.judge.peers.run import Answer, Streams
from rightsizing.rollout.judge.peers.sequential import bernoulli, normal_mixture, sprt
from rightsizing.rollout.judge.peers.thresholds import argo, flagger

RESULTS = Path(__file__).parent / "results"
TRAFFIC = (2.0, 20.0, 200.0)  # failed requests a minute and arm at ratio 1
RATIOS = (1.0, 1.1, 1.25, 1.5, 2.0, 5.0)
RUNS = {1.0: 2000, 1.1: 800, 1.25: 2000, 1.5: 800, 2.0: 800, 5.0: 800}
RUNS_KAYENTA = 400
POLICY = JudgePolicy(required=(Metric.ERRORS,), horizon_looks=LOOKS)


def rules(fitted: MetricCalibration) -> dict[str, Callable[[Streams], Answer]]:
    """Every rule by name."""
    noise = ArmNoise(fitted.spread, fitted.persistence, fitted.scatter)
    alpha, margin = POLICY.alpha_harm, POLICY.margin

    def judged(streams: Streams, own: ArmNoise, told: MetricCalibration) -> Answer:
        paths = count_paths(
            streams.canary_events, streams.baseline_events, streams.log_odds, own, margin
        )
        harm = np.log(told.harm_evidence_at(POLICY.alpha_each, LOOKS))
        safe = np.log(told.safe_evidence_at(POLICY.alpha_promote))
        return Answer(first_look(paths.harm >= harm), first_look(paths.safe >= safe))

    def mixture(streams: Streams) -> Answer:
        canary, baseline = streams.canary_events + 0.5, streams.baseline_events + 0.5
        log_ratio = np.log(canary / baseline) - streams.log_odds
        return normal_mixture(log_ratio, 1 / canary + 1 / baseline, alpha)

    unknown = MetricCalibration(metric=Metric.ERRORS, spread=0.0, persistence=0.0)
    at_margin = margin * BASE_RATIO
    return {
        OURS: lambda s: judged(s, noise, fitted),
        f"{OURS}, no history": lambda s: judged(s, ASSUMED_NOISE, unknown),
        "Kayenta, every 10 min": lambda s: kayenta(s.canary_ratio, s.baseline_ratio, 10),
        "Kayenta, every 60 min": lambda s: kayenta(s.canary_ratio, s.baseline_ratio, 60),
        "Flagger, 99 %, 5 checks": lambda s: flagger(s.canary_ratio, 0.01),
        "Flagger, limit at x1.25, 5 checks": lambda s: flagger(s.canary_ratio, at_margin),
        "Argo, 99 %, failureLimit 0": lambda s: argo(s.canary_ratio, 0.01),
        "Argo, limit at x1.25, failureLimit 5": lambda s: argo(s.canary_ratio, at_margin, 5),
        "SPRT x1.25": lambda s: sprt(s, 1.25, alpha, POLICY.alpha_promote),
        "SPRT x1.5": lambda s: sprt(s, 1.5, alpha, POLICY.alpha_promote),
        "SPRT x2": lambda s: sprt(s, 2.0, alpha, POLICY.alpha_promote),
        "Bernoulli mixture k=20": lambda s: bernoulli(s, 0.5, alpha, margin),
        "mSPRT, normal": mixture,
    }


def run_service(
    world: World, traffic: float, seed: int, scale: float
) -> tuple[Service, list[Cell]]:
    """All rules and ratios on one world and traffic level."""
    rng = np.random.default_rng(seed)
    past = replay_counts(Metric.ERRORS, history(world, traffic, rng), POLICY, rng)
    fitted = past.fitted
    forecast = outlook(traffic, traffic, fitted, POLICY, rng)
    alarms = past.false_alarms
    service = Service(
        world.name,
        traffic,
        fitted.spread,
        fitted.persistence,
        fitted.harm_evidence or 0.0,
        alarms.hits,
        alarms.trials,
        alarms.trials >= MIN_WINDOWS and alarms.value <= POLICY.alpha_each,
        _known(forecast.promote_median_looks),
        _known(forecast.promote_most_looks),
    )
    cells = []
    for ratio in RATIOS:
        runs = int(RUNS[ratio] * scale)
        streams = draw(world, traffic, ratio, runs, rng)
        for name, rule in rules(fitted).items():
            seen = streams
            if name.startswith("Kayenta"):
                seen = Streams(*(getattr(streams, f)[:, :RUNS_KAYENTA] for f in Streams.__slots__))
            cells.append(Cell.of(world.name, traffic, ratio, name, rule(seen)))
    return service, cells


def main() -> None:
    """Run everything and write the results."""
    scale = 0.2 if "--quick" in sys.argv else 1.0
    began = time.perf_counter()
    worlds = generated_worlds()
    folder = os.environ.get("RIGHTSIZING_DATA")
    if folder:
        worlds += real_worlds(Path(folder))
    jobs = [(world, traffic) for world in worlds for traffic in TRAFFIC]
    with ProcessPoolExecutor(max_workers=2) as pool:
        counted = [
            pool.submit(run_service, world, traffic, 1000 + number, scale)
            for number, (world, traffic) in enumerate(jobs)
        ]
        gauged = [
            pool.submit(run_gauge, name, folder, 2000 + number, scale)
            for number, name in enumerate(GAUGES)
            if folder or not name.startswith("replicas")
        ]
        sections = {
            "Failed requests": [answer.result() for answer in counted],
            "A gauge (99th percentile of latency)": [answer.result() for answer in gauged],
        }
    seconds = time.perf_counter() - began
    RESULTS.mkdir(exist_ok=True)
    stored = {
        title: {
            "services": [asdict(service) for service, _ in section],
            "columns": [field.name for field in fields(Cell)],
            "cells": [list(astuple(cell)) for _, cells in section for cell in cells],
        }
        for title, section in sections.items()
    }
    text = json.dumps({"seconds": round(seconds, 1), **stored})
    text = text.replace("], [", "],\n[").replace("}, {", "},\n{")  # one cell a line
    (RESULTS / "canary_judge.json").write_text(text + "\n")
    page = render(sections, seconds)
    (RESULTS / "canary_judge.md").write_text(page)
    print(page)


def _known(value: object) -> float | None:
    return value if isinstance(value, float) else None


if __name__ == "__main__":
    main()
