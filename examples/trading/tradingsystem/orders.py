"""The order log: append-only, flushed to the disk, each order once, one writer.

A cycle's orders are decided once and kept, then placed one by one; an order's id is its cycle and
number, so placing it again after a crash changes nothing. The lock is the kernel's: it ends with
the process that holds it, and a second trader is refused.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

ORDERS_FILE, DECISIONS_FILE = "orders.jsonl", "decisions.jsonl"


class SecondTraderError(Exception):
    """Another trader is running; two would place every order twice."""


@dataclass(frozen=True, slots=True)
class Order:
    """A trade: ``quantity`` above 0 buys."""

    id: str
    cycle: int
    symbol: str
    quantity: int
    score: float


class OrderLog:
    """The log, held by the one trader. Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ids: set[str] = set()
        self._decided: dict[int, tuple[Order, ...]] = {}

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "trader.lock"
        self._lock = path.open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise SecondTraderError(f"another trader holds {path}; stop it first") from error
        self._orders = _Lines(self._folder / ORDERS_FILE)
        self._decisions = _Lines(self._folder / DECISIONS_FILE)
        self._ids = {order.id for order in read_orders(self._folder)}
        for line in _whole_lines(self._folder / DECISIONS_FILE):
            decision = json.loads(line)
            orders = tuple(Order(**item) for item in decision["orders"])
            self._decided[decision["cycle"]] = orders
        return self

    def __exit__(self, *_: object) -> None:
        self._orders.close()
        self._decisions.close()
        self._lock.close()

    @property
    def last_cycle(self) -> int | None:
        """The newest cycle that was decided; its orders may not all be placed yet."""
        return max(self._decided, default=None)

    def decided(self, cycle: int) -> tuple[Order, ...] | None:
        """What was decided for a cycle; None: nothing yet."""
        return self._decided.get(cycle)

    def decide(self, cycle: int, orders: tuple[Order, ...]) -> tuple[Order, ...]:
        """Keep a cycle's orders before the first is placed; an earlier decision stands.

        So a restart completes what was decided, even when the news would now say otherwise.
        """
        if cycle not in self._decided:
            page = {"cycle": cycle, "orders": [asdict(order) for order in orders]}
            self._decisions.append(json.dumps(page).encode())
            self._decided[cycle] = orders
        return self._decided[cycle]

    def place(self, order: Order) -> bool:
        """Write the order; False when it was placed before. Raises OSError: it was not placed."""
        if order.id in self._ids:
            return False
        self._orders.append(json.dumps(asdict(order)).encode())
        self._ids.add(order.id)
        return True


class _Lines:
    """A file of lines that are on the disk whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._size = sum(len(line) + 1 for line in _whole_lines(path))
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.ftruncate(self._descriptor, self._size)  # half an order was never placed

    def append(self, line: bytes) -> None:
        content = line + b"\n"
        try:
            if os.pwrite(self._descriptor, content, self._size) != len(content):
                raise OSError(errno.ENOSPC, "the disk took only a part of the line")
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(content)

    def close(self) -> None:
        os.close(self._descriptor)


def read_orders(folder: Path) -> Iterator[Order]:
    """Every whole order so far, oldest first; a half-written last line is not one."""
    for line in _whole_lines(folder / ORDERS_FILE):
        yield Order(**json.loads(line))


def positions(folder: Path) -> dict[str, int]:
    """Quantity held by symbol."""
    held: dict[str, int] = {}
    for order in read_orders(folder):
        held[order.symbol] = held.get(order.symbol, 0) + order.quantity
    return held


def _whole_lines(path: Path) -> list[bytes]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    return content.split(b"\n")[:-1]
