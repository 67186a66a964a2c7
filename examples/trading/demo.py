"""The main job, end to end, on this machine: measure, judge, plan, preview, roll out, restore.

    make demo

Every step is the command a user would type; it is printed, run and its output shown. The work is
done in a copy of the project (``.rightsizing/demo``), so nothing of the checkout is changed. AWS is
moto on loopback, the measurements are synthetic, and requests come from a simulation whose clock
passes at once; all is said where it appears. What is real: the Pulumi programs, the decisions, the
updates, the verdicts, and the live facts read back through boto3 and the Docker API.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCRATCH = ROOT / ".rightsizing" / "demo"
CASE = "examples/trading/case.yaml"
REPORT = "rightsizing-report.md"
COPIED = ("Pulumi.yaml", "Pulumi.dev.yaml", "infra", "examples", "requirements.txt")
PLUGINS = Path("rightsizing/embedded/plugin")
ROLLED_BACK = 9  # `rightsize rollout` of a size that did harm
REJECTED = 3  # `rightsize audit` of a plan its own evidence forbids


@dataclass
class Demo:
    """Runs commands in the scratch project and stops at the first surprise."""

    environment: Mapping[str, str]
    began: float = field(default_factory=time.monotonic)
    number: int = 0

    def step(self, title: str) -> None:
        """Announce the next step."""
        self.number += 1
        print(f"\n== {self.number}. {title}  [{time.monotonic() - self.began:.0f} s]", flush=True)

    def run(self, command: str, *, expect: int = 0) -> None:
        """Print and run one command line; end the demo when its exit code is not as expected."""
        print(f"\n$ {command}", flush=True)
        done = subprocess.run(
            self._arguments(command), cwd=SCRATCH, env=self.environment, check=False
        )
        if done.returncode != expect:
            sys.exit(f"demo: `{command}` ended with {done.returncode}, expected {expect}")

    def ask(self, command: str) -> Any:
        """What a command answers with --json; its output is not shown."""
        done = subprocess.run(
            [*self._arguments(command), "--json"],
            cwd=SCRATCH,
            env=self.environment,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode not in (0, REJECTED):
            sys.exit(f"demo: `{command} --json` ended with {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)

    @staticmethod
    def _arguments(command: str) -> list[str]:
        name, *rest = shlex.split(command)
        here = Path(sys.executable).parent
        # The installed script: `python -m` would find the copied folder `rightsizing` first.
        return [str(here / "rightsize" if name == "rightsize" else sys.executable), *rest]


def main() -> None:
    """Run the whole demo; exits with 0 only when every step did what it says."""
    prepare()
    demo = Demo(environment={**os.environ, "PYTHONWARNINGS": "ignore", "COLUMNS": "110"})
    try:
        play(demo)
    finally:
        demo_down(demo)


def prepare() -> None:
    """A fresh copy of the project; an earlier demo's cloud and state are removed."""
    if (SCRATCH / "Pulumi.yaml").exists():
        demo_down(Demo(environment=os.environ))
    shutil.rmtree(SCRATCH, ignore_errors=True)
    SCRATCH.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, SCRATCH / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, SCRATCH / name)
    shutil.copytree(ROOT / PLUGINS, SCRATCH / PLUGINS, ignore=shutil.ignore_patterns("__pycache__"))


def demo_down(demo: Demo) -> None:
    """Stop the local cloud of the scratch project, quietly."""
    subprocess.run(
        demo._arguments("rightsize local down"),
        cwd=SCRATCH,
        env=demo.environment,
        check=False,
        capture_output=True,
    )


def play(demo: Demo) -> None:
    """The steps, in order."""
    demo.step("A local cloud: AWS simulated by moto, Docker simulated too")
    demo.run("rightsize --driver embedded local up --simulated-docker")

    demo.step("The state before: what the cost review found running")
    demo.run("rightsize apply --yes")
    first = facts(demo)

    demo.step("14 days of measurements (synthetic, made from the review's published averages)")
    print('\n$ eval "$(rightsize local env)"')
    demo.environment = {**demo.environment, **demo.ask("rightsize local env")}
    demo.run("python examples/trading/generator.py --trader-file trader.parquet")
    demo.run("rightsize measure --days 14")
    demo.run("rightsize measure --from-file trader.parquet")

    demo.step("What the review claims, computed again")
    demo.run(f"rightsize audit {CASE}", expect=REJECTED)

    demo.step("What the measurements say")
    demo.run("rightsize recommend")

    demo.step("A plan by phases, written into Pulumi.dev.yaml")
    demo.run("rightsize plan")
    demo.run("rightsize check --phase 1 --when before")

    demo.step("The diff of phase 1, with money and the way back")
    demo.run("rightsize preview")

    demo.step("The canary judge, tried on a past of the news API (synthetic, too)")
    demo.run("python examples/trading/past.py past.parquet")
    demo.run(
        "rightsize canary backtest past.parquet --workload news-api --metric errors --horizon 60"
    )

    demo.step("Phase 1 on a share of the traffic, judged, promoted (simulated traffic and clock)")
    demo.run("rightsize local traffic examples/trading/traffic.json --history 600")
    demo.run("rightsize rollout --phase 1 --yes --steps 25,50,100 --soak 30")
    second = facts(demo)
    require(second != first, "phase 1 changed nothing that runs")

    demo.step("A size that is too small, caught and taken back by itself")
    demo.run("python examples/trading/careless.py")
    demo.run("rightsize rollout --phase 1 --yes --steps 25,50,100 --soak 30", expect=ROLLED_BACK)
    require(serving(facts(demo)) == serving(second), "what ran before does not serve again")
    print("\nLive facts equal those before the size that was too small.")

    demo.step("Back to where it was")
    demo.run("rightsize rollback --yes --reason 'end of the demo'")
    third = facts(demo)
    require(serving(third) == serving(first), "the rollback did not restore what ran before")
    print("\nLive facts after the rollback equal those before phase 1.")
    demo.run("rightsize history")

    demo.step("A written report, and what the review's saving is worth")
    demo.run(f"rightsize report --case {CASE} -o {REPORT} --remark 'Measurements are synthetic.'")
    print_savings(demo.ask(f"rightsize audit {CASE}"))
    print(f"\nReport: {SCRATCH.relative_to(ROOT) / REPORT}")
    print(f"Everything above took {time.monotonic() - demo.began:.0f} s.")


def facts(demo: Demo) -> dict[str, Any]:
    """Live facts by workload, as `rightsize status` reads them; they must equal the stack file."""
    status = demo.ask("rightsize status")
    require(status["facts"]["matches"], f"live facts differ: {status['facts']['mismatches']}")
    return {item["workload"]: item for item in status["facts"]["facts"]}


def serving(found: Mapping[str, Any]) -> dict[str, Any]:
    """What serves: slots with weight, services and containers, without names that may change."""
    result: dict[str, Any] = {}
    for workload, item in found.items():
        if "slots" in item:
            result[workload] = [
                {key: slot[key] for key in ("slot", "running_types", "weight", "min_instances")}
                for slot in item["slots"]
                if slot["weight"] > 0
            ]
        else:
            result[workload] = item["size"]
    return result


def require(held: bool, sentence: str) -> None:
    """End the demo with a sentence when something it shows would not be true."""
    if not held:
        sys.exit(f"demo: {sentence}")


def print_savings(audit: Mapping[str, Any]) -> None:
    """Claimed saving, safe saving, why they differ."""
    print(f"\n{'phase':<26}{'claimed':>10}{'safe':>10}   why they differ")
    for row in audit["safe"]["savings"]:
        safe = row["safe_usd_per_month"]
        shown = f"${float(safe):,.2f}" if isinstance(safe, str) else "unknown"
        claimed = f"${float(row['claimed_usd_per_month']):,.2f}"
        name = f"{row['number']} {row['title']}" if row["number"] else row["title"]
        print(f"{name:<26}{claimed:>10}{shown:>10}   {row['why']}")


if __name__ == "__main__":
    main()
