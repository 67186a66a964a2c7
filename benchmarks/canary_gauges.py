"""The gauge part of the judges' benchmark: one figure a look of two arms, as p99 of latency is.

Each arm's log figure is AR(1) with standard deviation 0.15 (or heavy-tailed: Student t with 3
degrees of freedom, independent); real: CPU of two replicas of one service, 5-minute looks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from canary_cells import OURS, Cell, Service
from canary_streams import HISTORY_LOOKS, LOOKS, ar1, replica_ratio

from rightsizing.model.verdict import JudgePolicy, Metric
from rightsizing.rollout.judge.calibration import MIN_WINDOWS, replay_gauge
from rightsizing.rollout.judge.eprocess import gauge_paths
from rightsizing.rollout.judge.likelihood import ArmNoise, FloatArray, first_look
from rightsizing.rollout.judge.peers.kayenta import kayenta
from rightsizing.rollout.judge.peers.run import Answer
from rightsizing.rollout.judge.peers.sequential import normal_mixture
from rightsizing.rollout.judge.peers.thresholds import argo, flagger

PERSISTENCE = {"AR 0": 0.0, "AR 0.5": 0.5, "AR 0.9": 0.9}
GAUGES = (*PERSISTENCE, "heavy tails", "replicas, 5-minute looks")
ARM_SD = 0.15
RATIOS = (1.0, 1.1, 1.25, 1.5, 2.0, 5.0)
RUNS = {1.0: 2000, 1.1: 800, 1.25: 2000, 1.5: 800, 2.0: 800, 5.0: 800}
RUNS_KAYENTA = 400
POLICY = JudgePolicy(required=(Metric.LATENCY_P99,), horizon_looks=LOOKS)


def run_gauge(name: str, folder: str | None, seed: int, scale: float) -> tuple[Service, list[Cell]]:
    """All rules and ratios on one gauge."""
    rng = np.random.default_rng(seed)
    real = replica_ratio(Path(folder)) if folder and name.startswith("replicas") else None
    past = np.subtract(*_arms(name, real, HISTORY_LOOKS, 1, rng, past=True))[:, 0]
    replay = replay_gauge(Metric.LATENCY_P99, past, POLICY, rng)
    fitted = replay.fitted
    noise = ArmNoise(fitted.spread, fitted.persistence, fitted.scatter)
    alarms = replay.false_alarms
    needed = np.log(fitted.harm_evidence_at(POLICY.alpha_each, LOOKS))
    cleared = np.log(fitted.safe_evidence_at(POLICY.alpha_promote))
    variance = float(np.var(past))
    cells = []
    promoted = np.empty(0)
    for ratio in RATIOS:
        runs = int(RUNS[ratio] * scale)
        canary, baseline = _arms(name, real, LOOKS, runs, rng, past=False)
        canary = canary + np.log(ratio)
        paths = gauge_paths(canary - baseline, noise, POLICY.margin)
        safe = first_look(paths.safe >= cleared)
        promoted = safe if ratio == 1 else promoted
        figures, base = np.exp(canary), np.exp(baseline)
        few = slice(None, RUNS_KAYENTA)
        answers = {
            OURS: Answer(first_look(paths.harm >= needed), safe),
            "Kayenta, every 10 looks": kayenta(figures[:, few], base[:, few], 10),
            "Kayenta, every 60 looks": kayenta(figures[:, few], base[:, few], 60),
            "Flagger, limit at x1.25, 5 checks": flagger(figures, POLICY.margin),
            "Argo, limit at x1.5, failureLimit 0": argo(figures, 1.5),
            "mSPRT, normal, variance known": normal_mixture(
                canary - baseline, np.full(canary.shape, variance), POLICY.alpha_harm
            ),
        }
        cells += [Cell.of(name, 0.0, ratio, rule, answer) for rule, answer in answers.items()]
    ends = np.sort(promoted)[[len(promoted) // 2, int(0.9 * len(promoted))]]
    half, most = (float(end) if np.isfinite(end) else None for end in ends)
    automatic = alarms.trials >= MIN_WINDOWS and alarms.value <= POLICY.alpha_each
    service = Service(
        name,
        0.0,
        fitted.spread,
        fitted.persistence,
        fitted.harm_evidence or 0.0,
        alarms.hits,
        alarms.trials,
        automatic,
        half,
        most,
    )
    return service, cells


def _arms(
    name: str,
    real: FloatArray | None,
    looks: int,
    runs: int,
    rng: np.random.Generator,
    *,
    past: bool,
) -> tuple[FloatArray, FloatArray]:
    """Log figures of both arms at ratio 1, (looks, runs)."""
    shape = (looks, runs)
    if real is not None:
        half = len(real) // 2
        if past:
            return real[:half, None], np.zeros((half, 1))
        starts = rng.integers(half, len(real) - looks, runs)
        return real[np.arange(looks)[:, None] + starts[None, :]], np.zeros(shape)
    if name == "heavy tails":
        scale = ARM_SD / np.sqrt(3.0)  # the variance of t with 3 degrees of freedom is 3
        return scale * rng.standard_t(3, shape), scale * rng.standard_t(3, shape)
    first, second = (ARM_SD * ar1(PERSISTENCE[name], shape, rng) for _ in range(2))
    return first, second
