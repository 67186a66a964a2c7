"""Sequential tests from the literature on the same events: Wald's SPRT and mixtures.

All take the canary's share of both arms' events given their total as binomial and independent from
look to look, which autocorrelated arms are not.

    sprt           Wald 1945: ratio 1 against one fixed ratio; accepts at log(beta / (1 - alpha))
    bernoulli      Lindon and Malek 2022 (arXiv 2011.03567), two-sided, Beta(k theta, k (1 - theta))
    normal_mixture mSPRT of Johari et al. 2017 on the log ratio, taken as normal
"""

from __future__ import annotations

import numpy as np
from scipy.special import betaln

from rightsizing.rollout.judge.likelihood import FloatArray, first_look
from rightsizing.rollout.judge.peers.run import Answer, Streams

PRIOR_EVENTS = 20.0  # k of the Beta mixture
PRIOR_VARIANCE = 0.1  # of the log ratio: a standard deviation of x1.37


def sprt(streams: Streams, ratio: float, alpha: float, beta: float) -> Answer:
    """Wald's test of ratio 1 against ``ratio``; ``beta`` is the chance to accept at it.

    The limits are Wald's: log((1 - beta) / alpha) and log(beta / (1 - alpha)).
    """
    even = 1 / (1 + np.exp(-streams.log_odds))
    worse = 1 / (1 + np.exp(-streams.log_odds - np.log(ratio)))
    step = streams.canary_events * np.log(worse / even)
    step = step + streams.baseline_events * np.log((1 - worse) / (1 - even))
    path = np.cumsum(step, axis=0)
    return Answer(
        rolled_back=first_look(path >= np.log((1 - beta) / alpha)),
        promoted=first_look(path <= np.log(beta / (1 - alpha))),
    )


def bernoulli_log_evidence(
    canary: FloatArray, baseline: FloatArray, share: float, prior_events: float = PRIOR_EVENTS
) -> FloatArray:
    """Log e-value of M canary and S baseline events at null share theta:

    betaln(a + M, b + S) - betaln(a, b) - M log theta - S log(1 - theta), a = k theta, b = k - a.
    """
    a, b = prior_events * share, prior_events * (1 - share)
    mixed = betaln(a + canary, b + baseline) - betaln(a, b)
    evidence: FloatArray = mixed - canary * np.log(share) - baseline * np.log(1 - share)
    return evidence


def bernoulli(streams: Streams, share: float, alpha: float, margin: float) -> Answer:
    """Alarm when share theta is rejected upwards; promote when the share at the margin is."""
    canary = np.cumsum(streams.canary_events, axis=0)
    baseline = np.cumsum(streams.baseline_events, axis=0)
    edge = margin * share / (margin * share + 1 - share)
    fraction = canary / np.maximum(canary + baseline, 1)
    high = bernoulli_log_evidence(canary, baseline, share) >= np.log(1 / alpha)
    low = bernoulli_log_evidence(canary, baseline, edge) >= np.log(1 / alpha)
    return Answer(first_look(high & (fraction > share)), first_look(low & (fraction < edge)))


def normal_mixture(log_ratio: FloatArray, variance: FloatArray, alpha: float) -> Answer:
    """mSPRT of mean log ratio 0; (looks, runs) of independent values with known variances.

    Log evidence = (S^2 t / (1 + t V) - log(1 + t V)) / 2 with S the sum of value / variance, V the
    sum of 1 / variance and t the prior variance. It has no rule to promote.
    """
    weight = np.where(np.isfinite(log_ratio), 1 / variance, 0.0)
    total = np.cumsum(weight, axis=0)
    score = np.cumsum(weight * np.nan_to_num(log_ratio), axis=0)
    grown = 1 + PRIOR_VARIANCE * total
    evidence = (score**2 * PRIOR_VARIANCE / grown - np.log(grown)) / 2
    alarmed = (evidence >= np.log(1 / alpha)) & (score > 0)
    return Answer(first_look(alarmed), np.full(log_ratio.shape[1], np.inf))
