"""The judge tried on a service's own past."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from rightsizing.model.base import NoData
from rightsizing.model.verdict import JudgePolicy, Metric, MetricCalibration
from rightsizing.rollout.judge.calibration import Share, busy_load, calibrate, simulate_ratio
from rightsizing.rollout.judge.likelihood import ArmNoise
from rightsizing.rollout.judge.noise import CountHistory
from rightsizing.rollout.judge.outlook import outlook

POLICY = JudgePolicy(required=(Metric.ERRORS,), horizon_looks=60)
STEADY = MetricCalibration(metric=Metric.ERRORS, spread=0.0, persistence=0.0)


@pytest.fixture(autouse=True)
def _fewer_simulations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rightsizing.rollout.judge.calibration.SIMULATIONS", 400)
    monkeypatch.setattr("rightsizing.rollout.judge.outlook.SIMULATIONS", 200)


def _history(looks: int, shift: float = 0.0, seed: int = 1) -> CountHistory:
    rng = np.random.default_rng(seed)
    requests = np.full(looks, 2000.0)
    second_half = np.arange(looks) >= looks // 2
    return CountHistory(
        rng.poisson(40 * np.exp(shift * second_half)).astype(np.float64),
        requests,
        rng.poisson(40.0, looks).astype(np.float64),
        requests,
    )


def test_a_steady_service_may_be_automatic() -> None:
    """50 windows, either arm as the canary: 100 replays; harm is found, more of it sooner."""
    calibration, (replay,) = calibrate(
        {Metric.ERRORS: _history(3000)},
        {},
        POLICY,
        busy_requests_per_core_s=10.0,
        rng=np.random.default_rng(2),
    )
    assert calibration.automatic
    assert replay.false_alarms.trials == 100
    minutes = [item.mean_looks for item in replay.detections]
    assert minutes == sorted(minutes, reverse=True)
    assert replay.detections[-1].rolled_back.value == 1.0


def test_arms_that_differ_by_themselves_refuse_automatic_mode() -> None:
    """In the second half one arm fails 1.6 times as often: the first half's noise does not fit."""
    calibration, _ = calibrate(
        {Metric.ERRORS: _history(3000, shift=0.5)},
        {},
        POLICY,
        busy_requests_per_core_s=10.0,
        rng=np.random.default_rng(2),
    )
    assert not calibration.automatic
    assert "of 100 replays of equal arms" in calibration.refusals[0]


def test_a_past_unlike_the_model_raises_the_thresholds() -> None:
    """The arms that differ in the second half: no replay alarms at the raised threshold's share."""
    _, (replay,) = calibrate(
        {Metric.ERRORS: _history(3000, shift=0.5)},
        {},
        POLICY,
        busy_requests_per_core_s=10.0,
        rng=np.random.default_rng(2),
    )
    assert replay.false_alarms.value > 0.05
    assert replay.detections[0].rolled_back.value <= 0.05
    assert replay.fitted.harm_evidence_at(0.05, 60) > 20.0


def test_bursts_refuse_automatic_mode() -> None:
    """One minute in fifty an arm fails 20 times as often: no Gaussian noise, and found out."""
    rng = np.random.default_rng(6)
    requests = np.full(6000, 20_000.0)
    arms = [rng.poisson(200 * np.where(rng.random(6000) < 0.02, 20.0, 1.0)) for _ in range(2)]
    first, second = (arm.astype(np.float64) for arm in arms)
    calibration, (replay,) = calibrate(
        {Metric.ERRORS: CountHistory(first, requests, second, requests)},
        {},
        POLICY,
        busy_requests_per_core_s=10.0,
        rng=np.random.default_rng(2),
    )
    assert not calibration.automatic
    assert replay.false_alarms.value > POLICY.alpha_each


def test_short_or_absent_history_refuses_automatic_mode() -> None:
    """Ten windows prove nothing; slow requests and busy hours are not known at all."""
    policy = JudgePolicy(horizon_looks=60)
    calibration, _ = calibrate(
        {Metric.ERRORS: _history(600)},
        {},
        policy,
        busy_requests_per_core_s=None,
        rng=np.random.default_rng(2),
    )
    reasons = " ".join(calibration.refusals)
    assert "20 past windows" in reasons
    assert "slow has no history" in reasons
    assert "busy hours" in reasons


def test_no_history_at_all_is_refused_not_crashed() -> None:
    """Not one whole window."""
    calibration, _ = calibrate(
        {Metric.ERRORS: _history(10)},
        {Metric.LATENCY_P99: np.full(10, np.nan)},
        POLICY,
        busy_requests_per_core_s=10.0,
        rng=np.random.default_rng(2),
    )
    assert not calibration.automatic


def test_a_gauge_is_calibrated_too() -> None:
    """Wander of 10 % that persists, replayed without alarm; doubling is found."""
    rng = np.random.default_rng(3)
    log_ratio = simulate_ratio(ArmNoise(0.1, 0.8), 3000, 1, rng)[:, 0]
    policy = JudgePolicy(required=(Metric.LATENCY_P99,), horizon_looks=60)
    calibration, (replay,) = calibrate(
        {}, {Metric.LATENCY_P99: log_ratio}, policy, busy_requests_per_core_s=10.0, rng=rng
    )
    assert calibration.automatic
    assert replay.detections[-1].rolled_back.value == 1.0


def test_the_threshold_is_for_its_alpha_and_horizon_only() -> None:
    """Past the horizon, or for a stricter alpha, it is 1 / alpha again."""
    fitted = STEADY.model_copy(update={"harm_evidence": 9.0, "alpha": 0.05, "horizon_looks": 60})
    assert fitted.harm_evidence_at(0.05, 60) == 9.0
    assert fitted.harm_evidence_at(0.05, 61) == 20.0
    assert fitted.harm_evidence_at(0.025, 60) == 40.0
    raised = fitted.model_copy(update={"harm_evidence": 90.0, "safe_evidence": 300.0})
    assert raised.harm_evidence_at(0.05, 61) == 90.0
    assert raised.safe_evidence_at(0.01) == 300.0
    assert fitted.safe_evidence_at(0.01) == 100.0


@pytest.mark.parametrize(("hits", "trials"), [(0, 84), (3, 84), (84, 84)])
def test_shares_carry_exact_intervals(hits: int, trials: int) -> None:
    """Against scipy's exact binomial interval."""
    expected = binomtest(hits, trials).proportion_ci(0.95, "exact")
    assert Share(hits, trials).interval == pytest.approx((expected.low, expected.high))


def test_busy_load_is_the_top_of_the_minutes() -> None:
    """999 quiet minutes of 1,000 and one of 100 give a p99.9 between; nothing gives no data."""
    load = busy_load(np.concatenate([np.ones(9990), np.full(10, 100.0)]))
    assert isinstance(load, float)
    assert 1.0 <= load <= 100.0
    assert isinstance(busy_load(np.array([np.nan])), NoData)


def test_the_outlook_shortens_with_traffic() -> None:
    """10 times the events need fewer minutes; hardly any never suffice."""
    rng = np.random.default_rng(4)
    few, some, many = (outlook(n, n, STEADY, POLICY, rng) for n in (0.5, 20.0, 200.0))
    assert not few.traffic_suffices
    assert many.traffic_suffices
    assert isinstance(some.promote_median_looks, float)
    assert isinstance(many.promote_median_looks, float)
    assert many.promote_median_looks < some.promote_median_looks


def test_the_outlook_counts_wrong_promotions() -> None:
    """At x1.25, the margin, at most the 99.9 % bound of 0.7 % of 200 is promoted."""
    found = outlook(50.0, 50.0, STEADY, POLICY, np.random.default_rng(5))
    at_margin = next(item for item in found.detections if item.ratio == 1.25)
    assert at_margin.promoted.hits <= 6
