"""By which way right answers come about, by second relation: over the bridge, or another way.

Each right answer to an unseen ID question whose bridge can be exchanged is looked at twice:

1. it *follows* if, with another question's bridge written into the state that is best on trained
   questions, the answer becomes that bridge's;
2. it *stays* if it is still right while attention at relation 2 cannot see what was computed at
   relation 1, which is mean-ablated there (`analyses.circuits.route_ablation`, excluded).

An answer that follows and does not stay needs the bridge; one that stays and does not follow comes
another way; one that does both has two ways, each enough; one that does neither depends on more
than this state. Beside them stands the best shortcut: the share of these answers that it gives too.
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

WAYS = ("bridge only", "either", "another way only", "neither alone")
ALL = "all"


def ways(follows: np.ndarray, stays: np.ndarray) -> np.ndarray:
    """Index into `WAYS` of each answer.

    >>> ways(np.array([True, True, False, False]), np.array([False, True, True, False])).tolist()
    [0, 1, 2, 3]
    """
    return np.where(follows, np.where(stays, 1, 0), np.where(stays, 2, 3))


def answers(run: Run) -> pd.DataFrame:
    """One row per right answer that can be looked at: relation, way, shortcut (same answer)."""
    certify(run, progress=False)
    evidence = stored_result(run, EVIDENCE)
    if evidence is None:
        raise HopscopeError(f"{run.path} has no stored evidence; certify it.")
    last = evidence.sel(step=run.steps[-1])
    outcome = rows(last, ID_TEST, "swap_example")[:, 0, 0]
    outcome = outcome[:, *best_swap_state(last)]
    used = (rows(last, ID_TEST, "right_example") == 1) & (outcome != NO_DONOR)
    without = rows(last, ID_TEST, "route_example")[:, 0, 1] == 1
    asked = run.queries(ID_TEST).take(rows(last, ID_TEST, "example_row"))
    return pd.DataFrame(
        {
            "relation": [run.vocab.name(token) for token in asked.token_ids[used, -1]],
            "way": ways(outcome == SUCCESS, without)[used],
            "shortcut": BestShortcut(last, ID_TEST).right[used] == 1,
        }
    )


def by_relation(runs: Sequence[Run]) -> pd.DataFrame:
    """Shares of the ways over the runs' answers together, by second relation, and over all.

    Returns:
        Rows ordered by the share that needs the bridge, the last one for all relations; columns
        n, `WAYS` and shortcut.
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
        "shortcut": float(group["shortcut"].mean()),
    }
