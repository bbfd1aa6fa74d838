"""How a number is judged: shares with intervals, bars that they pass or fail, paired comparisons.

A share passes a bar if its 95% interval (Wilson's) lies above it, fails if it lies below, and
otherwise cannot be told: more questions would decide. What beats what is told by paired answers to
the same questions (Newcombe's interval of the difference).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Num

from circuits.statistics import LEAST_EXAMPLES, paired_difference, wilson

Status = Literal["pass", "fail", "cannot be told"]
Number = float | int | str


@dataclass(frozen=True)
class Share:
    """A share of questions with its 95% interval, NaN without questions."""

    value: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, hits: Num[np.ndarray, " n"]) -> Share:
        """The share of ones among 0 and 1; a question with a negative number does not count.

        >>> Share.of(np.array([1, 1, 1, 0, -1])).value
        0.75
        """
        found = hits[hits >= 0]
        low, high = wilson(np.array(found.sum()), np.array(len(found)))
        value = float(found.mean()) if len(found) else float("nan")
        return cls(value, float(low), float(high), len(found))

    def against(self, bar: float) -> Status:
        """Whether the share is above a bar.

        >>> Share.of(np.ones(100)).against(0.8), Share.of(np.ones(6)).against(0.8)
        ('pass', 'cannot be told')
        """
        if self.n < LEAST_EXAMPLES:
            return "cannot be told"
        return "pass" if self.low >= bar else "fail" if self.high < bar else "cannot be told"


@dataclass(frozen=True)
class Criterion:
    """One criterion with its outcome."""

    name: str
    title: str
    rule: str
    """What passes, in words."""
    status: Status
    finding: str
    """What was found, in words."""
    judged: Share
    """The share (or difference of shares) that is judged, with its 95% interval."""
    decides: bool = True
    """Whether the verdict depends on it."""
    numbers: Mapping[str, Number] = field(default_factory=dict)
    """What else was measured."""

    @property
    def value(self) -> float:
        """The judged share."""
        return self.judged.value

    @property
    def n(self) -> int:
        """Questions behind it."""
        return self.judged.n

    def to_json(self) -> dict[str, Any]:
        """As plain values; numbers that do not exist are null."""
        plain = {k: v for k, v in asdict(self).items() if k not in ("judged", "numbers")}
        return {**plain, **_plain(asdict(self.judged)), "numbers": _plain(self.numbers)}


NOTHING = Share(float("nan"), float("nan"), float("nan"), 0)
"""No question was asked."""


def difference(one: Num[np.ndarray, " n"], other: Num[np.ndarray, " n"]) -> Share:
    """one - other over the questions that have both, with its paired interval."""
    both = (one >= 0) & (other >= 0)
    if not both.any():
        return NOTHING
    gap = paired_difference(one[both], other[both])
    return Share(float(gap.mean), float(gap.low), float(gap.high), int(gap.n))


def beats(one: Num[np.ndarray, " n"], other: Num[np.ndarray, " n"]) -> Status:
    """Whether `one` is surely more often 1 than `other`, on the same questions.

    >>> beats(np.ones(50), np.zeros(50)), beats(np.ones(50), np.ones(50))
    ('pass', 'fail')
    """
    gap = difference(one, other)
    if gap.n < LEAST_EXAMPLES:
        return "cannot be told"
    return "pass" if gap.low > 0 else "fail"


def together(*found: Status) -> Status:
    """All must pass: "fail" if one fails, else "cannot be told" if one cannot."""
    return "fail" if "fail" in found else "cannot be told" if "cannot be told" in found else "pass"


def percent(value: float) -> str:
    """A share in words; a dash for none.

    >>> percent(0.345), percent(float("nan"))
    ('34.5%', '–')
    """
    return "–" if value != value else f"{value:.1%}"


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and v != v else v for k, v in values.items()}
