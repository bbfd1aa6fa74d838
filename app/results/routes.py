"""By which way right answers come about, by second relation: over the bridge, or another way.

Each right answer to an unseen ID question is asked again twice, with everything else ablated to its
mean (`analyses.circuits.route_ablation`):

1. with the two-hop route alone (restricted): relation 2 sees nothing of the subject, and of
   relation 1 only what was computed there;
2. without it (excluded): relation 2 cannot see what was computed at relation 1.

An answer that is right in the first case only comes by the route, one that is right in the second
case only comes another way; right in both, it has two ways, each enough; wrong in both, it needs
what the two bring together. So the way is a property of the question alone. Whether an answer
*follows* another question's bridge is none: it depends on the donor more than on the question, so
that only its mean over answers is given (of those that have a donor, at the state that is best on
trained questions). Beside them stands the best shortcut: the share of these answers that it gives
too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analyses.certificate.certify import EVIDENCE, certify
from analyses.certificate.criteria import BestShortcut, best_swap_state, rows
from analyses.outcomes import NO_DONOR, SUCCESS
from analyses.stored import stored_result
from circuits.corpus.names import ID_TEST
from circuits.errors import HopscopeError
from circuits.runs.run import Run

WAYS = ("route only", "either", "another way only", "neither alone")
FOLLOWS, SHORTCUT, ALL = "follows a swapped bridge", "shortcut", "all"


def ways(alone: np.ndarray, without: np.ndarray) -> np.ndarray:
    """Index into `WAYS` of each answer, by whether it is right with the route alone and without it.

    >>> ways(np.array([True, True, False, False]), np.array([False, True, True, False])).tolist()
    [0, 1, 2, 3]
    """
    return np.where(alone, np.where(without, 1, 0), np.where(without, 2, 3))


def answers(run: Run) -> pd.DataFrame:
    """One row per right answer: relation, way, shortcut (same answer), follows (NaN: no donor)."""
    certify(run, progress=False)
    evidence = stored_result(run, EVIDENCE)
    if evidence is None:
        raise HopscopeError(f"{run.path} has no stored evidence; certify it.")
    last = evidence.sel(step=run.steps[-1])
    right = rows(last, ID_TEST, "right_example") == 1
    outcome = rows(last, ID_TEST, "swap_example")[:, 0, 0][:, *best_swap_state(last)]
    route = rows(last, ID_TEST, "route_example")[:, 0] == 1  # mean ablation: example, variant
    asked = run.queries(ID_TEST).take(rows(last, ID_TEST, "example_row"))
    return pd.DataFrame(
        {
            "relation": [run.vocab.name(token) for token in asked.token_ids[right, -1]],
            "way": ways(route[:, 0], route[:, 1])[right],
            FOLLOWS: np.where(outcome == NO_DONOR, np.nan, outcome == SUCCESS)[right],
            SHORTCUT: BestShortcut(last, ID_TEST).right[right] == 1,
        }
    )


def by_relation(runs: Sequence[Run]) -> pd.DataFrame:
    """Shares of the ways over the runs' answers together, by second relation, and over all.

    Returns:
        Rows ordered by the share that needs the route, the last one for all relations; columns
        n, `WAYS`, `FOLLOWS` and `SHORTCUT`.
    """
    every = pd.concat([answers(run) for run in runs], ignore_index=True)
    groups = dict(list(every.groupby("relation")))
    table = pd.DataFrame({name: _shares(group) for name, group in groups.items()}).T
    table = table.sort_values([WAYS[0], "n"], ascending=False, kind="stable")
    return pd.concat([table, pd.DataFrame({ALL: _shares(every)}).T])


def _shares(group: pd.DataFrame) -> dict[str, float]:
    counts = np.bincount(group["way"], minlength=len(WAYS)) / len(group)
    return {
        "n": float(len(group)),
        **dict(zip(WAYS, counts, strict=True)),
        FOLLOWS: float(group[FOLLOWS].mean()),
        SHORTCUT: float(group[SHORTCUT].mean()),
    }
