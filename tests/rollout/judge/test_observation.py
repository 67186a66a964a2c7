"""From targets to arms to arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.model.verdict import ArmLook, Evidence, Metric
from rightsizing.rollout.judge.observation import arm_counts, merge_targets, ordered

TARGETS = st.lists(
    st.builds(
        ArmLook,
        requests=st.integers(0, 1000),
        errors=st.integers(0, 10),
        cpu_share=st.floats(0, 1),
        capacity_cores=st.floats(0.5, 64),
        clock_ms=st.integers(0, 10**6),
    ),
    min_size=1,
    max_size=5,
)


@given(TARGETS, st.randoms(use_true_random=False))
def test_the_order_of_targets_does_not_matter(targets: list[ArmLook], random) -> None:
    """Any order gives exactly the same look."""
    shuffled = list(targets)
    random.shuffle(shuffled)
    assert merge_targets(shuffled) == merge_targets(targets)


def test_cpu_is_weighted_by_capacity(arm: ArmLook) -> None:
    """1 core at 20 % and 3 cores at 60 %: 2 of 4 cores, 50 %."""
    small = arm.model_copy(update={"cpu_share": 0.2, "capacity_cores": 1.0})
    large = arm.model_copy(update={"cpu_share": 0.6, "capacity_cores": 3.0})
    merged = merge_targets([small, large])
    assert merged.cpu_share is not None
    assert abs(merged.cpu_share - 0.5) < 1e-12
    assert merged.capacity_cores == 4.0


def test_a_figure_one_target_lacks_the_arm_lacks(arm: ArmLook) -> None:
    """A sum over the others would be too small."""
    silent = arm.model_copy(update={"errors": None})
    assert merge_targets([arm, silent]).errors is None
    assert merge_targets([arm, silent]).requests == 2400


def test_no_targets_measure_nothing() -> None:
    """Not zero requests: none known."""
    assert merge_targets([]).requests is None


def test_looks_are_taken_by_time_and_corrected(evidence: Callable[..., Evidence]) -> None:
    """Late and repeated looks fall into place; of two for one minute the later counts."""
    looks = evidence(3).looks
    corrected = looks[1].model_copy(update={"canary_weight": 0.25})
    assert ordered((looks[2], looks[0], looks[1], corrected)) == (looks[0], corrected, looks[2])


def test_looks_without_data_in_both_arms_are_left_out(evidence: Callable[..., Evidence]) -> None:
    """No requests counted, none served, or no error count: nothing to compare."""
    looks = evidence(1).looks
    for gap in ({"requests": None}, {"requests": 0}, {"errors": None}):
        broken = looks[0].model_copy(update={"canary": looks[0].canary.model_copy(update=gap)})
        counts = arm_counts((*looks, broken), Metric.ERRORS)
        assert counts.canary_events.tolist() == [12.0]
        assert np.array_equal(counts.log_odds, [0.0])
