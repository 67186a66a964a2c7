"""The small pure functions under the components."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.components.containers import docker_cpus
from infra.components.naming import MAX_STEM, resource_stem, stack_scoped
from infra.components.network import default_zones, subnet_blocks
from infra.images import architecture_of, image_for
from rightsizing.errors import ConfigError
from rightsizing.model.workload import Architecture

KEYS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}", fullmatch=True)


@given(st.integers(min_value=10, max_value=1_024_000))
def test_cpus_text_is_exact(millicores: int) -> None:
    """The text read as a decimal is the limit, with no superfluous digit."""
    text = docker_cpus(millicores)
    assert Decimal(text) * 1000 == millicores
    assert not (("." in text) and text.endswith(("0", ".")))


@pytest.mark.parametrize(
    ("millicores", "text"), [(16_000, "16"), (1_750, "1.75"), (10, "0.01"), (1_000_000, "1000")]
)
def test_cpus_text(millicores: int, text: str) -> None:
    """As typed after --cpus."""
    assert docker_cpus(millicores) == text


@pytest.mark.parametrize(
    ("instance_type", "architecture"),
    [
        ("m7g.large", "arm64"),
        ("r6gd.xlarge", "arm64"),
        ("c7gn.metal", "arm64"),
        ("t4g.nano", "arm64"),
        ("a1.medium", "arm64"),
        ("im4gn.large", "arm64"),
        ("g5g.xlarge", "arm64"),
        ("g5.xlarge", "x86_64"),
        ("g6e.xlarge", "x86_64"),
        ("m5.2xlarge", "x86_64"),
        ("m7i-flex.large", "x86_64"),
        ("u-6tb1.metal", "x86_64"),
    ],
)
def test_architecture_from_the_name(instance_type: str, architecture: str) -> None:
    """The processor letter follows the generation."""
    assert architecture_of(instance_type) == architecture


def test_architecture_agrees_with_the_specifications() -> None:
    """Against DescribeInstanceTypes of all types; mac2 is Apple silicon and runs no fleet."""
    folder = os.environ.get("RIGHTSIZING_DATA")
    if not folder:
        pytest.skip("RIGHTSIZING_DATA is not set")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(Path(folder) / "prices" / "ec2_specs.parquet").to_pylist()
    wrong = [
        row["instance_type"]
        for row in table
        if not row["instance_type"].startswith("mac")
        and architecture_of(row["instance_type"]).value not in str(row["arch"])
    ]
    assert len(table) > 1000
    assert wrong == []


def test_missing_image_is_named() -> None:
    """The message names the key to add and what is there."""
    with pytest.raises(ConfigError, match=r"fleets\.api\.ami has no arm64 image.*x86_64"):
        image_for("api", "m7g.large", {Architecture.X86_64: "ami-1"})


@given(KEYS)
def test_stem_is_a_valid_name(key: str) -> None:
    """Letters, digits and inner hyphens, short enough for a load balancer with affixes."""
    stem = resource_stem(key)
    assert 0 < len(stem) <= MAX_STEM
    assert stem.replace("-", "").isalnum()
    assert not stem.startswith("-")
    assert not stem.endswith("-")


@given(st.sets(KEYS, min_size=2, max_size=6))
def test_different_keys_have_different_stems(keys: set[str]) -> None:
    """A cleaned or shortened key carries a digest of the whole."""
    assert len({resource_stem(key) for key in keys}) == len(keys)


@pytest.mark.parametrize(
    ("key", "stem"),
    [
        ("news-api", "news-api"),
        ("team/news.api", "team-news-api-e7f6"),
        ("a-rather-long-name-of-a-service", "a-rather-long-na-1b5d"),
    ],
)
def test_stem_table(key: str, stem: str) -> None:
    """The worked values of the docstring."""
    assert resource_stem(key) == stem


def test_scoped_name_has_only_safe_characters() -> None:
    """Dashboards and task families accept letters, digits, hyphens and underscores."""
    assert stack_scoped("api", "my.project", "org/dev") == "my-project-org-dev-api"


@pytest.mark.parametrize(
    ("cidr", "count", "blocks"),
    [
        # 16 blocks of a /16 are /20s: 4,096 addresses apart, so .0.0, .16.0, .32.0
        ("10.42.0.0/16", 3, ("10.42.0.0/20", "10.42.16.0/20", "10.42.32.0/20")),
        ("10.0.0.0/24", 2, ("10.0.0.0/28", "10.0.0.16/28")),
    ],
)
def test_subnet_blocks(cidr: str, count: int, blocks: tuple[str, ...]) -> None:
    """Equal, in order, and stable: adding a zone moves no earlier subnet."""
    assert subnet_blocks(cidr, count) == blocks


@pytest.mark.parametrize("cidr", ["10.42.0.1/16", "ten", "10.0.0.0/25", "::/0"])
def test_bad_cidr_names_the_key(cidr: str) -> None:
    """Host bits set, nonsense, too small, IPv6."""
    with pytest.raises(ConfigError, match=r"rightsizing:network\.cidr"):
        subnet_blocks(cidr, 2)


def test_default_zones() -> None:
    """Named, not looked up."""
    assert default_zones("eu-west-1") == ("eu-west-1a", "eu-west-1b")
