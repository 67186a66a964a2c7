"""How an update turned out, as a record states it: verdict, program, versions, resources, facts."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rightsizing.model.base import NoData
from rightsizing.model.facts import FactsReport
from rightsizing.model.update import HistoryEntry
from rightsizing.stack.driver import StackDriver, StackRef
from rightsizing.stack.provenance import ProgramVersion, read_program, tool_versions
from rightsizing.stack.record import (
    NOT_READ,
    Origin,
    RecordedFacts,
    RecordedResource,
    Verdict,
    difference_sentences,
    recorded_facts,
    recorded_resources,
)

_SHOWN_DIFFERENCES = 3  # in the reason; the recorded facts hold them all


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a record says about an update beside its sizing."""

    origin: Origin
    verdict: Verdict
    reason: str
    program: ProgramVersion | NoData
    versions: dict[str, str]
    resources: tuple[RecordedResource, ...] = ()
    pending: tuple[str, ...] = ()
    facts: RecordedFacts | NoData = NOT_READ


def update_outcome(
    driver: StackDriver,
    stack: StackRef,
    entry: HistoryEntry | None,
    *,
    origin: Origin,
    verdict: Verdict,
    reason: str,
) -> Outcome:
    """The outcome of an update whose live facts were not compared."""
    versions = {**tool_versions(), "driver": driver.name.value}
    if entry is not None and "pulumi.version" in entry.environment:
        versions["engine"] = entry.environment["pulumi.version"]
    return Outcome(
        origin=origin,
        verdict=verdict,
        reason=reason,
        program=read_program(stack.project_dir),
        versions=versions,
        resources=recorded_resources(driver.resources(stack)),
        pending=driver.pending_operations(stack),
    )


def compared_outcome(
    driver: StackDriver,
    stack: StackRef,
    entry: HistoryEntry | None,
    facts: FactsReport,
    *,
    origin: Origin,
) -> Outcome:
    """The outcome of a completed update: good when its live facts match, else bad."""
    differences = difference_sentences(facts)
    reason = "; ".join(differences[:_SHOWN_DIFFERENCES]) or "live facts equal the sizing"
    outcome = update_outcome(
        driver,
        stack,
        entry,
        origin=origin,
        verdict=Verdict.GOOD if facts.matches else Verdict.BAD,
        reason=reason,
    )
    return replace(outcome, facts=recorded_facts(facts))
