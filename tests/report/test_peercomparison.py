"""Our recommendations beside Compute Optimizer's: matching, verdicts and reasons."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from rightsizing.catalog.catalog import Catalog
from rightsizing.model.base import NoData
from rightsizing.model.peeradvice import (
    PeerAdvice,
    PeerFinding,
    PeerOption,
    PeerPreferences,
    PeerReport,
    PeerSize,
    PeerTask,
    PeerType,
    PeerUtilisation,
)
from rightsizing.model.recommendation import (
    Decision,
    Excuse,
    ExcuseCode,
    ReasonCode,
    Recommendation,
)
from rightsizing.model.size import ContainerSize, ServiceSize
from rightsizing.model.workload import WorkloadKind
from rightsizing.report.document import Table
from rightsizing.report.jsonview import plain
from rightsizing.report.markdown import markdown
from rightsizing.report.peercomparison import ComparedAdvice, Verdict, compare_with_peer
from rightsizing.report.peerpage import peer_page
from rightsizing.report.terminal import terminal_text

UNSTATED = NoData("not stated")
PREFERENCES = PeerPreferences(UNSTATED, UNSTATED, UNSTATED, UNSTATED)


def option(size: PeerSize, usd: str = "21.02") -> PeerOption:
    """The best option, with a saving."""
    return PeerOption(1, size, (), 1.0, "VeryLow", Decimal(usd), UNSTATED)


def advice(
    resource: str = "web-a",
    to: str | None = "m7g.large",
    *,
    current: str = "m5.large",
    kind: WorkloadKind = WorkloadKind.FLEET,
    metrics: tuple[str, ...] = ("Cpu",),
) -> PeerAdvice:
    """Advice on a group (or instance) to move to a type; None: it is optimized."""
    return PeerAdvice(
        kind=kind,
        resource_id=resource,
        name=None,
        group=resource if kind is WorkloadKind.FLEET else None,
        workload=None,
        finding=PeerFinding.OPTIMIZED if to is None else PeerFinding.NOT_OPTIMIZED,
        reasons=(),
        current=PeerType((current,)),
        used=tuple(PeerUtilisation(name, "Maximum", 20.0, 20.0) for name in metrics),
        current_risk=UNSTATED,
        lookback_days=14.0,
        refreshed_at=UNSTATED,
        preferences=PREFERENCES,
        options=() if to is None else (option(PeerType((to,))),),
    )


def task_advice(cpu_units: int, memory_mib: int) -> PeerAdvice:
    """Advice on a service."""
    return replace(
        advice("main/api", kind=WorkloadKind.SERVICE),
        finding=PeerFinding.OVERPROVISIONED,
        current=PeerTask(1024, 4096),
        options=(option(PeerTask(cpu_units, memory_mib)),),
    )


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """The packaged one."""
    return Catalog.load()


@pytest.fixture
def compare(catalog, recommend):
    """Compare one recommendation (m5.large -> m7g.large by default) with advice on web-a."""

    def run(
        *said: PeerAdvice, ours: Recommendation | None = None, failures: tuple[str, ...] = ()
    ) -> tuple[ComparedAdvice, ...]:
        report = PeerReport("AWS Compute Optimizer", said, failures)
        ids = {"web": frozenset({"web-a", "web-b"}), "api": frozenset({"main/api"})}
        return compare_with_peer([ours or recommend()], report, ids, catalog).compared

    return run


def test_the_same_type_agrees(compare) -> None:
    """Both say m7g.large."""
    (found,) = compare(advice())
    assert (found.verdict, found.why) == (Verdict.AGREE, ("the same size",))
    assert found.resources == ("web-a",)


def test_optimized_agrees_with_keep(compare, recommend) -> None:
    """A group found optimized stays, as ours does."""
    kept = recommend(target=recommend().current, decision=Decision.KEEP)
    (found,) = compare(advice(to=None), ours=kept)
    assert (found.verdict, found.why) == (Verdict.AGREE, ("both keep the current size",))
    assert found.saving_usd_per_month == 0


def test_options_of_an_optimized_group_are_not_its_advice(compare) -> None:
    """A newer generation listed beside "optimized" is no proposal to move."""
    said = replace(advice(), finding=PeerFinding.OPTIMIZED)
    (found,) = compare(said)
    assert found.verdict is Verdict.DIFFER
    assert str(found.proposed) == "m5.large"


def test_a_difference_names_the_dimension(compare) -> None:
    """c5.large has 2 vCPU as m7g.large has, and 4 GiB instead of 8."""
    (found,) = compare(advice(to="c5.large", metrics=("Cpu", "Memory")))
    assert found.verdict is Verdict.DIFFER
    assert found.why == ("memory: 4 GiB there, 8 here",)


def test_memory_that_nobody_measured_is_pointed_out(compare) -> None:
    """Less memory without a memory metric; only where both hold."""
    words = "it proposes less memory without a memory metric"
    assert words in compare(advice(to="c5.large"))[0].why
    assert words not in compare(advice(to="c5.large", metrics=("Cpu", "Memory")))[0].why
    assert words not in compare(advice(to="m5.xlarge"))[0].why


def test_another_family_of_the_same_size(compare) -> None:
    """m6i.large and m7g.large have the same vCPU and memory."""
    (found,) = compare(advice(to="m6i.large"))
    assert found.why == ("the same vCPU and memory in another family",)


def test_our_own_excuse_is_quoted(compare, recommend) -> None:
    """What we said against their choice is the best reason there is."""
    excuse = Excuse("c5.large", ExcuseCode.MEMORY_TOO_SMALL, "4 GiB; 5.20 are needed")
    ours = replace(recommend(), excuses=(excuse,))
    (found,) = compare(advice(to="c5.large"), ours=ours)
    assert "we passed over c5.large: 4 GiB; 5.20 are needed" in found.why


def test_a_refusal_names_its_reasons(compare, recommend) -> None:
    """They shrink, our evidence forbids it."""
    ours = replace(
        recommend(target=recommend().current, decision=Decision.REFUSE),
        reasons=(ReasonCode.MEMORY_UNMEASURED,),
    )
    (found,) = compare(advice(to="c5.large"), ours=ours)
    assert "our evidence forbids a reduction (MemoryUnmeasured)" in found.why


def test_a_stale_current_size_is_noticed(compare) -> None:
    """Refreshed once a day: after a resize they still judge the old size."""
    (found,) = compare(advice(to="m6i.large", current="m5.2xlarge"))
    assert found.why[0] == "it judges a current size of m5.2xlarge"


def test_another_lookback_is_said(compare) -> None:
    """93 days there, 14 here."""
    (found,) = compare(replace(advice(to="m6i.large"), lookback_days=93.0))
    assert found.why[-1] == "it looked at 93 days, we at 14"


def test_a_workload_tag_beats_a_name(compare) -> None:
    """An instance of another workload does not match by its group's name."""
    tagged = replace(
        advice("i-1", kind=WorkloadKind.HOST), group="web-a", workload="something-else"
    )
    (found,) = compare(tagged)
    assert found.verdict is Verdict.NO_ADVICE


def test_instances_stand_in_for_a_group_without_advice(compare) -> None:
    """Two instances with the same advice are one row."""
    said = [replace(advice(name, kind=WorkloadKind.HOST), group="web-a") for name in ("i-2", "i-1")]
    (found,) = compare(*said)
    assert (found.verdict, found.resources) == (Verdict.AGREE, ("i-1", "i-2"))


def test_instances_of_a_judged_group_are_left_out(compare) -> None:
    """The group's advice is for all of them."""
    member = replace(advice("i-1", "c5.large", kind=WorkloadKind.HOST), group="web-a")
    (found,) = compare(advice(), member)
    assert found.resources == ("web-a",)


def test_two_slots_with_different_advice_are_two_rows(compare) -> None:
    """Nothing is averaged away."""
    found = compare(advice(), advice("web-b", "m6i.large"))
    assert [item.verdict for item in found] == [Verdict.AGREE, Verdict.DIFFER]


def test_a_mixed_group_differs(compare) -> None:
    """Several types are no single size."""
    said = replace(advice(), options=(option(PeerType(("m5.large", "m6i.large"))),))
    (found,) = compare(said)
    assert found.why == ("it mixes instance types",)


def test_services_compare_by_task_size(compare, recommend) -> None:
    """0.5 vCPU and 2 GiB on both sides, then 1 GiB on theirs."""
    size = ServiceSize(cpu_units=1024, memory_mib=4096, min_tasks=2, max_tasks=4)
    target = size.model_copy(update={"cpu_units": 512, "memory_mib": 2048})
    ours = replace(recommend("api", target), kind=WorkloadKind.SERVICE, current=size)
    assert compare(task_advice(512, 2048), ours=ours)[0].verdict is Verdict.AGREE
    (found,) = compare(task_advice(512, 1024), ours=ours)
    assert found.why[0] == "memory: 1 GiB there, 2 here"


def test_a_host_compares_by_capacity(compare, recommend) -> None:
    """A host of 2 cores and 8 GiB is what an m5.large has."""
    ours = replace(
        recommend("i-1", ContainerSize(cpu_millicores=2000, memory_mib=8192)),
        kind=WorkloadKind.HOST,
        current=ContainerSize(cpu_millicores=4000, memory_mib=16384),
    )
    said = advice("i-1", "m5.large", current="m5.xlarge", kind=WorkloadKind.HOST)
    assert compare(said, ours=ours)[0].verdict is Verdict.AGREE


def test_without_advice_the_reason_is_the_kind(compare, recommend) -> None:
    """Containers are never looked at; a group may lack hours of metrics."""
    assert "30 hours" in compare()[0].why[0]
    container = replace(recommend(), kind=WorkloadKind.CONTAINER)
    assert compare(ours=container)[0].why == ("Docker containers are not looked at",)


def test_unread_advice_is_not_called_missing(compare) -> None:
    """When the listing failed, nobody knows whether there is advice."""
    (found,) = compare(failures=("throttled",))
    assert found.why == ("its advice could not be read",)


def test_the_page_shows_both_sides(catalog, recommend) -> None:
    """One table; money of both; what belongs to nothing is named."""
    report = PeerReport("AWS Compute Optimizer", (advice(to="c5.large"), advice("other")))
    ids = {"web": frozenset({"web-a"})}
    found = compare_with_peer([recommend()], report, ids, catalog)
    page = peer_page(found)
    text = terminal_text(page, 200)
    for words in ("m7g.large x 2-4", "c5.large", "differ", "1 of 4", "$21.02"):
        assert words in text
    assert "belong to none of these workloads: other." in text
    assert "0 agree, 1 differ, 0 without advice" in text
    assert "| web |" in markdown(page)
    data = plain(found)
    assert data["compared"][0]["verdict"] == "differ"
    assert data["compared"][0]["advice"]["options"][0]["saving_usd_per_month"] == "21.02"
    assert data["unmatched"] == ["other"]


def test_nothing_read_is_no_table(catalog, recommend) -> None:
    """Only the sentence that says why."""
    report = PeerReport("AWS Compute Optimizer", (), ("this AWS account has not opted in",))
    page = peer_page(compare_with_peer([recommend()], report, {}, catalog))
    assert not [block for block in page if isinstance(block, Table)]
    assert "not read: this AWS account has not opted in" in terminal_text(page)


def test_order_of_answers_is_irrelevant(catalog, recommend) -> None:
    """Rows come in our order, resources sorted."""
    recommendations = [recommend("a"), recommend("b")]
    said = [advice("g1"), advice("g2", "m6i.large"), advice("g3")]
    ids = {"a": frozenset({"g1", "g3"}), "b": frozenset({"g2"})}
    forward, backward = (
        compare_with_peer(recommendations, PeerReport("peer", tuple(order)), ids, catalog)
        for order in (said, said[::-1])
    )
    assert [(item.workload, item.verdict, item.resources) for item in forward.compared] == [
        (item.workload, item.verdict, item.resources) for item in backward.compared
    ]
