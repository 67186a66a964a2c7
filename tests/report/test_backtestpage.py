"""A back-test as tables, JSON and a page with plots."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from rightsizing.backtest.contestants import contestants
from rightsizing.backtest.schedule import Schedule
from rightsizing.backtest.series import DemandSeries
from rightsizing.backtest.study import Study, study_of
from rightsizing.backtest.trial import Trial
from rightsizing.report.backtestjson import backtest as backtest_json
from rightsizing.report.backtestpage import backtest_page
from rightsizing.report.backtestplots import backtest_html
from rightsizing.report.document import Bullets, Column, Heading, Paragraph, Table, row
from rightsizing.report.htmlpage import html_page
from rightsizing.report.svg import Drawing, Scale
from rightsizing.report.terminal import terminal_text

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Balanced(HTMLParser):
    """Fails on a tag that is closed in the wrong order; collects tags and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.shown = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.shown += data


@pytest.fixture(scope="module")
def study() -> Study:
    """Twelve workloads through five risks, two peers and hindsight."""
    generator = np.random.default_rng(4)
    none = np.full(35 * 24, np.nan)
    fleet = []
    for number in range(12):
        cpu = generator.gamma(4, 0.2, 35 * 24)
        fleet.append(
            DemandSeries(f"w{number:02}", 0, 3600, cpu, cpu, none, np.full(35 * 24, 8.0), none)
        )
    rules = contestants(["krr-simple", "maximum-14d"], ["0.03", "0.3", "1", "5", "20"])
    names = [rule.name for rule in rules.ours]
    trial = Trial.run(fleet, rules.all, Schedule.of(fleet), predict_for=names)
    return study_of([trial], rules, seed=1)


def test_every_rule_and_comparison_is_printed(study: Study) -> None:
    """The terminal shows each rule's name, each verdict, and the notes."""
    text = terminal_text(backtest_page(study, ["a note"]), width=120)
    for rule in study.rules:
        assert rule.name in text
    for item in study.comparisons:
        assert item.verdict.value in text
    assert "a note" in text
    assert "12 workloads" in text


def test_a_usual_terminal_shows_tables_not_records(study: Study) -> None:
    """At 120 columns no table falls apart into one record a row."""
    text = terminal_text(backtest_page(study), width=120)
    assert "\nrule: " not in text
    assert "\npeer: " not in text


def test_json_is_strict(study: Study) -> None:
    """No NaN, and the bound's verdict beside each comparison."""
    data = backtest_json(study, ["a note"])
    text = json.dumps(data, allow_nan=False)
    assert json.loads(text)["notes"] == ["a note"]
    assert {"within_margin", "upper_quotient", "holm_p_value"} <= set(data["comparisons"][0])
    assert len(data["rules"]) == 9


def test_the_page_is_self_contained_and_well_formed(study: Study) -> None:
    """Three plots, every rule by name, nothing fetched and nothing run."""
    page = backtest_html(study)
    found = Balanced(page)
    assert page.count("<svg") == 3
    assert "script" not in found.tags
    assert "http" not in page.replace("http-equiv", "")
    for rule in study.rules:
        assert rule.name in found.shown


def test_names_are_escaped_everywhere(study: Study) -> None:
    """A rule called like a script is shown as text, in tables and in plots."""
    evil = "<script>alert('x')</script>\"&"
    rules = (replace(study.rules[6], name=evil), *study.rules)
    comparisons = tuple(replace(item, baseline=evil, group=evil) for item in study.comparisons)
    page = backtest_html(replace(study, rules=rules, comparisons=comparisons, classes={evil: 12}))
    assert "<script>" not in page
    assert evil in Balanced(page).shown


def test_a_document_as_html() -> None:
    """Headings, paragraphs, bullets and tables; figures go below their heading."""
    document = (
        Heading("Title & more", 1),
        Paragraph("a < b"),
        Heading("Plot"),
        Bullets(("one", "two")),
        Table((Column("name"), Column("value", right=True)), (row("x", "1"),)),
    )
    page = html_page(document, {"Plot": "<svg></svg>"})
    found = Balanced(page)
    assert "<title>Title &amp; more</title>" in page
    assert "<h2>Plot</h2>\n<svg></svg>" in page
    assert '<td class="right">1</td>' in page
    assert "a < b" in found.shown


def test_a_logarithmic_scale_by_hand() -> None:
    """From 1 to 100 over 200 pixels, 10 is in the middle; what is outside is at the edge."""
    scale = Scale(1.0, 100.0, 0.0, 200.0, logarithmic=True)
    assert [scale(value) for value in (1.0, 10.0, 100.0, 1000.0)] == pytest.approx(
        [0, 100, 200, 200]
    )
    assert scale.ticks() == pytest.approx([1, 2, 5, 10, 20, 50, 100])


def test_a_linear_scale_has_round_ticks() -> None:
    """About five even steps between 0.7 and 1.9."""
    assert Scale(0.7, 1.9, 0.0, 1.0).ticks() == pytest.approx([1.0, 1.5])


def test_names_of_dots_do_not_overlap() -> None:
    """Twenty dots at almost the same place: the names drawn have places of their own."""
    drawing = Drawing(600, 400, "dots")
    for index in range(20):
        drawing.dot(300 + index, 200, "peer", f"dot {index}")
    for index in range(20):
        drawing.name_dot(300 + index, 200, f"name-{index}")
    boxes = drawing._taken[20:]
    for index, one in enumerate(boxes):
        for other in boxes[:index]:
            apart = (
                one[0] >= other[2] or one[2] <= other[0] or one[1] >= other[3] or one[3] <= other[1]
            )
            assert apart
