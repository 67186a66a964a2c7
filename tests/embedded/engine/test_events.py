"""Events between the engine and its parent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.embedded.engine.events import (
    DiagnosticEvent,
    RefusalEvent,
    StepEvent,
    SummaryEvent,
    from_line,
    to_line,
)
from rightsizing.errors import EmbeddedError

TEXT = st.text(max_size=20)
INPUTS = st.none() | st.dictionaries(TEXT, TEXT | st.integers(-9, 9), max_size=3)
EVENTS = (
    st.builds(StepEvent, TEXT, TEXT, TEXT, INPUTS, INPUTS, st.tuples(TEXT), st.just(()))
    | st.builds(DiagnosticEvent, TEXT, TEXT, TEXT)
    | st.builds(SummaryEvent, TEXT, st.dictionaries(TEXT, TEXT), st.just({"same": 1}), st.just(0))
    | st.builds(RefusalEvent, TEXT, TEXT)
)


@given(EVENTS)
def test_an_event_is_one_line_and_comes_back(event):
    """Whatever text it carries."""
    line = to_line(event)
    assert "\n" not in line
    assert from_line(line) == event


@pytest.mark.parametrize(
    "line", ["", "[]", "{}", '{"event": "step"}', '{"event": "x"}', "Traceback"]
)
def test_a_foreign_line_is_refused(line):
    """Not swallowed: the parent must know that the engine is confused."""
    with pytest.raises(EmbeddedError, match="unreadable event"):
        from_line(line)
