"""What watching costs: 1,000 workloads every 15 s for an hour of driven time.

    python benchmarks/monitor_cost.py

Sources answer at once with figures made beforehand, so what is measured is the monitor: windows,
rules, states kept on the disk, messages, the live page's data and one metrics page a round. CPU is
this process' own, so a busy machine does not change it much; its share is of one core.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from rightsizing.model.alerting import default_rules
from rightsizing.monitor.board import AlertBoard
from rightsizing.monitor.exporter import ExportedState, metrics_page
from rightsizing.monitor.figures import Figures
from rightsizing.monitor.livestate import LiveState
from rightsizing.monitor.memory import Memory
from rightsizing.monitor.monitor import Monitor, Round
from rightsizing.monitor.notification import Notifier
from rightsizing.monitor.outbox import Outbox
from rightsizing.monitor.reading import Readings, WorkloadReading
from rightsizing.monitor.receivers import LogReceiver

WORKLOADS, INTERVAL_S, ROUNDS, SEED = 1000, 15.0, 240, 20261123
RESULT = Path(__file__).parent / "results" / "monitor_cost.md"


@dataclass
class DrivenClock:
    """Goes on when slept; no time passes otherwise."""

    now_s: float = 0.0

    def wall_ms(self) -> int:
        """Wall time is steady time."""
        return int(self.now_s * 1000)

    def steady_s(self) -> float:
        """Seconds slept so far."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Go on."""
        self.now_s += seconds


@dataclass
class Fleet:
    """A source of many workloads: most are calm, one in fifty is hot half the time."""

    name: str = "fleet"
    rounds: int = 0
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(SEED))

    def look(self) -> Readings:
        """Figures of every workload."""
        self.rounds += 1
        cpu = self.random.normal(0.5, 0.1, WORKLOADS).clip(0, 1)
        if self.rounds // 40 % 2:
            cpu[::50] = 0.95  # for ten minutes
        memory = self.random.normal(0.7, 0.02, WORKLOADS)
        return Readings(
            tuple(
                WorkloadReading(
                    f"workload-{number:04}",
                    up=True,
                    cpu_ratio=float(cpu[number]),
                    memory_ratio=float(memory[number]),
                    units=self.rounds * 1500.0,
                    slow_units=self.rounds * 30.0,
                    requests=self.rounds * 1500.0,
                    errors=float(self.rounds),
                    cost_per_unit_usd=0.01,
                )
                for number in range(WORKLOADS)
            )
        )


def main() -> None:
    """Run it and write the results page."""
    process, clock, fleet = psutil.Process(), DrivenClock(), Fleet()
    live, lines, rows = LiveState(INTERVAL_S), [0], []
    page_bytes = [0]

    def shown(found: Round) -> None:
        live.add(found, Figures(), {})
        live.page()
        state = ExportedState(readings=tuple(found.readings.values()), rounds=found.number)
        page_bytes[0] = len(metrics_page(state))

    def write(_: str) -> None:
        lines[0] += 1

    with tempfile.TemporaryDirectory() as folder:
        monitor = Monitor(
            sources=[fleet],
            board=AlertBoard({"": default_rules(error_max_ratio=0.01)}, interval_s=INTERVAL_S),
            notifier=Notifier(),
            memory=Memory(Path(folder)),
            outboxes=[Outbox(LogReceiver(write), report=print)],
            interval_s=INTERVAL_S,
            clock=clock,
            listener=shown,
        )
        for quarter in range(1, 5):
            began, cpu_began = time.monotonic(), time.process_time()
            end = quarter * ROUNDS // 4
            while fleet.rounds < end:
                monitor.step()
                clock.sleep(INTERVAL_S)
            cpu_s, wall_s = time.process_time() - cpu_began, time.monotonic() - began
            gc.collect()
            memory_mib = process.memory_info().rss / 1024**2
            share = cpu_s / (ROUNDS / 4 * INTERVAL_S)
            rows.append((quarter, share, cpu_s * 4000 / ROUNDS, wall_s, memory_mib))
            print(f"quarter {quarter}: {share:.2%} of a core, {memory_mib:.0f} MiB", flush=True)
        monitor.close()
        kept = sum(path.stat().st_size for path in Path(folder).iterdir())
    RESULT.write_text(_page(rows, page_bytes[0], kept, lines[0]))
    if rows[-1][4] > rows[0][4] * 1.1 + 10:
        sys.exit("memory grew by more than a tenth between the first and the last quarter")


def _page(
    rows: list[tuple[int, float, float, float, float]], page_bytes: int, kept: int, told: int
) -> str:
    table = "\n".join(
        f"| {quarter} | {share:.2%} | {each_ms:.0f} | {memory:.0f} | {memory / rows[0][4]:.3f} |"
        for quarter, share, each_ms, _, memory in rows
    )
    return (
        "# Cost of watching\n\n"
        f"{WORKLOADS:,} workloads every {INTERVAL_S:g} s for an hour of driven time, "
        f"{len(default_rules(error_max_ratio=0.01))} rules each, with the\n"
        "live page's data and a metrics page in every round. Sources answer at once and are not "
        "counted.\nWindows and the page's hour are allocated when a workload is first seen.\n\n"
        "| quarter of the hour | CPU, of one core | CPU a round, ms | memory, MiB | "
        "/ first quarter |\n|--:|--:|--:|--:|--:|\n"
        f"{table}\n\nMetrics page {page_bytes / 1e6:.2f} MB, state on the disk {kept / 1e3:.0f} "
        f"kB, {told} messages told.\n"
    )


if __name__ == "__main__":
    main()
