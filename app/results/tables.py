"""Measured runs as Markdown tables, and their place in the page.

A cell is the mean over runs with Student's 95% interval, cut at 0 and 1 for shares; an event that
did not happen in every run is counted instead. A table stands between `<!-- table NAME -->` and
`<!-- end -->`; what is outside is never changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from app.results.experiments import Experiment
from app.results.measure import MEASURES, STEPS
from circuits.errors import HopscopeError
from circuits.statistics import over_runs

Runs = Sequence[Mapping[str, Any]]
"""Measures of the runs of one arm."""


def experiment_table(experiment: Experiment, arms: Mapping[str, Runs]) -> str:
    """One row per measure, one column per arm, and one per published result.

    Args:
        experiment: What its rows are.
        arms: Measures of the runs of each arm, by its label.
    """
    others = experiment.published
    lines = [
        [
            MEASURES[key],
            *(cell(key, [r.get(key, np.nan) for r in runs]) for runs in arms.values()),
            *(other.numbers.get(key, "–") for other in others),
        ]
        for key in experiment.measures
    ]
    said = [verdicts([str(r["verdict"]) for r in runs if "verdict" in r]) for runs in arms.values()]
    heads = [experiment.varied, *arms, *(other.label for other in others)]
    return markdown(heads, [*lines, ["verdicts", *said, *("–" for _ in others)]])


def cell(measure: str, values: Sequence[float]) -> str:
    """Mean and interval over runs.

    >>> cell("id", [0.97, 0.98, 0.99])
    '.98 [.96, 1.00]'
    >>> cell("generalized_step", [4000.0, 5000.0, float("nan")])
    'in 2 of 3 runs'
    >>> cell("ood", [float("nan")] * 3)
    '–'
    """
    seen = int(np.isfinite(values).sum())
    if seen < len(values):
        return f"in {seen} of {len(values)} runs" if seen and measure in STEPS else "–"
    found = over_runs(np.asarray(values, float))
    low, high = float(found.low), float(found.high)
    if measure in STEPS:
        low = max(low, 0.0)
        text, ends = f"{float(found.mean):,.0f}", f"[{low:,.0f}, {high:,.0f}]"
    else:
        low, high = max(low, 0.0), min(high, 1.0)
        text, ends = share(float(found.mean)), f"[{share(low)}, {share(high)}]"
    return text if high != high else f"{text} {ends}"


def share(value: float) -> str:
    """Two digits, without the leading zero.

    >>> share(0.954), share(1.0), share(0.0)
    ('.95', '1.00', '.00')
    """
    return f"{value:.2f}".removeprefix("0")


def verdicts(found: Sequence[str]) -> str:
    """How often each verdict was given; a dash for runs without a certificate.

    >>> verdicts(["memorizes", "memorizes", "cannot be told"])
    '2 memorizes, 1 cannot be told'
    >>> verdicts([])
    '–'
    """
    counts = pd.Series(found).value_counts(sort=False)
    return ", ".join(f"{n} {verdict}" for verdict, n in counts.items()) or "–"


def routes_table(table: pd.DataFrame) -> str:
    """The table of `routes.by_relation`."""
    heads = ["second relation", "answers", *table.columns[1:]]
    lines = [
        [str(name), f"{int(row['n']):,}", *(share(value) for value in row.iloc[1:])]
        for name, row in table.iterrows()
    ]
    return markdown(heads, lines)


def markdown(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def replaced(page: str, name: str, table: str) -> str:
    """The page with another table in the place of that name.

    >>> replaced("a <!-- table t -->old<!-- end --> b", "t", "new")
    'a <!-- table t -->\\nnew\\n<!-- end --> b'
    """
    place = re.compile(rf"(<!-- table {re.escape(name)} -->).*?(<!-- end -->)", re.DOTALL)
    if not place.search(page):
        raise HopscopeError(f"the page has no <!-- table {name} --> ... <!-- end -->; add it.")
    return place.sub(lambda match: f"{match[1]}\n{table}\n{match[2]}", page, count=1)
