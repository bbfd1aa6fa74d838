"""Transfer: after training, new facts are learned by fine-tuning; do questions through them work?

After He et al. (arXiv 2601.09049, section 5, figures 3 and 4, and their published code).

1. New facts come in pairs (a, r1) -> b and (b, r2) -> t. Vocabulary and old facts stay as they are:
   (a, r1) and (b, r2) are (subject, relation) slots that no fact uses, of entities that are
   subjects already, and objects are drawn from the objects that r1 and r2 have.
2. A copy of the model is fine-tuned (AdamW, gradients clipped at norm 1, a rate that falls to zero
   over the last fifth) on batches of which a fifth are new facts, as atomic prompts only; the rest
   are trained facts and questions, each as likely as any other, which are kept in mind that way.
   (The paper: 2,000 new facts beside 8,000 kept examples.) No two-hop question through a new fact
   is trained.
3. On the way, accuracy is measured on two-hop questions by which hop is new, one question per pair:
   - `none`: held-out questions of two old facts;
   - `first`: (a, r1, r') with an old fact (b, r');
   - `second`: (h, r', r2) with an old fact (h, r') -> b;
   - `both`: (a, r1, r2).
   Old facts are ID facts. `new_facts` and `kept_facts` are the atomic prompts themselves.
4. `shortcut` is the accuracy of the best shortcut (`circuits.corpus.shortcuts`) of each kind.

In sentences answers are learned and count as a whole, and new facts and the questions through them
are asked in the first of their wordings. Kept examples are the tokens of trained answers.

A model that computes the second hop from the bridge answers `first` as soon as the new fact is
stored where the bridge is resolved; `second` needs the new fact at the layers of the second hop,
where its atomic prompt need not put it.

How to read: `first` above its shortcut says that hop two takes whatever bridge hop one gives, also
one from a fact that no question trained. `none` should stay where it was: else the fine-tune has
harmed the model.

What misleads: `second` and `both` that stay low do not show that the model does not compose: their
new fact is stored for its atomic prompt, which need not put it where hop two reads. A curve at the
shortcut's line, as all three are in the demo, shows nothing beyond guessing. The new facts
themselves are known within a hundred steps; that is no transfer.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from jaxtyping import Int
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from analyses.estimates import estimated
from analyses.interventions.whole_answers import asked_like, loss_of, right
from analyses.options.interventions import TransferOptions as Options
from analyses.questions.corruptions import NO_FACT, FactTable
from analyses.questions.examples import Examples
from circuits.corpus.corpus import Corpus, TrainingSet
from circuits.corpus.names import ATOMIC_ID
from circuits.corpus.queries import Queries
from circuits.corpus.shortcuts import shortcut_answers
from circuits.errors import HopscopeError
from circuits.model.hook_free import fast_logits
from circuits.model.transformer import HookedTransformer
from circuits.statistics import LEAST_EXAMPLES

KINDS = ("none", "first", "second", "both", "new_facts", "kept_facts")
NEW_SHARE = 0.2
"""Share of every batch that is new facts, as in the paper."""
COOL_DOWN = 0.2
"""The last part of the fine-tune, in which the learning rate falls to zero."""
LARGEST_GRADIENT = 1.0
"""Norm to which gradients are clipped: unclipped, near-zero losses spike and old facts are lost."""


@dataclass(frozen=True)
class NewFacts:
    """Chains of two new facts; entities and relations as indices of the graph, one row each."""

    first: Int[np.ndarray, "pair 3"]
    """(a, r1, b)."""
    second: Int[np.ndarray, "pair 3"]
    """(b, r2, t)."""


def run(model: HookedTransformer, examples: Examples, options: Options) -> xr.Dataset:
    """Accuracy by kind of question over the fine-tune.

    Returns:
        accuracy (point, kind) with intervals over questions; accuracy_question; shortcut (kind);
        `fine_step` (point), optimizer steps since the end of training.
    """
    if examples.queries.asked_ids.shape[1] != 3:
        raise HopscopeError(
            "transfer asks two-hop questions, but the questions of this run have "
            f"{examples.queries.asked_ids.shape[1] - 1} hops; use a run with splits.hops = 2."
        )
    new = examples.once(("new facts", options), lambda: draw_new_facts(examples.corpus, options))
    asked = examples.once(("transfer", options), lambda: new_questions(examples, new, options))
    points = fine_steps(options.tune_steps)
    longest = max(len(queries) for queries in asked.values())
    hits = np.full((longest, len(points), len(KINDS)), np.nan)
    tuned = _fine_tuned(model, examples.corpus, new, options, points)
    for i, after in enumerate(tuned):
        for k, kind in enumerate(KINDS):
            hits[: len(asked[kind]), i, k] = right(after, asked[kind])
    guessed = [_best_shortcut(examples.corpus, asked[kind]) for kind in KINDS]
    long_name = "share of right answers"
    about = {"long_name": "accuracy of the best shortcut", "units": "share", "per_step": False}
    variables = {
        **estimated("accuracy", hits, ("point", "kind"), long_name, shares=True, over="question"),
        "shortcut": (("kind",), np.array(guessed), about),
        "fine_step": (("point",), np.array(points), {"units": "step", "per_step": False}),
    }
    return xr.Dataset(variables, {"kind": list(KINDS), "point": np.arange(len(points))})


def fine_steps(last: int) -> list[int]:
    """Steps at which the questions are asked: 0, then denser at the start, to the last.

    >>> fine_steps(1000)
    [0, 5, 20, 60, 130, 200, 300, 400, 500, 600, 700, 800, 900, 1000]
    """
    shares = (0.005, 0.02, 0.06, 0.13, *(tenths / 10 for tenths in range(2, 11)))
    return sorted({0, *(max(1, round(share * last)) for share in shares)})


def draw_new_facts(corpus: Corpus, options: Options) -> NewFacts:
    """Draw chains of two new facts in unused slots.

    Raises:
        HopscopeError: if there are too few unused slots for an interval.
    """
    rng = np.random.default_rng([options.seed, 8])
    table = FactTable.of(corpus.graph).object
    old = FactTable.of(corpus.graph, corpus.in_distribution).object
    objects = [np.unique(column[column >= 0]) for column in old.T]
    leads_here = np.zeros(len(table), bool)  # objects of old facts: bridges of `second`
    leads_here[old[old >= 0]] = True
    middle = leads_here & (old >= 0).any(1)
    free = (table == NO_FACT) & (table != NO_FACT).any(1)[:, None]
    free &= np.array([len(pool) > 0 for pool in objects])
    first, second = [], []
    for a, r1 in rng.permutation(np.argwhere(free)).tolist():
        pool = objects[r1][middle[objects[r1]] & (objects[r1] != a)]
        pool = pool[free[pool].any(1)]
        if not free[a, r1] or not len(pool):
            continue
        b = int(rng.choice(pool))
        r2 = int(rng.choice(np.flatnonzero(free[b])))
        first.append((a, r1, b))
        second.append((b, r2, int(rng.choice(objects[r2]))))
        free[a, r1] = free[b, r2] = False
        if len(first) == options.pairs:
            break
    if len(first) < LEAST_EXAMPLES:
        raise HopscopeError(
            f"the graph has room for {len(first)} pairs of new facts, but at least "
            f"{LEAST_EXAMPLES} are needed for an interval; use a graph in which fewer (subject, "
            "relation) have a fact."
        )
    return NewFacts(np.array(first), np.array(second))


def new_questions(examples: Examples, new: NewFacts, options: Options) -> dict[str, Queries]:
    """The questions of each kind."""
    rng = np.random.default_rng([options.seed, 9])
    corpus = examples.corpus
    old = FactTable.of(corpus.graph, corpus.in_distribution).object
    chains: dict[str, list[tuple[int, ...]]] = {"first": [], "second": [], "both": []}
    for (a, r1, b), (_, r2, t) in zip(new.first.tolist(), new.second.tolist(), strict=True):
        then = int(rng.choice(np.flatnonzero(old[b] >= 0)))
        h, before = rng.choice(np.argwhere(old == b)).tolist()
        chains["first"].append((a, r1, b, then, int(old[b, then])))
        chains["second"].append((h, before, b, r2, t))
        chains["both"].append((a, r1, b, r2, t))
    kept = corpus.queries(ATOMIC_ID)
    some = np.sort(rng.permutation(len(kept))[: 2 * len(new.first)])
    held_out = np.sort(rng.permutation(len(examples))[: len(new.first)])
    return {
        "none": examples.queries.take(held_out),
        **{kind: _composition(examples, np.array(rows)) for kind, rows in chains.items()},
        "new_facts": _atomic(corpus, np.concatenate([new.first, new.second])),
        "kept_facts": kept.take(some),
    }


def _composition(examples: Examples, chains: Int[np.ndarray, "n 5"]) -> Queries:
    first = examples.corpus.vocab.first_relation
    names = chains[:, [0, 1, 3]] + [0, first, first]
    return asked_like(examples.queries, names, chains[:, 4], chains[:, 2:3])


def _atomic(corpus: Corpus, facts: Int[np.ndarray, "n 3"]) -> Queries:
    names = facts[:, :2] + [0, corpus.vocab.first_relation]
    return asked_like(corpus.queries(ATOMIC_ID), names, facts[:, 2])


def _fine_tuned(
    model: HookedTransformer, corpus: Corpus, new: NewFacts, options: Options, points: list[int]
) -> Iterator[HookedTransformer]:
    """The model after each number of steps in `points`; a copy that goes on changing."""
    tuned = copy.deepcopy(model)
    facts = _atomic(corpus, np.concatenate([new.first, new.second]))
    kept = corpus.training_set()
    optimizer = torch.optim.AdamW(
        tuned.parameters(), options.learning_rate, weight_decay=options.weight_decay
    )
    cooling = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda done: min(1.0, (points[-1] - done) / (COOL_DOWN * points[-1]))
    )
    draw = torch.Generator().manual_seed(options.seed)
    n_new = max(1, round(NEW_SHARE * options.batch))
    yield tuned
    for step in range(1, points[-1] + 1):
        some = torch.randint(len(facts), (n_new,), generator=draw)
        others = torch.randint(len(kept), (options.batch - n_new,), generator=draw)
        with torch.enable_grad():
            loss = NEW_SHARE * loss_of(tuned, facts.take(some.numpy()))
            loss = loss + (1 - NEW_SHARE) * _loss(tuned, kept, others)
            optimizer.zero_grad()
            loss.backward()
            clip_grad_norm_(tuned.parameters(), LARGEST_GRADIENT)
            optimizer.step()
            cooling.step()
        if step in points:
            yield tuned


def _loss(model: HookedTransformer, kept: TrainingSet, rows: torch.Tensor) -> torch.Tensor:
    device = model.device
    logits = fast_logits(model, kept.tokens[rows].to(device), kept.predict_at[rows].to(device))
    return cross_entropy(logits, kept.answer[rows].to(device))


def _best_shortcut(corpus: Corpus, asked: Queries) -> float:
    """Accuracy of the best shortcut; NaN for atomic prompts, which have none."""
    if asked.kind != "composition":
        return float("nan")
    given = shortcut_answers(corpus, asked).values()
    return max(float((answers == asked.answer_ids).mean()) for answers in given)
