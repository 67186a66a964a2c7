"""Usage after sizing: hours move to the new type, everything else stays."""

from __future__ import annotations

import numpy as np

from rightsizing.decide.commitments.sizing import after_sizing
from rightsizing.model.hourlyusage import Sku, Usage
from rightsizing.model.release import Release
from rightsizing.model.size import FleetSize

BEFORE = FleetSize(instance_type="m5.2xlarge", min_instances=4, max_instances=8)
AFTER = FleetSize(instance_type="m7g.large", min_instances=2, max_instances=8)
RELEASE = Release(baseline={"web": BEFORE}, phases={"2": {"web": AFTER}})
WEB = Sku("m5.2xlarge", "us-east-1", 0.384, workload="web")
DRIFTED = Sku("c5.large", "us-east-1", 0.085, workload="web")
OTHER = Sku("m5.2xlarge", "us-east-1", 0.384)


def price(name: str, region: str) -> float | None:
    """Only m7g.large has a price."""
    return 0.0816 if (name, region) == ("m7g.large", "us-east-1") else None


def test_hours_move_in_proportion() -> None:
    """4 instances become 2 of the new type; unknown workloads and other types stay, with a note."""
    usage = Usage((WEB, DRIFTED, OTHER), np.array([[4.0, 1.0, 3.0], [6.0, 1.0, 3.0]]))
    found = after_sizing(usage, RELEASE, price)
    assert [sku.name for sku in found.usage.skus] == ["m7g.large", "c5.large", "m5.2xlarge"]
    assert found.usage.quantity.tolist() == [[2, 1, 3], [3, 1, 3]]
    assert found.moved == ("web",)
    assert "web ran c5.large" in found.notes[0]


def test_an_earlier_phase_changes_nothing_yet() -> None:
    """The size changes in phase 2."""
    usage = Usage((WEB,), np.array([[4.0]]))
    assert after_sizing(usage, RELEASE, price, phase=1).usage.skus == (WEB,)


def test_without_a_price_hours_are_kept() -> None:
    """Said, not lost."""
    usage = Usage((WEB,), np.array([[4.0]]))
    found = after_sizing(usage, RELEASE, lambda name, region: None)
    assert found.usage.skus == (WEB,)
    assert "has no price" in found.notes[0]
