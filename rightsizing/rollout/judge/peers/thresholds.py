"""Flagger's and Argo Rollouts' rules: a fixed limit on the canary's own figure, and a count.

Flagger checks the figure every interval; ``threshold`` failed checks in all, not in a row, roll
back; passing every step promotes. Argo Rollouts fails a metric with more than ``failure_limit``
failed measurements (default 0) and passes it when ``count`` measurements were taken. Neither
compares with a baseline, and neither knows how likely a failure is by chance. Sources: Flagger
``scheduler.go`` and documentation, Argo Rollouts ``analysis.go``, from their description.
"""

from __future__ import annotations

import numpy as np

from rightsizing.rollout.judge.likelihood import FloatArray, first_look
from rightsizing.rollout.judge.peers.run import Answer

FLAGGER_THRESHOLD = 5  # failed checks, of its tutorials
FLAGGER_ERROR_RATIO = 0.01  # its success-rate minimum of 99 %
ARGO_FAILURE_LIMIT = 0
ARGO_CONSECUTIVE_ERRORS = 4  # more than these in a row end a run as an error


def flagger(
    figure: FloatArray, limit: float, threshold: int = FLAGGER_THRESHOLD, steps: int | None = None
) -> Answer:
    """``figure`` is the canary's, (looks, runs); a check without data (NaN) has failed.

    ``steps`` passed checks promote; None takes as many as there are looks less the threshold's.
    """
    failed = ~(figure <= limit)
    needed = figure.shape[0] - threshold + 1 if steps is None else steps
    return Answer(
        rolled_back=first_look(np.cumsum(failed, axis=0) >= threshold),
        promoted=first_look(np.cumsum(~failed, axis=0) >= needed),
    )


def argo(
    figure: FloatArray,
    limit: float,
    failure_limit: int = ARGO_FAILURE_LIMIT,
    count: int | None = None,
) -> Answer:
    """``figure`` is the canary's, (looks, runs); NaN is a measurement that errored.

    A run of more than four errors ends as an error, which aborts; errors do not count as taken.
    """
    looks, runs = figure.shape
    missing = np.isnan(figure)
    failures = np.cumsum(~missing & ~(figure <= limit), axis=0)
    in_row = np.zeros(runs)
    errored = np.zeros((looks, runs), dtype=bool)
    for look in range(looks):
        in_row = np.where(missing[look], in_row + 1, 0)
        errored[look] = in_row > ARGO_CONSECUTIVE_ERRORS
    rolled_back = first_look((failures > failure_limit) | errored)
    taken = first_look(np.cumsum(~missing, axis=0) >= (looks if count is None else count))
    return Answer(rolled_back=rolled_back, promoted=np.where(taken < rolled_back, taken, np.inf))
