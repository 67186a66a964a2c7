"""Guides and README: what they tell people to type exists, and their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rightsizing.catalog.catalog import Catalog
from rightsizing.cli.commands import COMMANDS
from rightsizing.cli.main import run
from rightsizing.model.profile import Grade
from rightsizing.model.recommendation import Decision, ExcuseCode, ReasonCode
from rightsizing.plan.audit import audit_case
from rightsizing.plan.case import load_case
from rightsizing.plan.finding import Severity
from rightsizing.settings import SETTINGS_KEY, Settings, parse_settings

LONGEST_LINE = 100
_LINK = re.compile(r"\[[^\]]+\]\((?P<target>[^)\s]+)\)")
_SETTING = re.compile(r"`(\w+_(?:pct|days|usd|month))`")


def test_every_command_line_parses(guides, pages, parse) -> None:
    """Command, options and arguments of each line exist."""
    count = 0
    for page in [*guides, *pages]:
        for arguments in page.command_lines():
            parse(arguments)  # raises UsageError naming what does not exist
            count += 1
    assert count > 50  # the search itself works


def test_a_wrong_command_line_is_noticed(parse) -> None:
    """The parser used above refuses what does not exist."""
    for wrong in (["previews"], ["apply", "--sure"], ["check"], ["local", "start"]):
        with pytest.raises(Exception, match=r"No such|Missing|no such"):
            parse(wrong)


def test_every_command_is_in_a_guide(guides, parse) -> None:
    """Each command is shown at work somewhere."""
    shown = {parse(arguments)[:1] for page in guides for arguments in page.command_lines()}
    assert {(name,) for name in COMMANDS} - shown == set()


def test_every_guide_is_in_the_index(root: Path) -> None:
    """docs/README.md leads to every page of guide and reference."""
    index = (root / "docs/README.md").read_text(encoding="utf-8")
    for folder in ("guide", "reference"):
        for path in (root / "docs" / folder).glob("*.md"):
            assert f"({folder}/{path.name})" in index


def test_links_resolve(pages) -> None:
    """A relative link names a file, and a heading in it where it names one."""
    for page in pages:
        for found in _LINK.finditer(page.text):
            target = found["target"]
            if target.startswith(("http://", "https://")):
                continue
            file, _, heading = target.partition("#")
            path = (page.path.parent / file).resolve() if file else page.path
            assert path.exists(), f"{page.name}: {target}"
            if heading:
                assert heading in _headings(path.read_text(encoding="utf-8")), page.name


def _headings(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_no_leftovers(pages) -> None:
    """No paths of somebody's machine, no notes to ourselves."""
    for page in pages:
        for found in re.finditer(r"(?:/home/|/root/|/Users/|/tmp/)\S*", page.text):
            pytest.fail(f"{page.name}: {found.group()}")
        assert not re.search(r"\b(TODO|FIXME|XXX)\b", page.text), page.name


def test_lines_are_short(root: Path, pages) -> None:
    """Pages written by people keep to the line length."""
    generated = root / "docs/reference"
    for page in pages:
        if generated not in page.path.parents:
            for number, line in enumerate(page.text.splitlines(), 1):
                assert len(line) <= LONGEST_LINE, f"{page.name}:{number}"


def test_settings_that_guides_name_exist(guides) -> None:
    """Setting names and the settings in YAML examples are real ones."""
    slos = re.compile(r"^(cpu_mean|memory)_(min|max)_pct$")
    columns = {"cpu_pct", "mem_pct", "window_days"}
    for page in guides:
        for name in _SETTING.findall(page.text):
            if name not in columns and not slos.match(name):
                assert name in Settings.model_fields, f"{page.name}: {name}"
        for block in page.blocks("yaml"):
            if SETTINGS_KEY in block:
                lines = block.split(f"{SETTINGS_KEY}:\n")[1].splitlines()
                values = dict(line.strip().split(": ", 1) for line in lines)
                parse_settings({SETTINGS_KEY: values})


def test_decide_explains_every_word(root: Path) -> None:
    """Each decision, grade, reason and excuse that a report prints is explained."""
    text = (root / "docs/guide/decide.md").read_text(encoding="utf-8")
    for kind in (ReasonCode, ExcuseCode):
        assert [code for code in kind if f"`{code.value}`" not in text] == []
    for kind in (Decision, Grade):
        assert [word for word in kind if f"| {word.value} |" not in text] == []


def test_audit_guide_explains_every_severity(root: Path) -> None:
    """Each severity of a finding is explained."""
    text = (root / "docs/guide/audit-a-review.md").read_text(encoding="utf-8")
    assert [word for word in Severity if f"| {word.value} |" not in text] == []


def test_trace_example_is_read(root: Path, guides, tmp_path: Path, monkeypatch, capsys) -> None:
    """The CSV of the guide is measured: 3 rows, none left out."""
    (guide,) = [page for page in guides if page.name == "docs/guide/measure.md"]
    (csv,) = guide.blocks("csv")
    (tmp_path / "vms.csv").write_text(csv, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert run(["measure", "--from-file", "vms.csv"]) == 0
    assert "3 rows observed (3 new), 0 skipped" in capsys.readouterr().out


def test_case_example_is_audited(guides) -> None:
    """The smallest case of the guide is valid, and its ROI is computed.

    Claimed 230 %; net, first year: (12 x 155 - 800) / 800 = 132.5 %.
    """
    (guide,) = [page for page in guides if page.name == "docs/guide/audit-a-review.md"]
    (case,) = guide.blocks("yaml")
    report = audit_case(load_case(case), Catalog.load())
    assert "roi" in {finding.code for finding in report.findings}
