"""The explanation page: what binds, what lost, what it was made from."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from rightsizing.catalog.capacity import SizeCapacity
from rightsizing.model.base import NoData
from rightsizing.model.recommendation import Exceedance, Excuse, ExcuseCode, FrontierPoint
from rightsizing.profile.demandclass import DemandClass
from rightsizing.profile.demandhistory import DemandHistory, LevelHistory, LevelShift
from rightsizing.profile.fingerprint import Fingerprint
from rightsizing.profile.peaksamples import DayPeak, Dimension, PeakSample
from rightsizing.report.explainpage import explain_page
from rightsizing.report.explanation import (
    DimensionEvidence,
    EvidenceBundle,
    Explanation,
    SizeCapacities,
    binding_dimensions,
    excuse_groups,
)
from rightsizing.report.jsonview import plain
from rightsizing.report.markdown import markdown
from rightsizing.report.terminal import terminal_text

DAY_MS = 86_400_000
DAY = 20_000  # 2024-10-04
TWO_CORES = SizeCapacity(2.0, 8 * 2**30)
SMALLER = SizeCapacity(1.25, 8 * 2**30)
FLAT = LevelHistory(NoData("no trend"), NoData("no shift"), is_moving=False)


def sample(amount: float, minute: int = 0, *, is_mean: bool = False) -> PeakSample:
    """A sample on the first day."""
    return PeakSample(DAY * DAY_MS + minute * 60_000, 300, "web-a", amount, 2.0, is_mean)


CPU = DimensionEvidence(
    Dimension.CPU,
    (sample(1.5, 725), sample(1.4, is_mean=True)),
    (DayPeak(DAY, sample(1.5, 725), 0.9, 288), DayPeak(DAY + 2, sample(1.1), 0.8, 200)),
    above_current=0,
    above_target=3,
)


@pytest.fixture
def explanation(recommend) -> Explanation:
    """m5.large to a target of 1.25 cores with CPU measured and memory not."""
    return Explanation(
        recommendation=recommend(),
        capacities=SizeCapacities(TWO_CORES, SMALLER, SMALLER, SMALLER, TWO_CORES),
        binding=(Dimension.CPU,),
        cpu=CPU,
        memory=NoData("memory was not measured"),
        history=DemandHistory(
            DemandClass.STEP,
            NoData("CPU was not measured in any hour"),
            LevelHistory(0.125, LevelShift(DAY + 1, 1.5), is_moving=False),
            FLAT,
        ),
        bundle=EvidenceBundle(
            version="0.1.0",
            data=Fingerprint("ab" * 32, 488, DAY * DAY_MS, (DAY + 3) * DAY_MS),
            lookback_days=14,
            settings={"risk": "balanced"},
            scope="any_family",
            catalog="3 types",
        ),
    )


def test_the_binding_samples_are_shown(explanation) -> None:
    """Time, resource, amount, share of both sizes: 1.5 of 2 cores is 75 %, of 1.25 120 %."""
    text = terminal_text(explain_page(explanation), 140)
    (line,) = [line for line in text.splitlines() if "2024-10-04 12:05, 5 min" in line]
    assert " ".join(line.split()) == "2024-10-04 12:05, 5 min web-a 1.50 75 % 120 % peak"
    assert "488 intervals on 2 days" in text  # 288 + 200
    assert "above the current size: none; above the target: 3 on 1 day" in text


def test_unmeasured_days_are_in_the_chart(explanation) -> None:
    """Day two of three was not measured."""
    text = terminal_text(explain_page(explanation), 140)
    assert "2024-10-05" in text
    assert "not measured" in text


def test_what_was_not_measured_says_so(explanation) -> None:
    """Memory has a heading and a reason, no empty table."""
    text = terminal_text(explain_page(explanation), 140)
    assert text.index("\nCPU\n") < text.index("\nMemory\nmemory was not measured")


def test_the_binding_dimension_comes_first(explanation) -> None:
    """Bound by memory: its samples are shown before CPU's."""
    memory = replace(CPU, dimension=Dimension.MEMORY, highest=(sample(6.0 * 2**30),))
    text = terminal_text(
        explain_page(replace(explanation, memory=memory, binding=(Dimension.MEMORY,))), 140
    )
    assert text.index("\nMemory\n") < text.index("\nCPU\n")
    assert "6.00" in text  # GiB


def test_history_is_in_words(explanation) -> None:
    """Class, trend with its unit, the day since when the level holds."""
    text = terminal_text(explain_page(explanation), 140)
    assert "class: step" in text
    assert "CPU: trend +0.125 cores a day; since 2024-10-05 at 1.50 times" in text
    assert "memory: trend: no trend; no shift" in text


def test_the_bundle_is_complete(explanation) -> None:
    """Hash, rows, window, changed settings, catalog and version."""
    text = " ".join(terminal_text(explain_page(explanation), 140).split())
    for words in (
        "488 rows, SHA-256 " + "ab" * 32,
        "the last 14 days of the store, 2024-10-04 00:00 to 2024-10-07 00:00 UTC",
        "risk=balanced; scope any_family",
        "catalog: 3 types",
        "rightsizing 0.1.0",
    ):
        assert words in text


def test_missing_evidence_and_excuses_are_told(explanation) -> None:
    """What to collect, and why the alternative lost."""
    text = terminal_text(explain_page(explanation), 140)
    assert "memory: install the CloudWatch agent" in text
    assert "t4g.large" in text
    assert "spends more than it earns" in text


def test_guards_show_what_the_data_alone_would_allow(explanation) -> None:
    """A capped target beside the uncapped one."""
    item = explanation.recommendation
    capped = replace(item, uncapped_target=item.target, target=item.current)
    text = terminal_text(explain_page(replace(explanation, recommendation=capped)), 140)
    assert "by the data alone" in text
    assert "the data alone would allow m7g.large x 2-4; the reasons forbid it" in text


def test_the_frontier_is_a_table(explanation) -> None:
    """Price of one, predicted minutes with interval."""
    point = FrontierPoint(
        "c7g.medium",
        Decimal("26.50"),
        Exceedance(1234.0, 1000.0, 1500.0, 0.9),
        0.93,
        NoData("memory was not measured"),
        chosen=False,
        sentence="more than the risk allows",
    )
    item = replace(explanation.recommendation, frontier=(point,))
    text = terminal_text(explain_page(replace(explanation, recommendation=item)), 160)
    (line,) = [line for line in text.splitlines() if "c7g.medium" in line]
    for words in ("$26.50", "1,234 (1,000 to 1,500)", "93 %", "unknown", "more than the risk"):
        assert words in line


def test_excuses_are_grouped_in_their_order() -> None:
    """By reason, reasons as they first appear."""
    excuses = [
        Excuse("a", ExcuseCode.MEMORY_TOO_SMALL, ""),
        Excuse("b", ExcuseCode.COSTS_MORE, ""),
        Excuse("c", ExcuseCode.MEMORY_TOO_SMALL, ""),
    ]
    found = excuse_groups(excuses)
    assert [(group.code, [item.candidate for item in group.excuses]) for group in found] == [
        (ExcuseCode.MEMORY_TOO_SMALL, ["a", "c"]),
        (ExcuseCode.COSTS_MORE, ["b"]),
    ]


@pytest.mark.parametrize(
    ("codes", "cpu", "memory", "binding"),
    [
        ((ExcuseCode.MEMORY_TOO_SMALL,), 0.9, 0.5, (Dimension.MEMORY,)),
        ((ExcuseCode.CPU_TOO_SMALL,), 0.2, 0.5, (Dimension.CPU,)),
        ((ExcuseCode.LATENCY, ExcuseCode.MEMORY_TOO_SMALL), 0.2, 0.5, tuple("MC")),
        ((), 0.9, 0.5, tuple("CM")),
        ((ExcuseCode.COSTS_MORE,), 0.4, 0.5, tuple("MC")),
        ((ExcuseCode.MEMORY_TOO_SMALL,), 0.9, None, (Dimension.CPU,)),
        ((), None, None, ()),
    ],
)
def test_binding_dimensions(recommend, codes, cpu, memory, binding) -> None:
    """What alternatives lacked binds; else the fuller dimension of the target comes first."""
    unmeasured = NoData("not measured")
    item = replace(
        recommend(),
        excuses=tuple(Excuse("x", code, "") for code in codes),
        projected_cpu_peak_ratio=unmeasured if cpu is None else cpu,
        projected_memory_peak_ratio=unmeasured if memory is None else memory,
    )
    letters = {"C": Dimension.CPU, "M": Dimension.MEMORY}
    assert binding_dimensions(item) == tuple(letters.get(name, name) for name in binding)


def test_times_beyond_the_calendar_do_not_crash(explanation) -> None:
    """A clock in microseconds: the day's number instead of a date."""
    far = replace(CPU, highest=(replace(sample(1.0), timestamp_ms=DAY * DAY_MS * 1000),))
    assert "day 20000000 00:00" in terminal_text(explain_page(replace(explanation, cpu=far)), 140)


def test_names_from_files_are_plain_text(explanation) -> None:
    """Markup in a resource id neither styles nor breaks any medium."""
    hostile = replace(CPU, highest=(replace(sample(1.0), resource_id="[red]|<b>\x1b[2J"),))
    page = explain_page(replace(explanation, cpu=hostile))
    assert "[red]|<b>" in terminal_text(page, 140)
    assert "\x1b" not in terminal_text(page, 140)
    assert "<b>" not in markdown(page)


def test_json_holds_everything(explanation) -> None:
    """Samples as numbers, missing data with its reason, the saving of the recommendation."""
    data = plain(explanation)
    assert data["cpu"]["highest"][0]["amount"] == 1.5
    assert data["memory"] == {"no_data": "memory was not measured"}
    assert data["recommendation"]["saving_usd_per_month"] == "21.024"
    assert data["bundle"]["data"]["rows"] == 488
    assert data["history"]["demand_class"] == "step"
