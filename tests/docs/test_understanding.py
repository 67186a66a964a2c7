"""The guide to explanations names every word that an explanation prints."""

from __future__ import annotations

from pathlib import Path

from rightsizing.profile.demandclass import DemandClass
from rightsizing.report.peercomparison import Verdict


def test_every_class_and_verdict_is_explained(root: Path) -> None:
    """Each is the first cell of a row."""
    text = (root / "docs/guide/understand-a-recommendation.md").read_text(encoding="utf-8")
    for kind in (DemandClass, Verdict):
        assert [word.value for word in kind if f"| {word.value} |" not in text] == []
