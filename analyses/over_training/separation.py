"""How well scores separate the members of many groups from all others: AUROC, average precision.

For every pair of score and group at once, which a loop over scikit-learn's functions would take
minutes for; the tests hold the two against each other.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import rankdata


def auroc(
    scores: Float[np.ndarray, "n score"], member: Bool[np.ndarray, "n group"]
) -> Float[np.ndarray, "score group"]:
    """Probability that a member scores higher than another; ties count half.

    NaN for a group that has no members or nothing else.

    >>> auroc(np.array([[0.1], [0.9], [0.5]]), np.array([[False], [True], [False]]))
    array([[1.]])
    """
    inside = member.sum(0)
    outside = len(member) - inside
    ranks = rankdata(scores, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (ranks.T @ member - inside * (inside + 1) / 2) / (inside * outside)


def average_precision(
    scores: Float[np.ndarray, "n score"], member: Bool[np.ndarray, "n group"]
) -> Float[np.ndarray, "score group"]:
    """Mean precision over the recalled members, each tie taken as a whole.

    A score that tells nothing gets the group's share of all. NaN for a group without members.

    >>> average_precision(np.array([[0.9], [0.5], [0.1]]), np.array([[False], [True], [False]]))
    array([[0.5]])
    """
    inside = member.sum(0)
    return np.stack([_of_one(column, member, inside) for column in scores.T])


def _of_one(
    score: Float[np.ndarray, " n"], member: Bool[np.ndarray, "n group"], inside: np.ndarray
) -> Float[np.ndarray, " group"]:
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    hits = np.cumsum(member[order], 0)[ends]
    new = np.diff(hits, axis=0, prepend=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (new * hits / (ends + 1)[:, None]).sum(0) / inside
