"""Markdown that shows exactly the text it was given, whatever that is."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from rightsizing.report.document import Bullets, Cell, Column, Heading, Paragraph, Table, clean
from rightsizing.report.markdown import escape, markdown

HOSTILE = [
    "# not a heading",
    "## x ##",
    "- not a list",
    "1. not a list",
    "12) nor this",
    "> not a quote",
    "=====",
    "---",
    "```code```",
    "*bold* _it_ ~~gone~~ `code`",
    "[link](javascript:alert(1))",
    "![image](http://x/y.png)",
    "<script>alert(1)</script>",
    "<!-- hidden",
    "&lt;b&gt; &amp; &#35;",
    "a | b | c",
    "back\\slash \\* end\\",
    "https://example.com",
    "@team",
    "two\nlines\r\nthree",
    "    four spaces",
    "\x1b[31mred\x1b[0m",
    "right\u202eleft",
]


def shown(text: str) -> str:
    """What a reader sees of Markdown, by an independent parser."""
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    return html.unescape(re.sub(r"<[^>]*>", "", page)).strip()


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "make",
    [
        lambda text: Heading(text, 2),
        Paragraph,
        lambda text: Bullets((text,)),
        lambda text: Table((Column("c"),), ((Cell(text),),)),
    ],
    ids=["heading", "paragraph", "bullet", "cell"],
)
def test_hostile_text_is_shown_as_it_is(text: str, make) -> None:
    """No heading, list, link, image or tag comes of it."""
    page = markdown((make(text),))
    assert shown(page).removeprefix("c").strip() == clean(text).strip()
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(page)
    assert not re.search(r"<(script|a |img|em|strong|code|blockquote|hr)", rendered)


@given(st.text(max_size=40))
def test_any_text_survives(text: str) -> None:
    """Up to white space, which Markdown folds."""
    found = shown(markdown((Paragraph(f"x {text} y"),)))
    assert found.split() == clean(f"x {text} y").split()


def test_figures_are_left_readable() -> None:
    """Ordinary sentences are not littered with backslashes."""
    text = "0.854 x 15.3 GiB = 13.07 GiB, 163 % (see phase 1), $121.12 -> --cpus=1.75"
    assert escape(text) == text


def test_a_table_aligns_numbers_to_the_right() -> None:
    """By the column's own wish."""
    table = Table((Column("phase"), Column("saves", right=True)), ((Cell("1"), Cell("$37.11")),))
    assert markdown((table,)) == "| phase | saves |\n|---|--:|\n| 1 | $37.11 |\n"
