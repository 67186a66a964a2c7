"""Finding stacks and drivers."""

import json

import pytest

from rightsizing.errors import ConfigError, DriverMismatch, StackError, StackMissing
from rightsizing.stack import selection
from rightsizing.stack.cli_driver import CliDriver
from rightsizing.stack.driver import DriverName
from rightsizing.stack.embedded_driver import EmbeddedDriver
from rightsizing.stack.ownership import claim, marker_path, owner_of
from rightsizing.stack.selection import find_pulumi, load_stack, select_driver


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with two stacks, on a machine without a CLI."""
    monkeypatch.setattr(selection, "find_pulumi", lambda path=None: None)
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {rightsizing:embedded: true}\n")
    (tmp_path / "Pulumi.prod.yaml").write_text("config: {}\n")
    return tmp_path


@pytest.fixture
def with_cli(project, monkeypatch):
    """The same project on a machine with a CLI."""
    monkeypatch.setattr(selection, "find_pulumi", lambda path=None: project / "bin" / "pulumi")
    return project


def test_a_stack_is_found_from_a_folder_below_its_project(project):
    """As the Pulumi CLI finds it."""
    below = project / "a" / "b"
    below.mkdir(parents=True)
    stack = load_stack(below, "dev")
    assert (stack.project_dir, stack.project, stack.name) == (project.resolve(), "shop", "dev")
    assert stack.config_path.exists()


@pytest.mark.parametrize("name", ["test", None])
def test_a_missing_stack_lists_those_there_are(project, name):
    """None is ambiguous with two."""
    with pytest.raises(StackMissing, match="dev, prod"):
        load_stack(project, name)


def test_the_only_stack_needs_no_name(project):
    """One stack file, no question."""
    (project / "Pulumi.prod.yaml").unlink()
    assert load_stack(project).name == "dev"


def test_no_project_is_said(tmp_path):
    """Not a traceback."""
    with pytest.raises(ConfigError, match=r"no Pulumi\.yaml"):
        load_stack(tmp_path, "dev")


def test_the_cli_is_the_default_where_it_is(with_cli):
    """Also for an embedded stack."""
    assert isinstance(select_driver(load_stack(with_cli, "dev")), CliDriver)


def test_the_embedded_engine_serves_where_there_is_no_cli(project):
    """Only a stack that allows it."""
    assert isinstance(select_driver(load_stack(project, "dev")), EmbeddedDriver)
    with pytest.raises(ConfigError, match="install it"):
        select_driver(load_stack(project, "prod"))


def test_an_explicit_choice_decides(with_cli):
    """By value or by name."""
    stack = load_stack(with_cli, "dev")
    assert isinstance(select_driver(stack, "embedded"), EmbeddedDriver)
    assert isinstance(select_driver(stack, DriverName.CLI), CliDriver)
    with pytest.raises(ConfigError, match="'terraform', choose cli or embedded"):
        select_driver(stack, "terraform")


def test_the_cli_cannot_be_chosen_where_it_is_not(project):
    """It says how to install it."""
    with pytest.raises(ConfigError, match="install it"):
        select_driver(load_stack(project, "dev"), "cli")


def test_a_stack_keeps_its_driver(with_cli):
    """The marker beats the default, and a contrary choice is refused with the way to move."""
    stack = load_stack(with_cli, "dev")
    assert owner_of(stack) is None
    claim(stack, DriverName.EMBEDDED)
    assert isinstance(select_driver(stack), EmbeddedDriver)
    with pytest.raises(DriverMismatch, match=r"belongs to the embedded driver, not cli.*to move"):
        select_driver(stack, "cli")
    with pytest.raises(DriverMismatch):
        claim(stack, DriverName.CLI)


def test_a_damaged_marker_is_named(project):
    """Guessing would make everything twice."""
    stack = load_stack(project, "dev")
    marker_path(stack).parent.mkdir(parents=True)
    marker_path(stack).write_text('{"driver": "terraform"}')
    with pytest.raises(StackError, match=r"driver\.json"):
        select_driver(stack)


def test_every_operation_refuses_the_other_drivers_stack(kit):
    """By name, before anything runs."""
    other = DriverName.CLI if kit.driver.name is DriverName.EMBEDDED else DriverName.EMBEDDED
    marker_path(kit.stack).write_text(json.dumps({"driver": other.value}))
    driver, stack = kit.driver, kit.stack
    for call in (
        lambda: driver.create(stack),
        lambda: driver.preview(stack),
        lambda: driver.up(stack, message=""),
        lambda: driver.refresh(stack, message=""),
        lambda: driver.destroy(stack, message=""),
        lambda: driver.history(stack),
        lambda: driver.outputs(stack),
        lambda: driver.resources(stack),
        lambda: driver.pending_operations(stack),
        lambda: driver.cancel(stack),
    ):
        with pytest.raises(DriverMismatch, match=f"belongs to the {other.value} driver"):
            call()


def test_the_cli_is_found_on_the_path_and_in_its_standard_folder(tmp_path, monkeypatch):
    """PATH first, then ~/.pulumi/bin."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_pulumi(str(tmp_path / "nowhere")) is None
    standard = tmp_path / ".pulumi" / "bin" / "pulumi"
    standard.parent.mkdir(parents=True)
    standard.write_text("")
    assert find_pulumi(str(tmp_path / "nowhere")) == standard
    on_path = tmp_path / "pulumi"
    on_path.write_text("")
    on_path.chmod(0o755)
    assert find_pulumi(str(tmp_path)) == on_path
