"""The processes: killed between orders, doubled, stopped in order, asked over HTTP."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from tradingsite import EXAMPLE, Processes, RedisServer, ask, free_port, order_ids, until

CYCLE_S = 100.0  # 0.4 s of real time at the tests' scale


def test_the_whole_system(redis_server: RedisServer, processes: Processes) -> None:
    """Killed with SIGKILL between orders, a trader loses and repeats none; a second is refused."""
    outside, collector, trader, portfolio = (free_port() for _ in range(4))
    folder = processes.folder
    common = {
        "outside_url": f"http://127.0.0.1:{outside}",
        "collector_url": f"http://127.0.0.1:{collector}",
        "redis_url": redis_server.url,
        "cycle_s": CYCLE_S,
        "usd_per_cycle": 0.32,
    }
    processes.start("outside", outside)
    until(lambda: ask(outside, "/health")[0] == 200, "the outside's start")
    processes.start("collector", collector, **common)
    first = processes.start("trader", trader, **common)
    processes.start("portfolio", portfolio, **common)
    for expected in (1, 6, 9):
        until(lambda expected=expected: len(order_ids(folder)) >= expected, "an order")
        first.send_signal(signal.SIGKILL)
        first.wait()
        placed = order_ids(folder)
        # as if it had been killed between the last two orders, one of them half written
        path = folder / "orders.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:-1]) + lines[-1][:20])
        first = processes.start("trader", trader, **common)
        until(lambda placed=placed: len(order_ids(folder)) > len(placed), "going on")
    second = processes.start("trader", free_port(), **common)
    _, said = second.communicate(timeout=15)
    assert second.returncode == 1
    assert "another trader holds" in said
    assert "Traceback" not in said

    until(lambda: ask(trader, "/health")[0] == 200, "the trader's health")
    assert "unit_latency_seconds_bucket" in ask(trader, "/metrics")[1]
    status, body = ask(portfolio, "/portfolio")
    assert status == 200
    assert json.loads(body)["gross"] >= 0
    assert ask(portfolio, "/portfolio/nobody")[0] == 404
    assert "cost_per_unit_usd" not in ask(collector, "/metrics")[1]  # unknown there, so not 0
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=15)
    ids = order_ids(folder)
    # every cycle from the first on, four orders each, none twice; the last may not be whole
    cycles = len(ids) // 4
    expected_ids = [f"{cycle}-{number}" for cycle in range(cycles) for number in range(4)]
    assert ids[: 4 * cycles] == expected_ids
    assert len(set(ids)) == len(ids)


def test_sigterm_says_so_before_it_ends(processes: Processes) -> None:
    """Health answers 503 while the process drains; then it ends with 0."""
    port = free_port()
    process = processes.start("reports", port, drain_s=1.0)
    until(lambda: ask(port, "/health")[0] == 200, "the start")
    assert json.loads(ask(port, "/report")[1])["orders"] == 0
    process.send_signal(signal.SIGTERM)
    until(lambda: ask(port, "/health")[0] == 503, "health failing")
    process.communicate(timeout=15)
    assert process.returncode == 0


def test_a_wrong_setting_is_one_sentence(processes: Processes) -> None:
    """The variable and what is wrong with it, no traceback."""
    process = processes.start("reports", free_port(), time_scale=7)
    _, said = process.communicate(timeout=15)
    assert process.returncode == 1
    assert said.strip() == "TRADING_TIME_SCALE: Input should be less than or equal to 1"


def test_every_process_can_be_imported() -> None:
    """The modules a container runs are there."""
    names = {path.stem for path in Path(EXAMPLE / "tradingsystem").glob("*.py")}
    assert {"collector", "trader", "guardian", "reports", "portfolio", "outside"} <= names
