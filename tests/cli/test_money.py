"""``rightsize money``: bills in three formats, cases, mistakes."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rightsizing.cli.main import run
from rightsizing.measure.chargefile import read_charges
from rightsizing.model.charge import Charge, ChargeCategory
from rightsizing.plan.focus import focus_csv
from rightsizing.plan.ledger import make_ledger

CASE = Path(__file__).parents[2] / "examples" / "trading" / "case.yaml"
PLAIN = """month,workload,list_usd,effective_usd,billed_usd
2026-10,api,100,80,120
2026-10,db,50,50,50
2026-11,api,110.005,90.005,0
"""
FOCUS = (
    "ChargePeriodStart,ChargeCategory,ChargeClass,BilledCost,EffectiveCost,ListCost,"
    "BillingCurrency,ServiceName,Tags,CommitmentDiscountId,CommitmentDiscountStatus\n"
)
# A reservation of $60 covers usage of $100 at list for $45 and is unused for $15.
COVERED = FOCUS + (
    "2026-10-01T00:00:00Z,Purchase,,60,0,0,USD,EC2,{},ri-1,\n"
    '2026-10-01T00:00:00Z,Usage,,0,45,100,USD,EC2,"{""workload"": ""api""}",ri-1,Used\n'
    "2026-10-01T00:00:00Z,Usage,,0,15,0,USD,EC2,{},ri-1,Unused\n"
    "2026-10-02T00:00:00Z,Tax,,7,7,7,USD,EC2,{},,\n"
    "2026-10-02T00:00:00Z,Credit,,-5,-5,-5,USD,EC2,{},,\n"
)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def ran(capsys, arguments: list[str]) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    code = run(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def data(capsys, *arguments: str):
    """The JSON of a run that succeeds."""
    code, out, err = ran(capsys, ["--json", "money", *arguments])
    assert code == 0, err
    return json.loads(out)


def sentence(capsys, *arguments: str) -> str:
    """The one sentence of a run that fails."""
    code, _, err = ran(capsys, ["money", *arguments])
    assert code in (1, 2)
    assert "Traceback" not in err
    assert len(err.strip().split("error:")) == 2
    return " ".join(err.split())


def test_a_plain_bill(capsys) -> None:
    """List, effective and billed by workload and month, with their totals."""
    Path("bill.csv").write_text(PLAIN)
    found = data(capsys, "bill.csv")
    assert [line["workload"] for line in found["lines"]] == ["api", "db", "api"]
    # 100 + 50 + 110.005, 80 + 50 + 90.005, 120 + 50 + 0
    assert found["total"] == {
        "list_usd": "260.005",
        "effective_usd": "220.005",
        "billed_usd": "170",
    }
    assert found["lines"][0]["sources"] == ["bill.csv (plain)"]
    assert len(data(capsys, "bill.csv", "--since", "2026-11")["lines"]) == 1


def test_focus_amounts_and_commitments(capsys) -> None:
    """Used and unused add up to the purchase: 45 + 15 = 60; billed 60 + 7 - 5 = 62."""
    Path("bill.csv").write_text(COVERED)
    found = data(capsys, "bill.csv")
    assert found["total"] == {"list_usd": "102", "effective_usd": "62", "billed_usd": "62"}
    use = found["commitments"][0]
    assert (use["used_usd"], use["unused_usd"], use["utilisation"]) == ("45", "15", "0.75")


def test_cur_is_amortised(capsys) -> None:
    """A covered hour at its effective cost, the fee at its unused part, negation nets the plan.

    Effective 3 (reserved) + 1 (fee unused) + 2 (plan) + 0.5 (plan unused) = 6.5; billed 4 (fee) +
    5 - 5 (plan, negated) + 2.5 (plan's fee) = 6.5.
    """
    header = (
        "line_item_usage_start_date,line_item_line_item_type,line_item_unblended_cost,"
        "pricing_public_on_demand_cost,reservation_effective_cost,reservation_reservation_a_r_n,"
        "reservation_unused_amortized_upfront_fee_for_billing_period,"
        "reservation_unused_recurring_fee,savings_plan_savings_plan_effective_cost,"
        "savings_plan_savings_plan_a_r_n,savings_plan_total_commitment_to_date,"
        "savings_plan_used_commitment,resource_tags\n"
    )
    day = "2026-10-01T00:00:00Z"
    Path("cur.csv").write_text(
        header
        + f'{day},DiscountedUsage,0,6,3,ri,,,,,,,"{{""user_workload"": ""api""}}"\n'
        + f"{day},RIFee,4,,,ri,0.25,0.75,,,,,\n"
        + f"{day},SavingsPlanCoveredUsage,5,5,,,,,2,sp,,,\n"
        + f"{day},SavingsPlanNegation,-5,,,,,,,sp,,,\n"
        + f"{day},SavingsPlanRecurringFee,2.5,,,,,,,sp,2.5,2,\n"
    )
    found = data(capsys, "cur.csv")
    assert found["total"] == {"list_usd": "11", "effective_usd": "6.5", "billed_usd": "6.5"}
    assert found["lines"][0]["workload"] == "api" or found["lines"][1]["workload"] == "api"
    assert [item["utilisation"] for item in found["commitments"]] == ["0.75", "0.8"]


amounts = st.decimals(-1000, 1000, places=10)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.builds(
            Charge,
            st.dates().filter(lambda day: day.year > 1700).map(lambda day: day.replace(day=1)),
            st.sampled_from(["api", "d b", None]),
            st.sampled_from(["EC2", "S3"]),
            st.sampled_from(ChargeCategory),
            amounts,
            amounts,
            amounts,
            amounts,
            st.just("a"),
        ),
        min_size=1,
        max_size=6,
        unique_by=lambda item: (item.start, item.workload, item.service, item.category),
    )
)
def test_focus_out_and_in(charges) -> None:
    """What is written is read back to the same ledger, digit by digit."""
    ledger = make_ledger(charges)
    Path("out.csv").write_text(focus_csv(ledger))
    again = make_ledger(read_charges(Path("out.csv")).charges)
    assert again.total == ledger.total
    assert [(line.month, line.workload, line.amounts) for line in again.lines()] == [
        (line.month, line.workload, line.amounts) for line in ledger.lines()
    ]


def test_steps_on_a_bill(capsys) -> None:
    """The last month's effective $90.01 (90.005): halved, then 10 replaced by 4."""
    Path("bill.csv").write_text(PLAIN)
    Path("steps.yaml").write_text(
        "steps:\n"
        "- {kind: commit, workload: api, title: plan, replaces_usd: 10, by_usd: 4, phase: 2}\n"
        "- {kind: schedule, workload: api, title: nights, keep_ratio: 0.5, phase: 1}\n"
        "implementation_cost_usd: {1: 45, 2: 1}\n"
    )
    found = data(capsys, "bill.csv", "--steps", "steps.yaml")["savings"]
    assert found["bill_before_usd"] == "90.01"
    # 90.01 / 2 = 45.005 -> 45.01 left, 45.00 saved; 45.01 - 10 + 4 = 39.01
    assert [item["saving_usd"] for item in found["steps"]] == ["45", "6"]
    assert found["bill_after_usd"] == "39.01"
    assert found["returns"]["phases"][0]["appraisal"]["payback_months"] == "1"


def test_the_case(capsys) -> None:
    """Claims, what the bill allows, what is really saved; the page says the sum."""
    found = data(capsys, "--case", str(CASE))
    savings = found["savings"]
    total = sum(Decimal(item["saving_usd"]) for item in savings["steps"])
    assert total == Decimal(savings["saving_usd"])
    assert Decimal(savings["bill_before_usd"]) - Decimal(savings["bill_after_usd"]) == total
    assert [item["claimed_at_most_usd"] for item in found["phases"]] == ["145.02", "60", "25", "0"]
    assert "= bill before $230.02 - bill after" in ran(capsys, ["money", "--case", str(CASE)])[1]


def test_a_change_against_its_control(capsys) -> None:
    """api is halved on the 29th day, web is not: half of $10 a day over 730 / 24 days."""
    rows = ["month,workload,list_usd,effective_usd,billed_usd"]
    for index in range(56):
        day = f"2026-{9 + index // 28:02}-{index % 28 + 1:02}"
        cost = 10 if index < 28 else 5
        rows += [f"{day},api,{cost},{cost},{cost}", f"{day},web,20,20,20"]
    Path("bill.csv").write_text("\n".join(rows) + "\n")
    found = data(capsys, "bill.csv", "--applied", "api=2026-10-01")["measured"]["api"]
    assert found["control"] == "web"
    assert found["saving_usd_per_month"] == pytest.approx(5 * 730 / 24)
    only = data(capsys, "bill.csv", "--applied", "api=2026-10-01", "--applied", "web=2026-10-01")
    assert "without a control" in only["measured"]["api"]["no_data"]


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        (COVERED + "2026-10-03,Usage,,1,1,1,EUR,S3,{},,\n", [], "mixes the currencies EUR, USD"),
        (PLAIN.replace("list_usd", "list"), [], "is no bill"),
        (PLAIN.replace("80", "eighty"), [], "effective cost eighty is no amount"),
        (PLAIN.replace("2026-11", "soon"), [], "without a readable date"),
        (PLAIN.splitlines()[0] + "\n", [], "holds no charges"),
        (FOCUS + "2026-10-03,Gift,,1,1,1,USD,S3,{},,\n", [], "'Gift' is not known"),
        (PLAIN, ["--since", "2027-01"], "no charges since 2027-01-01"),
        (PLAIN, ["--since", "yesterday"], "--since 'yesterday' is no date"),
        (PLAIN, ["--applied", "api"], "must be WORKLOAD=DATE"),
        (PLAIN, ["--case", str(CASE)], "a case brings its own bill"),
        (PLAIN, ["--steps", "nowhere.yaml"], "nowhere.yaml cannot be read"),
        (PLAIN, ["--steps", "s.yaml", "--month", "2026-09"], "no charges in 2026-09"),
        (PLAIN, ["--steps", "s.yaml"], "'nobody', which the bill does not name"),
        (PLAIN, ["--steps", "two.yaml"], "give one of keep_ratio"),
    ],
)
def test_mistakes(capsys, text, arguments, said) -> None:
    """The value, the limit, what to do; no traceback."""
    Path("bill.csv").write_text(text)
    Path("s.yaml").write_text("steps: [{kind: cache, workload: nobody, title: t, keep_ratio: 1}]\n")
    Path("two.yaml").write_text(
        "steps: [{kind: cache, workload: api, title: t, keep_ratio: 1, saves_usd: 2}]\n"
    )
    assert said in sentence(capsys, "bill.csv", *arguments)


def test_negative_usage_is_kept_and_said(capsys) -> None:
    """It is on the invoice; a workload below 0 is no cost to save from."""
    Path("bill.csv").write_text(PLAIN + "2026-11,refunded,-3,-3,-3\n")
    found = data(capsys, "bill.csv")
    assert found["total"]["billed_usd"] == "167"
    assert "1 lines, -$3.00 in all" in found["notes"][0]


def test_repeated_lines_count_once(capsys) -> None:
    """And what is left out is said."""
    Path("bill.csv").write_text(PLAIN + "2026-10,db,50,50,50\n")
    found = data(capsys, "bill.csv")
    assert found["total"]["billed_usd"] == "170"
    assert "billed $50.00 is left out" in found["notes"][0]


def test_options_that_need_a_bill(capsys) -> None:
    """Said before anything is read."""
    assert "--focus needs a bill" in sentence(capsys, "--focus", "x.csv")
    assert "nothing to account for" in sentence(capsys)


@pytest.mark.skipif(
    "RIGHTSIZING_DATA" not in os.environ, reason="no shared data (RIGHTSIZING_DATA)"
)
def test_a_real_bill_adds_up() -> None:
    """The published FOCUS sample: our totals are the sums of its own columns."""
    import pyarrow.parquet as pq

    path = Path(os.environ["RIGHTSIZING_DATA"]) / "usage" / "focus_sample_1000.parquet"
    rows = pq.read_table(path).to_pylist()
    total = make_ledger(read_charges(path).charges).total
    assert total.billed_usd == sum(Decimal(row["BilledCost"]) for row in rows)
    assert total.effective_usd == sum(Decimal(row["EffectiveCost"]) for row in rows)
    assert total.list_usd == sum(Decimal(row["ListCost"]) for row in rows)
