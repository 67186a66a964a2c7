"""Calls to the outside: pooled or not, with retries from a budget, and answers that are checked.

A retry budget keeps retries from making an outage worse: retries may be a share of first attempts,
with a few allowed at the start. What finally fails is one exception with one sentence.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from tradingsystem.settings import Mode, Settings

LARGEST_ANSWER_BYTES = 1024 * 1024
_FREE_RETRIES = 10


class OutsideError(Exception):
    """The outside did not do what was asked, after all attempts."""


class _TryAgainError(Exception):
    """An attempt failed in a way that may pass."""

    def __init__(self, sentence: str, after_s: float = 0.0) -> None:
        super().__init__(sentence)
        self.after_s = after_s


@dataclass(slots=True)
class RetryBudget:
    """How many retries are left: a share of the calls made, and some to begin with."""

    ratio: float
    left: float = _FREE_RETRIES
    used: int = 0
    refused: int = 0

    def note_call(self) -> None:
        """A first attempt earns a share of a retry."""
        self.left = min(self.left + self.ratio, _FREE_RETRIES * 10)

    def take(self) -> bool:
        """Whether another retry may be made."""
        if self.left < 1:
            self.refused += 1
            return False
        self.left -= 1
        self.used += 1
        return True


@dataclass(slots=True)
class Calls:
    """News and sentiment of the outside. Use as an async context manager."""

    settings: Settings
    budget: RetryBudget = field(init=False)
    made: int = 0
    _session: aiohttp.ClientSession | None = None

    def __post_init__(self) -> None:
        self.budget = RetryBudget(self.settings.retry_budget_ratio)

    async def __aenter__(self) -> Calls:
        if self.settings.mode is Mode.AFTER:
            self._session = self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def news(self, source: str, cycle: int, *, early: bool = False) -> list[dict[str, str]]:
        """Articles a source shows, ``early``: shortly before the cycle. Raises OutsideError."""
        query = f"cycle={cycle}&early=1" if early else f"cycle={cycle}"
        answer = await self._call("GET", f"/news/{source}?{query}", None)
        if not isinstance(answer, list):
            raise OutsideError(f"{source} answered no list of articles")
        try:
            return [{name: str(item[name]) for name in ("id", "symbol", "text")} for item in answer]
        except (TypeError, KeyError) as error:
            raise OutsideError(f"{source} answered an article without {error}") from error

    async def sentiment(self, texts: Sequence[str]) -> list[float]:
        """A score for each text, in order. Raises OutsideError."""
        answer = await self._call("POST", "/sentiment", {"texts": list(texts)})
        scores = answer.get("scores") if isinstance(answer, dict) else None
        if not isinstance(scores, list) or len(scores) != len(texts):
            raise OutsideError(f"asked for {len(texts)} scores, the answer has not as many")
        if not all(isinstance(score, int | float) and -1 <= score <= 1 for score in scores):
            raise OutsideError("a score is no number from -1 to 1")
        return [float(score) for score in scores]

    async def _call(self, method: str, path: str, body: object) -> Any:
        self.budget.note_call()
        waiting = wait_random_exponential(multiplier=self.settings.scaled(0.2))

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            least = error.after_s if isinstance(error, _TryAgainError) else 0.0
            return max(waiting(state), min(least, self.settings.call_timeout_s))

        try:
            async for attempt in AsyncRetrying(
                stop=stop_after_attempt(self.settings.attempts),
                wait=wait,
                retry=retry_if_exception_type(_TryAgainError),
                reraise=True,
            ):
                with attempt:
                    first = attempt.retry_state.attempt_number == 1
                    if not first and not self.budget.take():
                        raise OutsideError(f"{path.partition('?')[0]}: no retries are left")
                    return await self._attempt(method, path, body)
        except _TryAgainError as error:
            raise OutsideError(f"{path.partition('?')[0]}: {error}") from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _attempt(self, method: str, path: str, body: object) -> Any:
        self.made += 1
        session = self._session or self._open()
        try:
            async with session.request(
                method, self.settings.outside_url + path, json=body
            ) as answer:
                if answer.status == 429 or answer.status >= 500:
                    raise _TryAgainError(f"it answered {answer.status}", _retry_after_s(answer))
                if answer.status != 200:
                    raise OutsideError(f"{path}: it answered {answer.status}")
                content = await answer.content.read(LARGEST_ANSWER_BYTES + 1)
                while len(content) <= LARGEST_ANSWER_BYTES:
                    more = await answer.content.read(LARGEST_ANSWER_BYTES + 1 - len(content))
                    if not more:
                        break
                    content += more
            if len(content) > LARGEST_ANSWER_BYTES:
                raise OutsideError(f"it answered more than {LARGEST_ANSWER_BYTES:,} bytes")
            return json.loads(content)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _TryAgainError(f"no answer ({type(error).__name__})") from error
        except (ValueError, RecursionError) as error:  # nested too deeply
            raise _TryAgainError("the answer is not JSON") from error
        finally:
            if session is not self._session:
                await session.close()  # before: a connection a call

    def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self.settings.call_timeout_s),
            connector=aiohttp.TCPConnector(limit=self.settings.source_batch),
        )


def _retry_after_s(answer: aiohttp.ClientResponse) -> float:
    """Seconds the answer asks to wait; 0 for a date, which nobody here sends, and for nonsense."""
    try:
        seconds = float(answer.headers.get("Retry-After", "0"))
    except ValueError:
        return 0.0
    return seconds if seconds > 0 else 0.0  # not a number is not above 0
