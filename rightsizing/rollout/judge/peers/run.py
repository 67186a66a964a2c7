"""The streams every rule is shown, and the form of its answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rightsizing.rollout.judge.likelihood import FloatArray


@dataclass(frozen=True, slots=True)
class Streams:
    """Requests and failed requests of both arms, (looks, runs)."""

    canary_events: FloatArray
    canary_requests: FloatArray
    baseline_events: FloatArray
    baseline_requests: FloatArray

    @property
    def log_odds(self) -> FloatArray:
        """Log of canary requests over baseline requests."""
        odds: FloatArray = np.log(self.canary_requests / self.baseline_requests)
        return odds

    @property
    def canary_ratio(self) -> FloatArray:
        """Failed share of the canary's requests, look by look."""
        return self.canary_events / self.canary_requests

    @property
    def baseline_ratio(self) -> FloatArray:
        """Failed share of the baseline's requests, look by look."""
        return self.baseline_events / self.baseline_requests


@dataclass(frozen=True, slots=True)
class Answer:
    """Number of the look (from 1) of each outcome by run; infinite: never.

    ``rolled_back`` is when the rule would raise the alarm if it only watched; a rule that stops at
    its first outcome rolls back only where that comes no later than ``promoted``.
    """

    rolled_back: FloatArray
    promoted: FloatArray
