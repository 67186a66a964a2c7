"""A staging stack that mirrors production, and a pass there as a condition."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.errors import ConfigError, PlanRejected
from rightsizing.model.base import NoData
from rightsizing.model.loadrecord import LoadRecord, LoadVerdict
from rightsizing.model.release import Release
from rightsizing.model.size import ContainerSize
from rightsizing.rollout.staging import (
    AppliedRelease,
    Mirror,
    StagingEvidence,
    StagingPass,
    compare_stacks,
    passed_staging,
    require_staging_pass,
    staging_values,
)
from rightsizing.rollout.stagingrecord import read_staging, write_load
from rightsizing.stack.driver import StackRef

RELEASE = Release(
    baseline={"web": ContainerSize(cpu_millicores=1000, memory_mib=128)},
    phases={"1": {"web": ContainerSize(cpu_millicores=500, memory_mib=128)}},
)
PRODUCTION: dict[str, Any] = {
    "rightsizing:region": "us-east-1",
    "rightsizing:network": {"vpc_id": "vpc-1", "subnet_ids": ["subnet-1"], "cidr": "10.0.0.0/16"},
    "rightsizing:tags": {"environment": "prod"},
    "rightsizing:release": {"version": 1},
    "rightsizing:phase": 2,
    "rightsizing:containers": {
        "web": {
            "size": {"cpu_millicores": 1000, "memory_mib": 128},
            "image": "web:1",
            "proxy": {"socket": "/run/a.sock", "backend": "web"},
        }
    },
}


def load(**changes: Any) -> LoadRecord:
    values: dict[str, Any] = {
        "at": datetime(2026, 11, 1, tzinfo=UTC),
        "release": RELEASE.id,
        "phase": 1,
        "targets": ("http://old", "http://new"),
        "normal_rps": 20.0,
        "multiple": 2.0,
        "duration_s": 60.0,
        "requests": 4800,
        "judged": True,
        "verdict": LoadVerdict.PASSED,
        "reason": "within",
    }
    return LoadRecord(**{**values, **changes})


def evidence(**changes: Any) -> StagingEvidence:
    values: dict[str, Any] = {
        "stack": "staging",
        "mirror": Mirror(()),
        "applied": (AppliedRelease(RELEASE.id, 1, True),),
        "loads": (load(),),
    }
    return StagingEvidence(**{**values, **changes})


def test_a_new_staging_stack_mirrors_production() -> None:
    """Its values and release; neither production's phase nor its network."""
    values = staging_values(PRODUCTION)
    assert values["rightsizing:network"] == {"cidr": "10.0.0.0/16"}
    assert "rightsizing:phase" not in values
    assert compare_stacks(PRODUCTION, values).forbidden == ()
    assert values["rightsizing:release"] == PRODUCTION["rightsizing:release"]


def test_a_staging_stack_keeps_what_is_its_own() -> None:
    """Region, proxy and phase stay; a size that was changed there is production's again."""
    own = {
        **PRODUCTION,
        "rightsizing:region": "eu-west-1",
        "rightsizing:phase": 1,
        "rightsizing:containers": {
            "web": {
                "size": {"cpu_millicores": 4000, "memory_mib": 128},
                "image": "web:2",
                "proxy": {"socket": "/run/staging.sock", "backend": "web"},
            }
        },
    }
    forbidden = {item.path for item in compare_stacks(PRODUCTION, own).forbidden}
    assert forbidden == {
        "rightsizing:containers.web.size.cpu_millicores",
        "rightsizing:containers.web.image",
    }
    values = staging_values(PRODUCTION, own)
    assert (values["rightsizing:region"], values["rightsizing:phase"]) == ("eu-west-1", 1)
    assert values["rightsizing:containers"]["web"] == {
        "size": {"cpu_millicores": 1000, "memory_mib": 128},
        "image": "web:1",
        "proxy": {"socket": "/run/staging.sock", "backend": "web"},
    }
    assert compare_stacks(PRODUCTION, values).forbidden == ()


JSON_VALUES = st.recursive(
    st.integers() | st.text(max_size=3) | st.booleans(),
    lambda inner: st.dictionaries(st.sampled_from(["size", "proxy", "tags", "x"]), inner),
    max_leaves=8,
)
STACKS = st.dictionaries(
    st.sampled_from(["rightsizing:containers", "rightsizing:region", "rightsizing:phase", "a:b"]),
    JSON_VALUES,
)


@given(STACKS, STACKS)
def test_what_was_written_always_mirrors(production: Any, own: Any) -> None:
    """Whatever both stacks held before, and writing again changes nothing."""
    values = staging_values(production, own)
    assert compare_stacks(production, values).forbidden == ()
    assert staging_values(production, values) == values


@given(STACKS)
def test_a_stack_does_not_differ_from_itself(values: Any) -> None:
    """No difference at all."""
    assert compare_stacks(values, values).differences == ()


def test_a_pass_names_its_load_test() -> None:
    """Applied with success, and load-tested at twice the normal volume."""
    found = require_staging_pass(evidence(), RELEASE, 1)
    assert isinstance(found, StagingPass)
    assert "4800 requests at 2 times normal volume" in found.sentence


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"applied": ()}, "was never applied in stack staging"),
        ({"applied": (AppliedRelease(RELEASE.id, 2, True),)}, "was never applied"),
        (
            {
                "applied": (
                    AppliedRelease(RELEASE.id, 1, True),
                    AppliedRelease(RELEASE.id, 1, False, "rolled back"),
                )
            },
            "did not pass in stack staging: rolled back",
        ),
        ({"loads": ()}, "was not load-tested in stack staging at 2 times"),
        ({"loads": (load(multiple=1.5),)}, "was not load-tested"),
        ({"loads": (load(judged=False),)}, "against a limit or an old target"),
        ({"loads": (load(release="0" * 64),)}, "was not load-tested"),
        (
            {"loads": (load(), load(verdict=LoadVerdict.REGRESSED, reason="p99 x2"))},
            "is regressed: p99 x2",
        ),
        ({"loads": (load(verdict=LoadVerdict.INCONCLUSIVE, reason="few"),)}, "is inconclusive"),
        ({"damaged": ("0001.json cannot be read",)}, "are damaged: 0001.json"),
    ],
)
def test_what_has_not_passed_may_not_begin(changes: dict[str, Any], why: str) -> None:
    """The newest word counts, and the sentence says what to run."""
    found = passed_staging(evidence(**changes), RELEASE, 1)
    assert isinstance(found, NoData)
    assert why in found.reason
    with pytest.raises(PlanRejected, match="nothing was changed"):
        require_staging_pass(evidence(**changes), RELEASE, 1)


def test_no_mirror_is_no_pass() -> None:
    """However good its tests: they were of something else."""
    mirror = compare_stacks(PRODUCTION, {**PRODUCTION, "rightsizing:release": None})
    with pytest.raises(ConfigError, match="does not mirror production: rightsizing:release"):
        require_staging_pass(evidence(mirror=mirror), RELEASE, 1)


def test_load_tests_are_read_from_the_stacks_records(tmp_path: Path) -> None:
    """Oldest first; a damaged file is said, and keeps anything from passing."""
    for stack in ("prod", "staging"):
        (tmp_path / f"Pulumi.{stack}.yaml").write_text("config: {}\n")
    production = StackRef(tmp_path, "proj", "prod")
    staging = StackRef(tmp_path, "proj", "staging")
    later = load(at=datetime(2026, 11, 2, tzinfo=UTC), phase=2)
    write_load(staging, later)
    path = write_load(staging, load())
    found = read_staging(production, "staging")
    assert (found.loads, found.damaged, found.mirror.differences) == ((load(), later), (), ())
    path.write_text("{")
    assert len(read_staging(production, "staging").damaged) == 1
