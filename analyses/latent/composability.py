"""Latent composability: are both hops known, and does the composition follow from them?

A wrong answer to a two-hop question says little about a model that does not know the facts, and a
right one little about composition where the answer comes from a part of the question. So every
question is asked with the prompts of its hops, and without its parts (Yang et al., arXiv 2402.16837
and 2411.16679):

1. `right`: share of prompts that are answered right, as whole names, greedily decoded: `hop_1`
   (subject and relation 1, for the bridge), `hop_2` (bridge and relation 2, for the answer),
   `composed` (the question).
2. Shortcut controls: the question without the tokens of one role (`no_subject`, `no_relation_1`,
   `no_relation_2`). If its answer comes all the same, the part was not needed.
3. `known`: share of questions whose hops are all right. `composable`: share of right answers among
   those, which is the latent composability. `composable_without_shortcut`: the same among those
   whose answer comes from none of the controls. `right_unknown`: right answers among questions of
   which a hop is wrong; what is right there was not composed of the hops.
4. `class_share`: right or wrong, with all hops known or not.

An imported model has no end-of-answer token, so an answer is right if it begins with the name, or
with an alias of it. `first_token` counts the first token of the name alone.

How to read: `composable` far above `right_unknown`, with few shortcuts, says that the model
composes what it knows. Read the number of questions behind each share (n): few are left where both
hops must be known.

What misleads: Knowing both hops and the answer does not show that the answer was reached through
the bridge, since the pair (subject, answer) may be in the training data: only the controls and
patching (`bridge_patching`, `patchscopes`) speak of that. A prompt without one role is no sentence,
so a model may be thrown off by the gap and not by the missing name. One wording per question is
asked; another may be answered otherwise. "New" counts as right where the answer is "New York" only
for `first_token`, but "New York" does where it is "New": whole names that begin others are listed
by nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float

from analyses.estimates import Variables, estimated
from analyses.options.common import AnalysisOptions as Options
from analyses.questions.examples import Examples
from circuits.corpus.queries import Queries
from circuits.pretrained.answering import Spelling, spellings, whole_answers
from circuits.text.rendering import padded

CLASSES = ("right_known", "right_unknown", "wrong_known", "wrong_unknown")


@dataclass(frozen=True)
class Prompts:
    """One prompt for each question; empty rows are not asked."""

    tokens: list[list[int]]
    accepted: list[tuple[Spelling, ...]]


@torch.no_grad()
def run(model: Any, examples: Examples, options: Options) -> xr.Dataset:
    """Shares of right hops, compositions and controls, and of compositions whose hops are known.

    Returns:
        right, first_token (prompt); known, composable, composable_without_shortcut, right_unknown,
        all with intervals and numbers of questions; class_share (class); right_example and
        first_token_example (example, prompt).
    """
    prompts = examples.once("composability", lambda: all_prompts(examples))
    asked = [_asked(model, each) for each in prompts.values()]
    right, first = (np.stack([pair[i] for pair in asked], 1) for i in (0, 1))
    names = list(prompts)
    variables = estimated("right", right, ("prompt",), "answered right, whole names", shares=True)
    variables |= estimated("first_token", first, ("prompt",), "first token right", shares=True)
    return xr.Dataset(
        variables | _composed(right, names), {"prompt": names, "class": list(CLASSES)}
    )


def all_prompts(examples: Examples) -> dict[str, Prompts]:
    """The prompts of every question by name: its hops, itself, and itself without each role."""
    queries = examples.queries
    rows = [ids[:end] for ids, end in zip(queries.token_ids.tolist(), queries.lengths, strict=True)]
    own = spellings(queries)
    found = {f"hop_{i + 1}": _hop(examples, i) for i in range(queries.asked_ids.shape[1] - 1)}
    found["composed"] = Prompts(rows, own)
    for role, name in enumerate(queries.named_roles):
        found[f"no_{name}"] = Prompts(_without(queries, rows, role), own)
    return found


def _hop(examples: Examples, hop: int) -> Prompts:
    """The prompts of one hop's facts, as the corpus asks them."""
    queries, corpus = examples.queries, examples.corpus
    stops = np.column_stack([queries.asked_ids[:, 0], queries.bridge_ids])
    wanted = np.column_stack([stops[:, hop], queries.asked_ids[:, hop + 1]])
    tokens: list[list[int]] = [[] for _ in range(len(queries))]
    accepted: list[tuple[Spelling, ...]] = [() for _ in range(len(queries))]
    for split in ("atomic_id", "atomic_ood"):
        if split not in corpus.splits:
            continue
        facts = corpus.splits[split]
        place = {tuple(pair): i for i, pair in enumerate(facts.asked_ids.tolist())}
        known = [
            (i, place[key]) for i, key in enumerate(map(tuple, wanted.tolist())) if key in place
        ]
        some = facts.take(np.array([row for _, row in known], np.int64))
        said = zip(known, some.token_ids.tolist(), some.lengths, spellings(some), strict=True)
        for (i, _), ids, end, names in said:
            tokens[i], accepted[i] = ids[:end], names
    return Prompts(tokens, accepted)


def _without(queries: Queries, rows: list[list[int]], role: int) -> list[list[int]]:
    """The questions without the tokens of one role."""
    if queries.spans is None:
        return [row[:role] + row[role + 1 :] for row in rows]
    spans = queries.spans[:, role].tolist()
    return [row[:start] + row[end:] for row, (start, end) in zip(rows, spans, strict=True)]


def _asked(model: Any, prompts: Prompts) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Whether each prompt is answered right, and its first token; NaN where nothing is asked."""
    there = [i for i, row in enumerate(prompts.tokens) if row]
    right, first = np.full((2, len(prompts.tokens)), np.nan)
    if there:
        tokens = torch.from_numpy(padded([prompts.tokens[i] for i in there], 0).astype("int64"))
        lengths = torch.tensor([len(prompts.tokens[i]) for i in there])
        found = whole_answers(model, tokens, lengths, [prompts.accepted[i] for i in there])
        right[there], first[there] = found.exact.numpy(), found.first_token.numpy()
    return right, first


def _composed(right: Float[np.ndarray, "n prompt"], names: list[str]) -> Variables:
    """What follows from the single prompts."""
    hops = right[:, [name.startswith("hop_") for name in names]]
    controls = right[:, [name.startswith("no_") for name in names]]
    composed, known = right[:, names.index("composed")], (hops == 1).all(1)
    shortcut = (controls == 1).any(1)
    measured = {
        "known": (known, np.ones(len(known), bool), "all hops known"),
        "composable": (composed, known, "right answers among questions whose hops are known"),
        "composable_without_shortcut": (
            composed, known & ~shortcut, "the same, where no part of the question is enough",
        ),
        "right_unknown": (composed, ~known, "right answers where a hop is not known"),
        "shortcut": (
            shortcut, composed == 1, "right answers that come without a part of the question",
        ),
    }  # fmt: skip
    variables: Variables = {}
    for name, (values, among, words) in measured.items():
        per_example = np.where(among, values.astype(float), np.nan)
        variables |= estimated(name, per_example, (), words, shares=True, keep=False)
    members = np.stack([_members(composed == 1, known, kind) for kind in CLASSES], 1)
    return variables | estimated(
        "class_share", members.astype(float), ("class",), "share of questions", shares=True,
        keep=False,
    )  # fmt: skip


def _members(
    right: Bool[np.ndarray, " n"], known: Bool[np.ndarray, " n"], kind: str
) -> Bool[np.ndarray, " n"]:
    answered, hops = kind.split("_")
    members: Bool[np.ndarray, " n"] = (right == (answered == "right")) & (
        known == (hops == "known")
    )
    return members
