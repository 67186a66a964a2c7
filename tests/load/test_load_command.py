"""`rightsize load` as it is typed, against a server of the test's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rightsizing.cli.main import run
from rightsizing.measure.schema import STORE_SCHEMA
from rightsizing.measure.store import Store
from rightsizing.model.loadrecord import LoadVerdict
from rightsizing.rollout.stagingrecord import read_staging
from rightsizing.stack.driver import StackRef

SHORT = ("--duration", "1", "--block", "0.1", "--warm-up", "0")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one empty stack, which is the current folder."""
    (tmp_path / "Pulumi.yaml").write_text("name: proj\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = run(["--json", "--stack", "dev", *arguments])
    return code, json.loads(capsys.readouterr().out)


def test_a_target_is_driven_at_twice_its_rate(
    project: Path, server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """20 a second for a second, twice: 40 requests, evenly; kept beside the stack's records."""
    arguments = ("load", server.url("/up"), "--rate", "20", "--spacing", "even", *SHORT)
    code, answer = asked(capsys, *arguments)
    assert (code, answer["verdict"]) == (0, "passed")
    assert (answer["requests"], len(server.seen), answer["rate_rps"]) == (40, 40, 40.0)
    (record,) = read_staging(StackRef(project, "proj", "dev"), "dev").loads
    assert (record.verdict, record.multiple, record.requests) == (LoadVerdict.PASSED, 2.0, 40)


def test_a_target_that_fails_ends_with_its_own_exit_code(
    project: Path, server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every request of the new target fails, none of the old one's."""
    urls = ("--compare", server.url("/up"), server.url("/broken"))
    code, answer = asked(capsys, "load", *urls, "--rate", "20", *SHORT)
    assert (code, answer["verdict"]) == (11, "regressed")
    assert "100.00% more requests fail" in " ".join(answer["reasons"])
    assert answer["new_over_old"]["error_ratio_difference"]["estimate"] == 1.0


def test_too_short_a_test_shows_nothing(
    project: Path, server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two turns a target: inconclusive, with its own exit code, and said before it begins."""
    urls = ("--compare", server.url("/up"), server.url("/up"))
    short = ("--duration", "1", "--block", "0.5", "--warm-up", "0")
    code, answer = asked(capsys, "load", *urls, "--rate", "10", *short)
    assert (code, answer["verdict"]) == (8, "inconclusive")


def test_normal_volume_comes_from_the_store(
    project: Path, server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two hours of 15 requests a second, as measured: 30 are driven."""
    rows = [
        {
            "workload": "web",
            "resource_id": "web-1",
            "timestamp_ms": hour * 3_600_000 + step * 300_000,
            "interval_s": 300.0,
            "requests": 4500.0,
            "source": "test",
        }
        for hour in (480_000, 480_001)
        for step in range(12)
    ]
    store = Store(StackRef(project, "proj", "dev").record_dir / "store")
    store.append(pa.Table.from_pylist(rows, schema=STORE_SCHEMA), "test")
    code, answer = asked(
        capsys, "load", server.url("/up"), "--workload", "web", "--spacing", "even", *SHORT
    )
    assert (code, answer["rate_rps"], answer["requests"]) == (0, 30.0, 30)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("http://127.0.0.1:1/",), "normal volume is not known; give --rate"),
        (("http://127.0.0.1:1/", "--workload", "web"), "of web is not known"),
        (("http://127.0.0.1:1/", "--rate", "0"), "--rate 0 must be more than 0"),
        (("--rate", "5"), "give one TARGET, or --compare OLD NEW"),
        (("localhost", "--rate", "5"), "'localhost' is no address to load"),
        (("http://127.0.0.1:1/", "--rate", "5", "--header", "x"), "must look like 'NAME: VALUE'"),
    ],
)
def test_mistakes_are_one_sentence(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], why: str
) -> None:
    """The value and what to do; nothing is sent."""
    code, answer = asked(capsys, "load", *arguments)
    assert code == 2
    assert why in answer["error"]["message"]


def test_staging_is_written_and_checked(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Made from the stack, then changed by hand where it must not differ: no mirror any more."""
    (project / "Pulumi.dev.yaml").write_text(
        "config:\n  rightsizing:region: us-east-1\n  rightsizing:containers:\n"
        "    web:\n      size: {cpu_millicores: 500, memory_mib: 64}\n      image: web:1\n"
    )
    code, answer = asked(capsys, "staging")
    assert (code, answer["written"], answer["mirrors"]) == (0, True, True)
    code, answer = asked(capsys, "staging")
    assert (code, answer["written"]) == (0, False)
    path = project / "Pulumi.staging.yaml"
    path.write_text(path.read_text().replace("500", "900").replace("us-east-1", "eu-west-1"))
    code, answer = asked(capsys, "staging", "--check")
    assert (code, answer["mirrors"]) == (2, False)
    assert {item["path"]: item["allowed"] for item in answer["differences"]} == {
        "rightsizing:containers.web.size.cpu_millicores": False,
        "rightsizing:region": True,
    }
    code, answer = asked(capsys, "staging")
    assert (code, answer["written"], answer["mirrors"]) == (0, True, True)
    assert "eu-west-1" in path.read_text()
    code, answer = asked(capsys, "staging", "--name", "dev")
    assert "cannot mirror itself" in answer["error"]["message"]
