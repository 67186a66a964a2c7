"""How long a rollout's way back takes: traffic, configuration, and what it adds to a plain update.

    python benchmarks/restore_times.py [--breaches 100]

On the embedded stack, a size without enough memory gets half of the traffic; its instances are
killed, which the first look sees, and the rollout goes back by itself. Waiting is simulated; the
times of the way back are the machine's own, with an engine that is a process, as for a user. Every
fifth time the same change is also undone by hand: the stack file put back and one plain update with
refresh, which moves the traffic only at its end. Writes ``benchmarks/results/restore_times.md``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median

from rolloutsite import SCENARIO, SMALL, RolloutSite, build_site, release_of

from rightsizing.model.rollout import RolloutState
from rightsizing.model.stackconfig import StackSizing
from rightsizing.rollout.controller import capacity_by, start_rollout
from rightsizing.rollout.run import RolloutOutcome
from rightsizing.rollout.stages import plan_stages
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.quarantine import Quarantine

RESULTS = Path(__file__).parent / "results" / "restore_times.md"
PLAIN_EVERY = 5
TRAFFIC_LIMIT_S, CONFIGURATION_LIMIT_S = 60.0, 300.0  # what the documentation promises


def breach(site: RolloutSite) -> tuple[float, float]:
    """One injected breach: seconds until traffic, and until the configuration, is back."""
    site.plane.load(SCENARIO)
    result = start_rollout(site.run(), release_of(SMALL), 1)
    assert result.outcome is RolloutOutcome.ROLLED_BACK, result.sentence
    assert site.facts() == [("a", (("m5.xlarge", 2),), 100)]
    quarantine = Quarantine(site.stack.record_dir)
    for entry in quarantine.entries():
        quarantine.lift(entry.release)
    back = result.progress.rolled_back
    assert back is not None
    assert back.traffic_s is not None
    assert back.configuration_s is not None
    return back.traffic_s, back.configuration_s


def plain(site: RolloutSite) -> float:
    """Seconds of one plain update, with refresh, that undoes the same change."""
    file = StackFile.load(site.stack.config_path)
    declared = StackSizing(None, 0, RolloutState())
    run = site.run()
    stages = plan_stages(
        declared,
        release_of(SMALL),
        1,
        file.declaration().workloads(),
        shares=run.shares,
        capacity=capacity_by(run.cores),
    )
    for stage in stages[:2]:
        StackFile.load(site.stack.config_path).write_sizing(stage.sizing)
        site.driver.up(site.stack, message="by hand")
    StackFile.load(site.stack.config_path).write_sizing(declared)
    began = time.monotonic()
    site.driver.up(site.stack, message="undone by hand", refresh=True)
    took = time.monotonic() - began
    site.deploy()
    return took


def main() -> None:
    """Run the breaches and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--breaches", type=int, default=100)
    breaches = parser.parse_args().breaches
    with tempfile.TemporaryDirectory() as folder:
        site, cloud = build_site(Path(folder) / "project", in_process=False)
        os.environ.update(site.environment)
        try:
            site.deploy()
            found, by_hand = [], []
            for number in range(breaches):
                found.append(breach(site))
                if number % PLAIN_EVERY == 0:
                    by_hand.append(plain(site))
                traffic_s, configuration_s = found[-1]
                print(number + 1, f"{traffic_s:.2f}", f"{configuration_s:.2f}", flush=True)
                if number % PLAIN_EVERY == 0:  # an interrupted run keeps what it has
                    RESULTS.write_text(page(found, by_hand), encoding="utf-8")
        finally:
            cloud.forget()
    RESULTS.write_text(page(found, by_hand), encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))


def page(found: list[tuple[float, float]], by_hand: list[float]) -> str:
    """Median and worst of both, beside the plain update and what is promised."""
    traffic, configuration = zip(*found, strict=True)
    base = median(by_hand)
    added = median(configuration) - base
    return f"""# Restore times after a breach

{len(found)} injected breaches on the embedded stack (one fleet, moto on loopback), {os.cpu_count()}
processors. Seconds of the machine; the waiting before is simulated. The ratio is to the median of
{len(by_hand)} plain updates that undo the same change, in the same run.

| | median s | worst s | ratio | promised s |
|---|---|---|---|---|
{_row("traffic back", traffic, base, TRAFFIC_LIMIT_S)}
{_row("configuration back", configuration, base, CONFIGURATION_LIMIT_S)}
| plain update, undone by hand | {base:.2f} | {max(by_hand):.2f} | 1.00 | |

- traffic within {TRAFFIC_LIMIT_S:.0f} s: {_met(max(traffic) <= TRAFFIC_LIMIT_S)}.
- configuration within {CONFIGURATION_LIMIT_S:.0f} s: \
{_met(max(configuration) <= CONFIGURATION_LIMIT_S)}.
- the way back adds {added:.2f} s to a plain update: live facts, records, quarantine and the search
  for what was left.
- On AWS the update itself takes minutes where instances have to start; these figures are of the
  tool, not of AWS.
"""


def _row(name: str, seconds: tuple[float, ...], base: float, limit: float) -> str:
    middle = median(seconds)
    return f"| {name} | {middle:.2f} | {max(seconds):.2f} | {middle / base:.2f} | {limit:.0f} |"


def _met(held: bool) -> str:
    return "met" if held else "NOT met"


if __name__ == "__main__":
    main()
