"""Mistakes in a stack's configuration: one sentence that names the key, and nothing is made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from infra.config import find_project_dir, require_distinct_names
from rightsizing.errors import ConfigError
from rightsizing.model.declaration import DECLARATION_KEYS, StackDeclaration, parse_declaration
from rightsizing.model.release import Release
from rightsizing.model.size import FleetSize
from rightsizing.model.update import SIZING_KEYS

# How a secret travels between program and engine (pulumi sdk: runtime/rpc.py).
SECRET_MARK, SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
PROJECT_DIR = Path(__file__).parents[2]
RELEASE = Release(
    baseline={"news-api": FleetSize(instance_type="m5.2xlarge", min_instances=2, max_instances=6)}
)


def changed(values: dict[str, Any], key: str, path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A deep copy of ``values`` with one nested value replaced."""
    copy: dict[str, Any] = json.loads(json.dumps(values))
    node = copy[key]
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    return copy


@pytest.mark.parametrize(
    ("key", "path", "value", "said"),
    [
        (
            "rightsizing:fleets",
            ("news-api", "size", "instance_type"),
            "large",
            "rightsizing.fleets.news-api.size.instance_type",
        ),
        (
            "rightsizing:fleets",
            ("news-api", "size", "min_instances"),
            9,
            "min_instances 9 is above max_instances 6",
        ),
        (
            "rightsizing:containers",
            ("trader", "size", "memory_mib"),
            -1,
            "rightsizing.containers.trader.size.memory_mib",
        ),
        ("rightsizing:containers", ("trader", "cpus"), 4, "rightsizing.containers.trader.cpus"),
        ("rightsizing:network", ("cidr",), "10.42.0.0/40", "rightsizing:network.cidr"),
        ("rightsizing:network", ("zones",), ["us-east-1a"], "rightsizing:network.zones"),
        ("rightsizing:fleets", ("news-api", "ami"), {}, "ami needs at least one image id"),
    ],
)
def test_mistake_names_its_key(
    key: str,
    path: tuple[str, ...],
    value: Any,
    said: str,
    run_program: Any,
    dev_values: dict[str, Any],
) -> None:
    """The message names the place and is no traceback; no resource of a cloud was registered."""
    run = run_program(changed(dev_values, key, path, value))
    assert said in run.error
    assert "Traceback" not in run.error
    assert "\n" not in run.error
    assert run.custom == []


def test_phase_without_a_release_is_refused(run_program: Any, dev_values: dict[str, Any]) -> None:
    """A phase says which sizes of a release apply, so it needs one."""
    run = run_program({**dev_values, "rightsizing:phase": 1})
    assert "rightsizing:phase is 1 but rightsizing:release is not set" in run.error


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rightsizing:embedded", "maybe"),
        ("rightsizing:fleets", "many"),
        ("rightsizing:phase", "banana"),
        ("rightsizing:phase", 10),
        ("rightsizing:release", "{}"),
        ("rightsizing:rollout", '{"fleets": {"news-api": {}}}'),
        ("rightsizing:region", "Frankfurt"),
    ],
)
def test_nonsense_names_its_key(
    key: str, value: Any, run_program: Any, dev_values: dict[str, Any]
) -> None:
    """A value edited by hand to something else altogether."""
    run = run_program({**dev_values, key: value})
    assert key in run.error.replace("rightsizing.", "rightsizing:")
    assert "Traceback" not in run.error
    assert run.custom == []


def test_workload_declared_twice_is_refused(run_program: Any, dev_values: dict[str, Any]) -> None:
    """A key names one workload across fleets, services and containers."""
    trader = dev_values["rightsizing:containers"]["trader"]
    run = run_program({**dev_values, "rightsizing:containers": {"news-api": trader}})
    assert "workload 'news-api' is declared twice" in run.error


def test_a_real_stack_is_not_built_on_this_machine(
    run_program: Any, prod_values: dict[str, Any]
) -> None:
    """A shell that still points at the local cloud would send a real stack there."""
    run = run_program(prod_values, stack="prod", endpoint="http://localhost:4566")
    assert "this stack is not embedded, but AWS_ENDPOINT_URL is" in run.error
    assert run.custom == []


def test_missing_endpoint_says_what_to_run(run_program: Any, dev_values: dict[str, Any]) -> None:
    """An embedded stack needs the local server's address."""
    run = run_program(dev_values, endpoint=None)
    assert "AWS_ENDPOINT_URL is not set" in run.error
    assert 'eval "$(rightsize local env)"' in run.error


@pytest.mark.parametrize("endpoint", ["https://ec2.us-east-1.amazonaws.com", "http://10.0.0.7:80"])
def test_endpoint_must_be_on_this_machine(
    endpoint: str, run_program: Any, dev_values: dict[str, Any]
) -> None:
    """A stand-in stack never talks to another machine."""
    run = run_program(dev_values, endpoint=endpoint)
    assert f"AWS_ENDPOINT_URL is {endpoint!r}, which is not on this machine" in run.error


@pytest.mark.parametrize("stack", ["prod", "Production", "prod-eu"])
def test_production_is_never_served_by_stand_ins(
    stack: str, run_program: Any, dev_values: dict[str, Any]
) -> None:
    """A stack named like production refuses `embedded: true`."""
    run = run_program(dev_values, stack=stack)
    assert "rightsizing:embedded is true" in run.error
    assert repr(stack) in run.error
    assert run.custom == []


@pytest.fixture
def project_copy(tmp_path: Path) -> Path:
    """A project folder with the same program and records of its own."""
    (tmp_path / "Pulumi.yaml").write_text("name: rightsizing\n", encoding="utf-8")
    program = tmp_path / "infra"
    program.mkdir()
    source = (PROJECT_DIR / "infra" / "__main__.py").read_text(encoding="utf-8")
    (program / "__main__.py").write_text(source, encoding="utf-8")
    return tmp_path


def quarantine(project_dir: Path, release_id: str) -> None:
    """Put a release on the quarantine list of the dev stack."""
    folder = project_dir / ".rightsizing" / "rightsizing" / "dev"
    folder.mkdir(parents=True)
    entry = {"release": release_id, "phase": 0, "reason": "p99 rose", "at": "2026-11-01T00:00:00Z"}
    (folder / "quarantine.json").write_text(json.dumps([entry]), encoding="utf-8")


def test_quarantined_release_is_refused(
    run_program: Any, dev_values: dict[str, Any], project_copy: Path
) -> None:
    """What was rolled back does not come back by `pulumi up`; the message says why and what now."""
    quarantine(project_copy, RELEASE.id)
    values = {**dev_values, "rightsizing:release": RELEASE.model_dump(mode="json")}
    run = run_program(values, program=project_copy / "infra")
    assert (
        f"rightsizing:release {RELEASE.short_id} at phase 0 is quarantined (p99 rose)" in run.error
    )
    assert "rightsize rollback" in run.error
    assert run.custom == []


def test_other_release_passes_the_quarantine(
    run_program: Any, dev_values: dict[str, Any], project_copy: Path
) -> None:
    """Only the listed release is refused."""
    quarantine(project_copy, "0" * 64)
    values = {**dev_values, "rightsizing:release": RELEASE.model_dump(mode="json")}
    assert run_program(values, program=project_copy / "infra").error == ""


def test_release_is_allowed_at_another_phase(
    run_program: Any, dev_values: dict[str, Any], project_copy: Path
) -> None:
    """Going back from a phase to the one before leaves that one allowed."""
    quarantine(project_copy, RELEASE.id)
    values = {
        **dev_values,
        "rightsizing:release": RELEASE.model_dump(mode="json"),
        "rightsizing:phase": 1,
    }
    assert run_program(values, program=project_copy / "infra").error == ""


def test_damaged_quarantine_list_lets_nothing_through(
    run_program: Any, dev_values: dict[str, Any], project_copy: Path
) -> None:
    """A list that cannot be read might have named this release."""
    quarantine(project_copy, "not an id")
    values = {**dev_values, "rightsizing:release": RELEASE.model_dump(mode="json")}
    run = run_program(values, program=project_copy / "infra")
    assert "quarantine.json cannot be read" in run.error
    assert run.custom == []


def test_project_folder_is_found_from_the_program(project_copy: Path) -> None:
    """Programs run inside infra/, beside which Pulumi.yaml lies."""
    assert find_project_dir(project_copy / "infra") == project_copy


def test_declared_defaults_are_the_models_own() -> None:
    """The CLI merges defaults of Pulumi.yaml into the configuration; the other driver does not.

    So each must equal the default of the typed model, else the drivers would differ.
    """
    text = (PROJECT_DIR / "Pulumi.yaml").read_text(encoding="utf-8")
    block = YAML(typ="safe").load(text)["config"]
    model = StackDeclaration().model_dump(mode="json")
    for key, entry in block.items():
        name = key.removeprefix("rightsizing:")
        given = StackDeclaration.model_validate({name: entry["default"]})
        assert given.model_dump(mode="json") == model, key


def test_config_block_lists_what_an_owner_declares() -> None:
    """Every declared key but the optional text, and none that the tool writes."""
    text = (PROJECT_DIR / "Pulumi.yaml").read_text(encoding="utf-8")
    block = set(YAML(typ="safe").load(text)["config"])
    assert block == {f"rightsizing:{key}" for key in DECLARATION_KEYS if key != "owner"}
    assert not block & set(SIZING_KEYS)


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_stack_files_disable_default_providers(stack: str, request: pytest.FixtureRequest) -> None:
    """No resource may be served by a provider nobody named."""
    values = request.getfixturevalue(f"{stack}_values")
    assert values["pulumi:disable-default-providers"] == ["*"]
    assert values["rightsizing:embedded"] is (stack == "dev")


@pytest.mark.parametrize(
    ("kind", "keys", "name"),
    [
        ("fleets", ("web", "lb-web"), "lb-web"),  # the balancer of one, the group of the other
        ("containers", ("team/news.api", "team-news-api-e7f6"), "team-news-api-e7f6"),
    ],
)
def test_keys_that_share_a_resource_name_are_refused(
    dev_values: dict[str, Any], kind: str, keys: tuple[str, str], name: str
) -> None:
    """Before anything is made, naming both keys."""
    some = next(iter(dev_values[f"rightsizing:{kind}"].values()))
    declaration = parse_declaration({f"rightsizing:{kind}": dict.fromkeys(keys, some)})
    with pytest.raises(ConfigError, match=f"both make a resource named '{name}'"):
        require_distinct_names(declaration)


def test_the_same_key_in_two_kinds_of_name_is_fine(dev_values: dict[str, Any]) -> None:
    """The declared stack itself has no such names."""
    require_distinct_names(parse_declaration(dev_values))


def test_an_encrypted_declaration_stays_secret(run_program, dev_values: dict[str, Any]) -> None:
    """Values of an encrypted key are registered as secrets; those of a plain key are not."""
    dev_values["rightsizing:containers"]["trader"]["environment"] = {"PASSWORD": "hunter2"}
    plain = run_program(dev_values).one("docker:index/container:Container")
    hidden = run_program(dev_values, secret_keys=["rightsizing:containers"]).one(
        "docker:index/container:Container"
    )
    assert plain.props["envs"] == ["PASSWORD=hunter2"]
    assert hidden.props["envs"] == {SECRET_MARK: SECRET, "value": ["PASSWORD=hunter2"]}
