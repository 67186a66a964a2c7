"""Looks to judge, as a service would report them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rightsizing.model.verdict import (
    ArmLook,
    Calibration,
    Evidence,
    JudgePolicy,
    Look,
    Metric,
    MetricCalibration,
)

STEADY = Calibration(
    metrics=(
        MetricCalibration(metric=Metric.ERRORS, spread=0.0, persistence=0.0),
        MetricCalibration(metric=Metric.SLOW, spread=0.0, persistence=0.0),
    ),
    busy_requests_per_core_s=10.0,
    automatic=True,
)
ARM = ArmLook(
    requests=1200,  # 10 a second and core on 2 cores: the busy hours' load
    errors=12,
    slow=60,
    latency_p99_ms=80.0,
    cpu_share=0.5,
    memory_share=0.6,
    capacity_cores=2.0,
    healthy_targets=2,
    expected_targets=2,
)


@pytest.fixture
def arm() -> ArmLook:
    """One arm in one good minute: 1,200 requests, 1 % failed, 5 % slow."""
    return ARM


@pytest.fixture
def evidence() -> Callable[..., Evidence]:
    """Builds evidence of ``looks`` minutes; fields of either arm may be replaced."""

    def build(
        looks: int = 20,
        canary: dict[str, object] | None = None,
        baseline: dict[str, object] | None = None,
        policy: dict[str, object] | None = None,
        calibration: Calibration = STEADY,
    ) -> Evidence:
        made = tuple(
            Look(
                start_ms=minute * 60_000,
                baseline=ARM.model_copy(update=baseline or {}),
                canary=ARM.model_copy(update=canary or {}),
            )
            for minute in range(looks)
        )
        return Evidence(
            looks=made,
            policy=JudgePolicy(**(policy or {})),
            calibration=calibration,
            now_ms=looks * 60_000 + 5_000,
        )

    return build
