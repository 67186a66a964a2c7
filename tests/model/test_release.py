"""Release: canonical bytes, identity, cumulative phases, the size limit."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rightsizing.errors import ReleaseTooLarge
from rightsizing.model.release import MAX_RELEASE_BYTES, Release
from rightsizing.model.size import ContainerSize, FleetSize

BIG = FleetSize(instance_type="m5.2xlarge", min_instances=2, max_instances=6)
SMALL = FleetSize(instance_type="m5.large", min_instances=2, max_instances=6)
OTHER = FleetSize(instance_type="r6g.large", min_instances=2, max_instances=6)
TRADER = ContainerSize(cpu_millicores=16_000, memory_mib=15_667)

sizes = st.builds(
    ContainerSize,
    cpu_millicores=st.integers(10, 64_000),
    memory_mib=st.integers(6, 1_000_000),
)
keys = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
releases = st.builds(
    Release,
    baseline=st.dictionaries(keys, sizes, max_size=4),
    phases=st.dictionaries(
        st.sampled_from("123456789"), st.dictionaries(keys, sizes, max_size=4), max_size=4
    ),
)


def test_id_is_the_sha256_of_sorted_compact_json() -> None:
    """The id is computed here by hand from the documented form."""
    release = Release(baseline={"web": BIG}, phases={"1": {"web": SMALL}})
    by_hand = (
        '{"baseline":{"web":{"instance_type":"m5.2xlarge","kind":"fleet","max_instances":6,'
        '"min_instances":2}},"phases":{"1":{"web":{"instance_type":"m5.large","kind":"fleet",'
        '"max_instances":6,"min_instances":2}}},"version":1}'
    )
    assert release.canonical_json() == by_hand.encode()
    assert release.id == hashlib.sha256(by_hand.encode()).hexdigest()


@given(releases)
def test_round_trip_keeps_the_id(release: Release) -> None:
    """Through JSON and back, in any key order, the id stays."""
    data = json.loads(release.canonical_json())
    shuffled = dict(reversed(list(data.items())))
    assert Release.model_validate(shuffled).id == release.id


@given(releases)
def test_canonical_json_holds_no_floats(release: Release) -> None:
    """Only integers, strings and maps: floats differ between engines."""

    def walk(value: object) -> None:
        assert isinstance(value, int | str | dict)
        if isinstance(value, dict):
            for inner in value.values():
                walk(inner)

    walk(json.loads(release.canonical_json()))


def test_phases_are_cumulative() -> None:
    """A phase keeps what earlier phases decided; phase 0 is the baseline."""
    release = Release(
        baseline={"web": BIG, "trader": TRADER},
        phases={"1": {"web": SMALL}, "3": {"web": OTHER}},
    )
    assert [release.size_at("web", phase) for phase in range(5)] == [
        BIG,
        SMALL,
        SMALL,
        OTHER,
        OTHER,
    ]
    assert release.size_at("trader", 4) == TRADER
    assert release.size_at("unknown", 4) is None
    assert release.last_phase() == 3


@pytest.mark.parametrize("phase", ["0", "10", "x", ""])
def test_other_phase_numbers_are_refused(phase: str) -> None:
    """Phases are 1 to 9."""
    with pytest.raises(ValidationError, match="must be one of 1 to 9"):
        Release(baseline={}, phases={phase: {}})


def test_a_float_is_refused() -> None:
    """2.5 GiB has to be said in MiB."""
    with pytest.raises(ValidationError):
        Release.model_validate(
            {"baseline": {"t": {"kind": "container", "cpu_millicores": 1.5, "memory_mib": 64}}}
        )


def test_a_release_too_large_names_how_to_split() -> None:
    """About 80 bytes a container: 2,000 of them need two stacks of 1,000."""
    names = [f"service-{number:05d}" for number in range(2_000)]
    release = Release(baseline=dict.fromkeys(names, TRADER))
    size_bytes = len(release.canonical_json())
    parts = -(-size_bytes // MAX_RELEASE_BYTES)
    assert parts > 1
    with pytest.raises(ReleaseTooLarge, match=f"split the stack into {parts} of at most") as error:
        release.require_fits()
    assert f"{size_bytes:,} bytes for 2000 workloads" in str(error.value)
    assert "98,304" in str(error.value)
