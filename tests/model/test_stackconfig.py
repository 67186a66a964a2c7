"""Stack configuration: parsed once for program and tool; mistakes name the key."""

from __future__ import annotations

from typing import Any

import pytest

from rightsizing.errors import ConfigError
from rightsizing.model.declaration import parse_declaration
from rightsizing.model.release import Release
from rightsizing.model.size import ContainerSize, FleetSize
from rightsizing.model.stackconfig import parse_stack_sizing

BIG = FleetSize(instance_type="m5.2xlarge", min_instances=2, max_instances=6)
SMALL = FleetSize(instance_type="m5.large", min_instances=2, max_instances=6)
RELEASE = Release(baseline={"web": BIG}, phases={"1": {"web": SMALL}}).model_dump(mode="json")
LIVE_SMALL = {"fleets": {"web": {"live": "b", "b": {"size": SMALL.model_dump(), "weight": 100}}}}


def sizing(**values: Any) -> Any:
    """Parse the three keys given by their short names."""
    return parse_stack_sizing({f"rightsizing:{key}": value for key, value in values.items()})


def test_without_keys_the_declared_size_applies() -> None:
    """No release: the program's own default, unchanged."""
    assert sizing().size_of("web", BIG) == BIG


def test_the_release_at_the_phase_applies() -> None:
    """Phase 1 of the release wins over the declared size."""
    assert sizing(release=RELEASE, phase=1, rollout=LIVE_SMALL).size_of("web", BIG) == SMALL
    assert sizing(release=RELEASE, phase="0").size_of("web", SMALL) == BIG


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"phase": -1}, ["rightsizing:phase is -1", "0 to 9"]),
        ({"phase": "soon"}, ["rightsizing:phase is 'soon'"]),
        ({"phase": True}, ["rightsizing:phase is True"]),
        ({"phase": 1}, ["rightsizing:phase is 1", "rightsizing:release is not set"]),
        ({"release": 7}, ["rightsizing:release", "7"]),
        ({"release": {"baseline": {"web": {"kind": "fleet"}}}}, ["release.baseline.web"]),
        (
            {"release": {"baseline": {"web": {**BIG.model_dump(), "instance_type": "huge"}}}},
            ["instance_type", "'huge'"],
        ),
        ({"rollout": {"fleets": {"web": {"live": "c"}}}}, ["rollout.fleets.web.live", "'c'"]),
        ({"rollout": {"fleets": {"web": {"live": "a"}}}}, ["live slot a has no size"]),
        (
            {"release": RELEASE, "phase": 0, "rollout": LIVE_SMALL},
            ["live slot b", "m5.2xlarge", "rightsize plan --phase 0"],
        ),
    ],
)
def test_nonsense_is_one_sentence_naming_the_key(values: dict[str, Any], words: list[str]) -> None:
    """Each hand-made mistake says which key, which value and what to do."""
    with pytest.raises(ConfigError) as error:
        sizing(**values)
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_a_release_of_another_kind_is_refused() -> None:
    """A fleet's size cannot be given to a container."""
    with pytest.raises(ConfigError, match="gives web a fleet size"):
        sizing(release=RELEASE).size_of("web", ContainerSize(cpu_millicores=100, memory_mib=64))


def test_a_workload_declared_twice_is_refused() -> None:
    """Keys are unique over fleets, services and containers."""
    size = {"cpu_millicores": 100, "memory_mib": 64}
    with pytest.raises(ConfigError, match="'web' is declared twice"):
        parse_declaration(
            {
                "rightsizing:fleets": {"web": {"size": BIG.model_dump(), "ami": {"x86_64": "ami"}}},
                "rightsizing:containers": {"web": {"size": size, "image": "busybox"}},
            }
        )


def test_a_typo_in_a_declaration_names_the_field() -> None:
    """Unknown keys are refused, not ignored."""
    with pytest.raises(ConfigError, match=r"rightsizing\.fleets\.web\.targt_cpu_pct"):
        parse_declaration(
            {
                "rightsizing:fleets": {
                    "web": {"size": BIG.model_dump(), "ami": {"x86_64": "a"}, "targt_cpu_pct": 1}
                }
            }
        )
