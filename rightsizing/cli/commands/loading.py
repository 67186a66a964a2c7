"""``rightsize load``: a target at a multiple of its normal volume, or two targets compared."""

from __future__ import annotations

import math
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import click
import numpy as np

from rightsizing.cli.finite import FiniteRange
from rightsizing.cli.loadview import load_json, load_text
from rightsizing.cli.progress import progress_bar
from rightsizing.cli.session import PARTIAL_DATA_EXIT_CODE, Session
from rightsizing.errors import ConfigError, StoreError
from rightsizing.load.arrivals import Spacing, schedule
from rightsizing.load.figures import LEAST_BLOCKS
from rightsizing.load.generator import Request, drive
from rightsizing.load.normalvolume import normal_volume_rps
from rightsizing.load.report import ERROR_MARGIN, MARGIN, LoadReport, Objectives, load_report
from rightsizing.measure.progress import Progress
from rightsizing.model.base import NoData
from rightsizing.model.loadrecord import LoadRecord, LoadVerdict
from rightsizing.rollout.stagingrecord import write_load

REGRESSION_EXIT_CODE = 11
EXIT_CODES = {
    LoadVerdict.PASSED: 0,
    LoadVerdict.REGRESSED: REGRESSION_EXIT_CODE,
    LoadVerdict.INCONCLUSIVE: PARTIAL_DATA_EXIT_CODE,
    LoadVerdict.INTERRUPTED: 130,
}
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2
_LINE_ENDS = frozenset("\r\n\0")
_DAYS = 14  # of measurements that normal volume is taken from
_DAY_MS = 86_400_000


@click.command(epilog="Example: rightsize load http://127.0.0.1:8080/health --rate 20")
@click.argument("target", required=False)
@click.option(
    "--compare",
    nargs=2,
    metavar="OLD NEW",
    help="Load both, in turns, and fail when the new one is worse.",
)
@click.option("--rate", type=float, help="Normal volume, requests a second.")
@click.option("--workload", help="Take normal volume from what was measured of this workload.")
@click.option(
    "--multiple",
    type=FiniteRange(min=0, min_open=True),
    default=2.0,
    show_default=True,
    help="Drive so many times the normal volume.",
)
@click.option(
    "--duration",
    type=FiniteRange(min=1),
    default=60.0,
    show_default=True,
    help="Measured seconds of each target.",
)
@click.option(
    "--warm-up",
    type=FiniteRange(min=0),
    default=5.0,
    show_default=True,
    help="Seconds sent before, and not measured.",
)
@click.option(
    "--block",
    type=FiniteRange(min=0.1),
    default=2.0,
    show_default=True,
    help="Seconds of a turn; intervals come from comparing turns.",
)
@click.option(
    "--margin",
    type=FiniteRange(min=0, min_open=True),
    default=MARGIN * 100,
    show_default=True,
    help="How much worse the new p50, p99 and throughput may be, %.",
)
@click.option(
    "--error-margin",
    type=FiniteRange(min=0, min_open=True),
    default=ERROR_MARGIN * 100,
    show_default=True,
    help="How many more requests may fail at the new target, % of all.",
)
@click.option("--max-p99", type=FiniteRange(min=0), help="Most 99th percentile allowed, ms.")
@click.option(
    "--max-errors", type=FiniteRange(min=0), help="Most failed requests allowed, % of all."
)
@click.option("--method", default="GET", show_default=True, help="HTTP method.")
@click.option("--header", multiple=True, help="NAME: VALUE; may be given several times.")
@click.option("--body", help="Text to send with each request.")
@click.option(
    "--timeout",
    type=FiniteRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="Seconds until a request counts as failed.",
)
@click.option(
    "--spacing",
    type=click.Choice([item.value for item in Spacing]),
    default=Spacing.POISSON.value,
    show_default=True,
    help="How requests follow each other.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Of moments and intervals.",
)
@click.option("--no-record", is_flag=True, help="Keep nothing beside the stack's records.")
@click.pass_obj
def load(
    session: Session,
    target: str | None,
    compare: tuple[str, str] | None,
    rate: float | None,
    workload: str | None,
    multiple: float,
    duration: float,
    warm_up: float,
    block: float,
    margin: float,
    error_margin: float,
    max_p99: float | None,
    max_errors: float | None,
    method: str,
    header: tuple[str, ...],
    body: str | None,
    timeout: float,
    spacing: str,
    seed: int,
    no_record: bool,
) -> int:
    """Send requests to TARGET at a multiple of its normal volume, and report what came back.

    Requests are sent when they are due, whatever became of earlier ones, and latency counts from
    then. With --compare, old and new take turns, and the report says how much slower the new one
    is, with intervals. Exits with 11 when a limit or margin is shown to be broken, with 8 when
    nothing is shown, with 130 after Ctrl-C, which still gives the report so far.
    """
    urls = _urls(target, compare)
    headers = _headers(header)
    if not _TOKEN.fullmatch(method):
        raise ConfigError(f"--method {method[:40]!r} must be a word of letters, such as POST")
    normal_rps = _normal(session, rate, workload)
    rng = np.random.default_rng(seed)
    blocks = max(math.ceil(duration / block), 1) * len(urls)
    plan = schedule(
        normal_rps * multiple,
        targets=len(urls),
        blocks=blocks,
        block_s=block,
        warm_up_s=warm_up,
        rng=rng,
        spacing=Spacing(spacing),
    )
    if blocks // len(urls) < LEAST_BLOCKS:
        session.remark(
            f"{blocks // len(urls)} turns a target are too few for a verdict, {LEAST_BLOCKS} are "
            "needed: raise --duration or shorten --block"
        )
    request = Request(
        urls,
        method=method.upper(),
        headers=headers,
        body=None if body is None else body.encode(),
        timeout_s=timeout,
    )
    with progress_bar(session) as listen, _ended_by_signal() as stop:
        samples = drive(
            request,
            plan,
            stop=stop,
            progress=lambda sent, total: listen(Progress("sending requests", sent, total)),
        )
    objectives = Objectives(
        margin=margin / 100,
        error_margin=error_margin / 100,
        max_p99_ms=max_p99,
        max_error_ratio=None if max_errors is None else max_errors / 100,
    )
    report = load_report(samples, urls, normal_rps * multiple, objectives, rng)
    session.show(load_text(report), load_json(report))
    if session.in_project and not no_record and report.duration_s > 0:
        judged = bool(report.ratios) or max_p99 is not None or max_errors is not None
        _keep(session, report, normal_rps, multiple, judged=judged)
    return EXIT_CODES[report.verdict]


def _urls(target: str | None, compare: tuple[str, str] | None) -> tuple[str, ...]:
    if (target is None) == (compare is None):
        raise ConfigError("give one TARGET, or --compare OLD NEW")
    return compare if compare is not None else (str(target),)


def _headers(given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for line in given:
        name, colon, value = line.partition(":")
        valid = _TOKEN.fullmatch(name.strip()) and not _LINE_ENDS & set(value)
        if not colon or not valid:
            raise ConfigError(f"--header {line[:80]!r} must look like 'NAME: VALUE', on one line")
        found[name.strip()] = value.strip()
    return found


def _normal(session: Session, rate: float | None, workload: str | None) -> float:
    """Normal volume, requests a second: as given, or as measured."""
    if rate is not None:
        if not 0 < rate < math.inf:
            raise ConfigError(f"--rate {rate:g} must be more than 0 requests a second")
        return rate
    if workload is None:
        raise ConfigError(
            "normal volume is not known; give --rate, or --workload to take it from the store"
        )
    found = _measured(session, workload)
    if isinstance(found, NoData):
        raise ConfigError(
            f"the normal volume of {workload} is not known: {found.reason}; give --rate"
        )
    session.remark(f"normal volume of {workload}: {found:.1f} requests a second, as measured")
    return found


def _measured(session: Session, workload: str) -> float | NoData:
    try:
        newest = {item.key: item.end_ms for item in session.store.workloads()}
    except StoreError as error:
        return NoData(str(error))
    if workload not in newest:
        return NoData("the store holds nothing of it")
    start_ms = newest[workload] - _DAYS * _DAY_MS
    rows = session.store.measurements([workload], start_ms=start_ms).to_pyarrow()

    def column(name: str) -> np.ndarray:
        return np.array(rows[name].to_pylist(), dtype=float)

    return normal_volume_rps(
        column("timestamp_ms").astype(np.int64), column("interval_s"), column("requests")
    )


@contextmanager
def _ended_by_signal() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets once; the next Ctrl-C is an ordinary one."""
    stop = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def end(*_: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, end)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def _keep(
    session: Session, report: LoadReport, normal_rps: float, multiple: float, *, judged: bool
) -> None:
    release = session.sizing.release
    record = LoadRecord(
        at=datetime.now(UTC),
        release=None if release is None else release.id,
        phase=session.sizing.phase,
        targets=tuple(target.url for target in report.targets),
        normal_rps=normal_rps,
        multiple=multiple,
        duration_s=report.duration_s,
        requests=report.requests,
        judged=judged,
        verdict=report.verdict,
        reason="; ".join(report.reasons),
    )
    path = write_load(session.stack, record)
    session.remark(f"kept as {path.relative_to(session.project_dir)}")
