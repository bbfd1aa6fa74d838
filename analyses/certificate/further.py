"""Criteria from analyses beside the evidence: the bridge's subspace, and transfer to new facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analyses.certificate.criteria import HALF, MOST
from analyses.certificate.judging import Criterion, Share, Status, beats, percent, together
from analyses.outcomes import SUCCESS

if TYPE_CHECKING:
    import xarray as xr


def subspace_used(ds: xr.Dataset, split: str) -> Criterion:
    """A learned subspace of the state carries the bridge, where the whole state is too coarse.

    Args:
        ds: One step of a result of bridge_subspace.
        split: Split that is judged.
    """
    one = ds.sel(split=split)
    outcome = one["outcome_example"].transpose("example", "kind", "control").values[: int(one["n"])]
    hit = np.where(outcome < 0, -1, outcome == SUCCESS)
    at = {str(kind): i for i, kind in enumerate(one["kind"].values)}
    own = hit[:, at["subspace"]]
    rivals = {
        "random subspace": hit[:, at["random"], 0],
        "one learned from shuffled targets": hit[:, at["shuffled"], 0],
        "the rest of the state": hit[:, at["rest"], 0],
        "donors with the same bridge": own[:, 1],
        "random donors": own[:, 2],
    }
    above = together(*(beats(own[:, 0], rival) for rival in rivals.values()))
    share, rank = Share.of(own[:, 0]), int(one["state_rank"])
    shares = {name: Share.of(rival).value for name, rival in rivals.items()}
    told = ", ".join(f"{name} {percent(value)}" for name, value in shares.items())
    return Criterion(
        "used_subspace",
        "Answers follow its subspace",
        f"swapped within a learned subspace of the state alone, at least {MOST:.0%} of the answers "
        "follow the bridge, on questions it was not learned from, more than with any control",
        together(share.against(MOST), above),
        f"rank {rank} at S[{int(one['state_layer'])}, relation 1]: {percent(share.value)} follow; "
        f"{told}",
        share,
        numbers={"rank": rank, **shares, "beats_controls": above},
    )


def transfers(ds: xr.Dataset, split: str) -> Criterion:
    """New facts, learned by fine-tuning as atomic prompts, work as first hops of questions.

    Args:
        ds: One step of a result of transfer.
        split: Split from which the held-out questions of old facts are taken.
    """
    one = ds.sel(split=split).isel(point=-1)
    right = one["accuracy_question"]
    end = {
        str(kind): Share.of(right.sel(kind=kind).fillna(-1).values.astype(int))
        for kind in one["kind"].values
    }
    status: Status = "cannot be told"
    if together(end["new_facts"].against(MOST), end["none"].against(MOST)) == "pass":
        status = end["first"].against(HALF)
    told = {"first": "first hop new", "second": "second hop new", "both": "both", "none": "neither"}
    guessed = float(one["shortcut"].sel(kind="first"))
    said = ", ".join(f"{words} {percent(end[kind].value)}" for kind, words in told.items())
    return Criterion(
        "transfers",
        "New facts enter compositions",
        f"after a fine-tune on new facts, at least {HALF:.0%} of the questions whose first hop is "
        "new are right; not told if the new facts were not learned or old ones were forgotten",
        status,
        f"after {int(one['fine_step']):,} steps {percent(end['new_facts'].value)} of the new facts "
        f"are known; right with {said}; the best shortcut with first hop new {percent(guessed)}",
        end["first"],
        False,
        {**{kind: share.value for kind, share in end.items()}, "shortcut": guessed},
    )
