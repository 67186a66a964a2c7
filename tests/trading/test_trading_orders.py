"""The order log: each order once, whole or not at all, one writer."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from tradingsystem.guardian import findings
from tradingsystem.orders import Order, OrderLog, SecondTraderError, positions, read_orders

ORDERS = tuple(Order(f"7-{number}", 7, f"SYM{number:02d}", 10, 0.5) for number in range(4))


def test_an_order_is_placed_once(tmp_path: Path) -> None:
    """Again in this process or after a restart: nothing is written."""
    with OrderLog(tmp_path) as log:
        assert [log.place(order) for order in (*ORDERS, *ORDERS)] == [True] * 4 + [False] * 4
    with OrderLog(tmp_path) as log:
        assert not log.place(ORDERS[0])
    assert tuple(read_orders(tmp_path)) == ORDERS
    assert positions(tmp_path) == {order.symbol: 10 for order in ORDERS}


def test_half_an_order_was_never_placed(tmp_path: Path) -> None:
    """A line that a crash cut off is taken away and the order placed anew."""
    with OrderLog(tmp_path) as log:
        log.place(ORDERS[0])
    path = tmp_path / "orders.jsonl"
    path.write_bytes(path.read_bytes() + b'{"id": "7-1", "cyc')
    assert tuple(read_orders(tmp_path)) == ORDERS[:1]
    with OrderLog(tmp_path) as log:
        assert log.place(ORDERS[1])
    assert tuple(read_orders(tmp_path)) == ORDERS[:2]


def test_a_full_disk_leaves_no_half_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order that could not be flushed is not placed; placing it again writes it once."""
    with OrderLog(tmp_path) as log:
        log.place(ORDERS[0])

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space"):
                log.place(ORDERS[1])
        assert tuple(read_orders(tmp_path)) == ORDERS[:1]
        assert log.place(ORDERS[1])
    assert tuple(read_orders(tmp_path)) == ORDERS[:2]


def test_a_decision_stands(tmp_path: Path) -> None:
    """After a restart a cycle's orders are those decided before, whatever the news says now."""
    with OrderLog(tmp_path) as log:
        log.decide(7, ORDERS)
        log.place(ORDERS[0])
    other = tuple(Order(order.id, 7, "SYM19", -10, -0.5) for order in ORDERS)
    with OrderLog(tmp_path) as log:
        assert log.last_cycle == 7
        assert log.decide(7, other) == ORDERS


def test_a_second_trader_is_refused(tmp_path: Path) -> None:
    """While one holds the log nobody else may; afterwards somebody may."""
    refused = pytest.raises(SecondTraderError, match="stop it first")
    with OrderLog(tmp_path), refused, OrderLog(tmp_path):
        pass
    with OrderLog(tmp_path):
        pass


def test_the_guardian_names_what_is_broken(tmp_path: Path) -> None:
    """An order placed twice and a cycle of five are found in a log that somebody else wrote."""
    with OrderLog(tmp_path) as log:
        for order in ORDERS:
            log.place(order)
    assert findings(tmp_path) == ()
    path = tmp_path / "orders.jsonl"
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines()[0] + b"\n")
    assert findings(tmp_path) == (
        "order 7-0 was placed 2 times",
        "cycle 7 has 5 orders, 4 are allowed",
    )
