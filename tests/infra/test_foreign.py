"""Programs that are not ours: the two example projects, and the rule for other languages."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from rightsizing.model.release import Release
from rightsizing.model.size import FleetSize

PROJECT_DIR = Path(__file__).parents[2]
FOREIGN = PROJECT_DIR / "examples" / "foreign"
GUIDE = PROJECT_DIR / "docs" / "guide" / "your-own-program.md"

TODAY = FleetSize(instance_type="m5.large", min_instances=2, max_instances=4)
SMALLER = FleetSize(instance_type="m7g.medium", min_instances=2, max_instances=3)
RELEASE = Release(baseline={"shop-web": TODAY}, phases={"2": {"shop-web": SMALLER}})


def values_of(project: str, **sizing: Any) -> dict[str, Any]:
    """The example's own stack file, with sizing keys added."""
    text = (FOREIGN / project / "Pulumi.dev.yaml").read_text(encoding="utf-8")
    values: dict[str, Any] = YAML(typ="safe").load(text)["config"]
    return {**values, **{f"rightsizing:{key}": value for key, value in sizing.items()}}


def released(phase: int) -> dict[str, Any]:
    """Release and phase as configuration."""
    return {"release": RELEASE.model_dump(mode="json"), "phase": phase}


def sizes(run: Any) -> dict[str, tuple[str, int, int]]:
    """Type, minimum and maximum of every group, by name."""
    types = {
        item.name: item.props["instanceType"]
        for item in run.of_type("aws:ec2/launchTemplate:LaunchTemplate")
    }
    return {
        item.name: (types[item.name], int(item.props["minSize"]), int(item.props["maxSize"]))
        for item in run.of_type("aws:autoscaling/group:Group")
    }


@pytest.mark.parametrize(
    ("sizing", "expected"),
    [
        ({}, ("m5.large", 2, 4)),  # no release: what the program says
        (released(0), ("m5.large", 2, 4)),  # a release of which no phase applies
        (released(1), ("m5.large", 2, 4)),  # phase 1 does not name this workload
        (released(2), ("m7g.medium", 2, 3)),
    ],
)
def test_two_lines_follow_the_release(
    sizing: dict[str, Any], expected: tuple[str, int, int], run_program: Any
) -> None:
    """The plain program has the declared size until a phase gives it another."""
    run = run_program(values_of("plain", **sizing), project="shop-plain", program=FOREIGN / "plain")
    assert run.error == ""
    assert sizes(run) == {"web": expected}


def test_component_fills_the_other_slot(run_program: Any) -> None:
    """The same component as ours: both slots run, the new one has the traffic."""
    rollout = {
        "fleets": {
            "shop-web": {
                "live": "b",
                "a": {"size": TODAY.model_dump(mode="json"), "weight": 0},
                "b": {"size": SMALLER.model_dump(mode="json"), "weight": 100},
            }
        }
    }
    values = values_of("component", **released(2), rollout=rollout)
    run = run_program(values, project="shop-component", program=FOREIGN / "component")
    assert run.error == ""
    assert sizes(run) == {"shop-web-a": ("m5.large", 2, 4), "shop-web-b": ("m7g.medium", 2, 3)}
    assert run.exports["web"]["slots"]["b"]["weight"] == 100


def test_component_tags_by_the_public_call(run_program: Any) -> None:
    """Tags of the foreign project, its own and the mandatory ones."""
    run = run_program(
        values_of("component"), project="shop-component", program=FOREIGN / "component"
    )
    tags = run.one("aws:lb/loadBalancer:LoadBalancer").tags
    assert tags == {
        "rightsizing:project": "shop-component",
        "rightsizing:stack": "dev",
        "rightsizing:workload": "shop-web",
        "team": "shop",
    }


def test_guide_shows_the_example() -> None:
    """The two lines of the guide are the lines of the example."""
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    program = (FOREIGN / "plain" / "__main__.py").read_text(encoding="utf-8")
    for line in blocks[0].splitlines():
        assert line in program, line


@pytest.mark.parametrize("phase", [0, 1, 2, 3])
@pytest.mark.parametrize("workload", ["shop-web", "unknown"])
def test_rule_for_other_languages_is_ours(phase: int, workload: str) -> None:
    """The guide's TypeScript, without its types, gives what the typed model gives."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node to run the guide's TypeScript")
    guide = GUIDE.read_text(encoding="utf-8")
    source = re.findall(r"```typescript\n(.*?)```", guide, re.DOTALL)[0]
    source = re.sub(r"^import .*\n", "", source, flags=re.MULTILINE)
    source = re.sub(r"^interface \w+ \{.*?^\}\n", "", source, flags=re.MULTILINE | re.DOTALL)
    source = source.replace("<Release>", "")
    source = source.replace("(workload: string, today: FleetSize): FleetSize", "(workload, today)")
    values = json.dumps({"release": RELEASE.model_dump(mode="json"), "phase": phase})
    today = TODAY.model_dump(mode="json")
    harness = (
        f"const values = {values};\n"
        "const read = (key) => values[key];\n"
        "const pulumi = { Config: function () { return { getObject: read, getNumber: read }; } };\n"
        f"{source}\n"
        f"console.log(JSON.stringify(fleetSize({json.dumps(workload)}, {json.dumps(today)})));\n"
    )
    done = subprocess.run([node, "-e", harness], capture_output=True, text=True, check=True)
    expected = RELEASE.size_at(workload, phase) or TODAY
    assert json.loads(done.stdout) == expected.model_dump(mode="json")
