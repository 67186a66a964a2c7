"""Wait, within a bound, until live facts are what the sizing says.

The cloud is eventually consistent: a group's new instances and an ECS deployment need a while after
the update has returned. The last reading is the result, whether it matches or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rightsizing.model.facts import FactsReport
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.workload import Workload
from rightsizing.stack.clock import Clock
from rightsizing.stack.comparison import compare_facts
from rightsizing.stack.facts import FactsReader
from rightsizing.stack.record import difference_sentences

SETTLE_SECONDS = 600.0  # chosen by us: a rolling ECS deployment of a few tasks, with health checks
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 15.0

# Takes one sentence about what is going on; must not raise.
Say = Callable[[str], None]


def settled_facts(
    read: FactsReader,
    sizing: StackSizing,
    workloads: Sequence[Workload],
    *,
    clock: Clock,
    limit_seconds: float = SETTLE_SECONDS,
    say: Say | None = None,
) -> FactsReport:
    """Read facts until they match or ``limit_seconds`` have passed; at least once."""
    deadline = clock.monotonic() + limit_seconds
    pause = FIRST_PAUSE_SECONDS
    while True:
        report = compare_facts(read(workloads), sizing, workloads)
        remaining = deadline - clock.monotonic()
        if report.matches or remaining <= 0:
            return report
        if say is not None:
            say(f"waiting, at most {remaining:.0f} s more: {difference_sentences(report)[0]}")
        clock.sleep(min(pause, remaining))
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
