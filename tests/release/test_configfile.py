"""Pulumi.<stack>.yaml: read as the program reads it, written without touching anything else."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.errors import ConfigError, ReleaseTooLarge, StackError, StackMissing
from rightsizing.model.release import Release
from rightsizing.model.rollout import FleetRollout, RolloutState, Slot, SlotState
from rightsizing.model.size import ContainerSize, FleetSize
from rightsizing.model.stackconfig import StackSizing, parse_stack_sizing
from rightsizing.stack import durable
from rightsizing.stack.configfile import MASK, StackFile, sizing_values
from rightsizing.stack.yamltext import read_yaml

OLD = FleetSize(instance_type="m5.xlarge", min_instances=2, max_instances=6)
NEW = FleetSize(instance_type="m7g.large", min_instances=2, max_instances=6)
DECLARED = StackSizing(None, 0, RolloutState())

HAND_WRITTEN = """\
# who owns this: the platform team
encryptionsalt: v1:abc=:v1:def:xyz==
config:
  aws:region: "us-east-1"   # quoted on purpose
  rightsizing:fleets:
      web:
          size: {kind: fleet, instance_type: m5.xlarge, min_instances: 2, max_instances: 6}
          ami: {x86_64: ami-0abc}
  # the database password
  app:password:
    secure: v1:ciphertext==
  app:zones:
  - us-east-1a
  - us-east-1b
  # the end
"""


def sizing(phase: int = 1, *, live: Slot = Slot.B) -> StackSizing:
    """Phase 1 moves fleet web from slot a to b."""
    release = Release(baseline={"web": OLD}, phases={"1": {"web": NEW}})
    if phase == 0:
        rollout = RolloutState()
    else:
        rollout = RolloutState(
            fleets={
                "web": FleetRollout(
                    live=live,
                    a=SlotState(size=OLD, weight=0),
                    b=SlotState(size=NEW, weight=100),
                )
            }
        )
    return StackSizing(release, phase, rollout)


@pytest.fixture
def stack_file(tmp_path: Path) -> Path:
    """A file with comments, quotes, a secret and a list, written by hand."""
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(HAND_WRITTEN)
    return path


def test_writing_keeps_every_other_byte(stack_file: Path) -> None:
    """The three keys are added; nothing else in the file differs by a byte."""
    StackFile.load(stack_file).write_sizing(sizing())
    text = stack_file.read_text()
    start = text.index("\n  rightsizing:release:")
    end = text.index("\n  # the end")
    assert text[:start] + text[end:] == HAND_WRITTEN


def test_what_is_written_is_read_back(stack_file: Path) -> None:
    """Reading a written file gives the same sizing."""
    StackFile.load(stack_file).write_sizing(sizing())
    assert StackFile.load(stack_file).sizing() == sizing()


def test_a_second_write_of_the_same_touches_nothing(stack_file: Path) -> None:
    """Writing what the file says already leaves the file alone, its time too."""
    first = StackFile.load(stack_file).write_sizing(sizing())
    os.utime(stack_file, (1, 1))
    first.write_sizing(sizing())
    assert stack_file.stat().st_mtime == 1


def test_a_phase_change_changes_one_line(stack_file: Path) -> None:
    """Only lines whose value changes are rewritten, so that the diff shows what happens."""
    before = StackFile.load(stack_file).write_sizing(sizing(1))
    release = before.sizing().release
    after = before.write_sizing(StackSizing(release, 2, before.sizing().rollout))
    changed = set(after.text.splitlines()) ^ set(before.text.splitlines())
    assert changed == {"  rightsizing:phase: 1", "  rightsizing:phase: 2"}


def test_comments_inside_the_sizing_keys_stay(stack_file: Path) -> None:
    """A comment beside a value that stays is kept, even inside a key that changes."""
    StackFile.load(stack_file).write_sizing(sizing())
    text = stack_file.read_text().replace("live: b", "live: b  # since Monday")
    text = text.replace("rightsizing:rollout:", "rightsizing:rollout:  # written by the tool")
    stack_file.write_text(text)
    moved = RolloutState(
        fleets={
            "web": FleetRollout(
                live=Slot.B, a=SlotState(size=OLD, weight=5), b=SlotState(size=NEW, weight=95)
            )
        }
    )
    written = StackFile.load(stack_file).write_sizing(StackSizing(sizing().release, 1, moved))
    assert "live: b  # since Monday" in written.text
    assert "rightsizing:rollout:  # written by the tool" in written.text
    assert StackFile.load(stack_file).sizing().rollout == moved


def test_going_back_to_declared_sizes_removes_the_keys(stack_file: Path) -> None:
    """With no release the file is as it was before the first plan."""
    StackFile.load(stack_file).write_sizing(sizing()).write_sizing(DECLARED)
    assert stack_file.read_text() == HAND_WRITTEN


def test_secrets_are_masked_and_kept(stack_file: Path) -> None:
    """Ciphertext never comes out of values(), and stays in the file."""
    loaded = StackFile.load(stack_file)
    assert loaded.values()["app:password"] == MASK
    assert "ciphertext" not in repr(loaded.values())
    loaded.write_sizing(sizing())
    assert "    secure: v1:ciphertext==\n" in stack_file.read_text()


def test_values_are_structured(stack_file: Path) -> None:
    """Maps, lists, integers and strings come out as a program gets them."""
    values = StackFile.load(stack_file).values()
    assert values["rightsizing:fleets"]["web"]["size"]["min_instances"] == 2
    assert values["app:zones"] == ["us-east-1a", "us-east-1b"]
    assert values["aws:region"] == "us-east-1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yes", "yes"),  # a string to yaml.v3, as to YAML 1.2
        ("true", True),
        ("010", 8),  # yaml.v3 keeps the old octal form
        ("0x10", 16),
        ("1e3", 1000),
        ("1.5", 1.5),
        ("~", None),
        ("'1'", "1"),
        ("2020-01-01", "2020-01-01"),
    ],
)
def test_scalars_read_as_the_pulumi_cli_reads_them(text: str, expected: object) -> None:
    """The figures were printed by `pulumi config --json` of CLI 3.260.0 (dates aside)."""
    found = read_yaml(f"key: {text}\n", "file")["key"]
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing yet\n",
        "encryptionsalt: v1:x\n",
        "config:\n",
        "config: {}\n",
        "config: # later\n",
        "config: {aws:region: us-east-1, a:b: [1, 2]}\nencryptionsalt: v1:x\n",
        "config:\n  a:b: 1",
        "config:\r\n  a:b: 1\r\n  c:d: |\r\n    text\r\n",
        "config:\n  base: &base {x: 1}\n  a:b: *base\n",
        'config:\n    "rightsizing:phase": "0"\n    a:b: |-\n      last\n',
    ],
    ids=range(11),
)
def test_any_layout_can_be_written(tmp_path: Path, text: str) -> None:
    """Empty, braces, no last line break, Windows line ends, anchors, block text."""
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_bytes(text.encode())
    others = {k: v for k, v in StackFile.load(path).values().items() if "rightsizing" not in k}
    StackFile.load(path).write_sizing(sizing())
    assert StackFile.load(path).sizing() == sizing()
    StackFile.load(path).write_sizing(DECLARED)
    assert StackFile.load(path).sizing() == DECLARED
    assert StackFile.load(path).values() == others
    assert ("\r\n" in path.read_bytes().decode()) == ("\r\n" in text)


def test_the_mode_and_a_link_are_kept(tmp_path: Path) -> None:
    """A private file stays private, and a linked file stays a link."""
    real = tmp_path / "real.yaml"
    real.write_text("config: {}\n")
    real.chmod(0o600)
    link = tmp_path / "Pulumi.dev.yaml"
    link.symlink_to(real)
    StackFile.load(link).write_sizing(sizing())
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert StackFile.load(real).sizing() == sizing()


def test_a_missing_file_names_the_stacks_there_are(tmp_path: Path) -> None:
    """The message lists the stacks that have a file."""
    (tmp_path / "Pulumi.dev.yaml").touch()
    (tmp_path / "Pulumi.prod.eu.yaml").touch()
    with pytest.raises(StackMissing, match=r"'qa' has no Pulumi.qa.yaml .*: dev, prod.eu\)"):
        StackFile.load(tmp_path / "Pulumi.qa.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config:\n  a: [1\n", r"line 3 is not valid YAML"),
        ("config:\n\ta: 1\n", r"line 2 is not valid YAML"),
        ("config:\n  a: 1\n  a: 2\n", r"line 3: key 'a' is given twice"),
        ("config: 7\n", r"'config' must be a mapping"),
        ("- a\n", r"'config' must be a mapping"),
        ("config:\n  b: \xff\n", r"not UTF-8"),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    """Invalid YAML names the line; nothing is a traceback."""
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=message):
        StackFile.load(path)


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("rightsizing:release: nonsense", "rightsizing:release"),
        ("rightsizing:release: {baseline: {web: {kind: fleet}}}", "rightsizing:release.baseline.w"),
        ("rightsizing:phase: lots", "rightsizing:phase is 'lots'"),
        ("rightsizing:phase: 2", "rightsizing:phase is 2 but rightsizing:release is not set"),
        ("rightsizing:rollout: {stepp: x}", "rightsizing:rollout.stepp"),
    ],
)
def test_nonsense_by_hand_names_the_key(tmp_path: Path, line: str, key: str) -> None:
    """An edited key is refused by file, name and value."""
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(f"config:\n  {line}\n")
    with pytest.raises(ConfigError, match=f"Pulumi.dev.yaml: {key}"):
        StackFile.load(path).sizing()


def test_a_file_changed_meanwhile_is_not_overwritten(stack_file: Path) -> None:
    """What another editor saved after load() is never lost."""
    loaded = StackFile.load(stack_file)
    stack_file.write_text(HAND_WRITTEN + "  app:new: 1\n")
    with pytest.raises(ConfigError, match="changed by someone else"):
        loaded.write_sizing(sizing())
    assert "app:new" in stack_file.read_text()


def test_putting_back_restores_every_byte(stack_file: Path) -> None:
    """When only the three keys were written meanwhile, the file is as it was, nonsense too."""
    stack_file.write_text(HAND_WRITTEN + "  rightsizing:phase:   lots  # typed\n")
    loaded = StackFile.load(stack_file)
    loaded.write_sizing(sizing())
    loaded.restored()
    assert stack_file.read_text() == loaded.text


def test_putting_back_keeps_what_others_wrote(stack_file: Path) -> None:
    """The CLI may add its encryption salt between write and restore: only our keys go back."""
    text = HAND_WRITTEN.replace("encryptionsalt: v1:abc=:v1:def:xyz==\n", "")
    stack_file.write_text(text)
    loaded = StackFile.load(stack_file)
    written = loaded.write_sizing(sizing())
    stack_file.write_text(written.text + "encryptionsalt: v1:new==\n")
    loaded.restored()
    assert stack_file.read_text() == text + "encryptionsalt: v1:new==\n"


def test_a_full_disk_leaves_the_file_as_it_was(
    stack_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ENOSPC while writing is one sentence, and no temporary file stays."""

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable.os, "fsync", full)
    with pytest.raises(StackError, match="No space left on device"):
        StackFile.load(stack_file).write_sizing(sizing())
    assert stack_file.read_text() == HAND_WRITTEN
    assert [item.name for item in stack_file.parent.iterdir()] == ["Pulumi.dev.yaml"]


def test_a_release_above_the_limit_is_refused(stack_file: Path) -> None:
    """The 96 KiB limit holds before anything is written."""
    baseline = {f"service-{number:05}": OLD for number in range(1500)}
    with pytest.raises(ReleaseTooLarge):
        StackFile.load(stack_file).write_sizing(
            StackSizing(Release(baseline=baseline), 0, RolloutState())
        )
    assert stack_file.read_text() == HAND_WRITTEN


def test_a_contradiction_is_never_written(stack_file: Path) -> None:
    """A live slot that is not the release's size would stop the program, so it is refused here."""
    with pytest.raises(ConfigError, match="in live slot a"):
        StackFile.load(stack_file).write_sizing(sizing(1, live=Slot.A))


keys = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._/-]{0,12}\Z")
sizes = st.builds(
    ContainerSize,
    cpu_millicores=st.integers(10, 64_000),
    memory_mib=st.integers(6, 1_000_000),
)


@settings(max_examples=40, deadline=None)  # each writes and flushes two files
@given(
    baseline=st.dictionaries(keys, sizes, max_size=4),
    phase1=st.dictionaries(keys, sizes, max_size=4),
    before=st.dictionaries(keys, sizes, max_size=4),
)
def test_any_release_survives_the_file(
    tmp_path_factory: pytest.TempPathFactory,
    baseline: dict[str, ContainerSize],
    phase1: dict[str, ContainerSize],
    before: dict[str, ContainerSize],
) -> None:
    """Workload keys that look like numbers, dates or truth values stay strings."""
    path = tmp_path_factory.mktemp("p") / "Pulumi.dev.yaml"
    path.write_text("config:\n  a:b: 1 # one\n")
    first = StackSizing(Release(baseline=before), 0, RolloutState())
    second = StackSizing(Release(baseline=baseline, phases={"1": phase1}), 1, RolloutState())
    StackFile.load(path).write_sizing(first).write_sizing(second)
    values = StackFile.load(path).values()
    assert parse_stack_sizing(values) == second
    assert (
        json.loads(json.dumps(values["rightsizing:release"]))
        == sizing_values(second)["rightsizing:release"]
    )
    assert path.read_text().startswith("config:\n  a:b: 1 # one\n")


def test_a_misspelt_key_is_refused(tmp_path: Path) -> None:
    """Ignoring ``fleet:`` for ``fleets:`` would delete the fleet."""
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text("config:\n  rightsizing:fleet: {}\n  app:fleet: mine\n")
    with pytest.raises(ConfigError, match=r"rightsizing:fleet is not a key .* rightsizing:fleets"):
        StackFile.load(path).declaration()
