"""The live page: one HTML document with its style and script inside, and the data it asks for.

The script is allowed by its hash alone and puts text into the page as text, so that a name or a
reason that looks like HTML stays text. Nothing is loaded from anywhere else.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

from rightsizing.monitor.livestate import LiveState
from rightsizing.monitor.localserver import Page, Route

_JSON = "application/json; charset=utf-8"


def page_routes(state: LiveState) -> dict[str, Route]:
    """``/`` the page, ``/state`` the newest round, ``/history?workload=`` the last hour."""

    def history(query: Mapping[str, str]) -> Page:
        return Page(state.history(query.get("workload", "")[:160]).encode(), _JSON)

    return {
        "/": lambda _: _document(),
        "/state": lambda _: Page(state.page().encode(), _JSON),
        "/history": history,
    }


@lru_cache(maxsize=1)
def _document() -> Page:
    folder = files("rightsizing.monitor") / "page"
    style, script, frame = (
        (folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js", "page.html")
    )
    content = frame.replace("/*STYLE*/", style).replace("/*SCRIPT*/", script)
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        f"connect-src 'self'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:"
    )
    return Page(
        content.encode(),
        "text/html; charset=utf-8",
        headers=(("Content-Security-Policy", policy),),
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
