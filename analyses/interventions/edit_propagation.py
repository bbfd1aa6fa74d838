"""Edit propagation: a small fine-tune changes one atomic fact; do its two-hop answers follow?

New answers show that the questions read the fact where the fine-tune changed it. Old answers do not
show the opposite. The fine-tune is content as soon as the atomic prompt (h, r1) is answered anew,
and may do that in the last block, where nothing reads a question's first relation any more
(`analyses.usable`): hop one then keeps its old object although the model composes. Nor does a model
need to hold a fact in one place: hop one reads it in an early block and hop two in a late one. So a
faithful circuit can go with .9 of old answers, and `first_hop_old` is no measure of memorization;
compare it with `second_hop_new`, which reads the fact in the blocks in which it is asked for.

1. The facts to change are hop-one facts (s, r) -> o of the examples. The new object is drawn from
   the other objects of r, so that the changed fact is of the same kind.
2. A copy of the model is fine-tuned (AdamW) on the changed fact, together with trained questions
   that do not go through it, until it gives the new object with probability `sure` or `max_steps`
   are done.
3. The model is asked before and after the edit. All questions (s, r, r2) have the fact as hop one,
   and their answers should become those of the new object. All questions (h, r1, r) with
   (h, r1) -> s have it as hop two, and their answer should become the new object. Bystanders are
   questions that do not go through the fact; those that were right before should stay right. The
   fact itself is asked only after the edit.
4. Shares are per edit; intervals are over edits.

In sentences an answer counts as a whole, in the fine-tune too (`sure` is the probability of the
whole new object), and every question is asked in the first of its wordings.

How to read: `first_hop_new` beside `second_hop_new` says how many two-hop questions follow an
edited fact as their first and their second hop; compare them with how many were right before, and
check that the bystanders stay right.

What misleads: Old answers do not mean memorized answers (above). Eight edits make wide intervals,
and the fine-tune's length and rate decide where it stores the change. An edit that spoils the
bystanders shows nothing about the fact.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Int

from analyses.estimates import estimated
from analyses.interventions.whole_answers import asked_like, loss_of, right
from analyses.options.interventions import EditPropagationOptions as Options
from analyses.questions.corruptions import FactTable
from analyses.questions.examples import Examples
from circuits.corpus.corpus import Corpus
from circuits.corpus.queries import Queries
from circuits.errors import HopscopeError
from circuits.model.transformer import HookedTransformer
from circuits.statistics import LEAST_EXAMPLES

MEASURES = {
    "learned": "the changed fact is answered with its new object",
    "first_hop_before": "hop-one questions answered right before the edit",
    "first_hop_new": "hop-one questions answered with the new answer after it",
    "first_hop_old": "hop-one questions answered with the old answer after it",
    "first_hop_chance": "hop-one questions answered with the new answer before it",
    "second_hop_before": "hop-two questions answered right before the edit",
    "second_hop_new": "hop-two questions answered with the new answer after it",
    "second_hop_old": "hop-two questions answered with the old answer after it",
    "second_hop_chance": "hop-two questions answered with the new answer before it",
    "bystanders_kept": "right answers to other questions that stay right",
}

PARTS = ("subject", "relation", "old", "new")


@dataclass(frozen=True)
class Edit:
    """A changed fact; entities and relations are indices of the graph."""

    subject: int
    relation: int
    old: int
    new: int


def run(model: HookedTransformer, examples: Examples, options: Options) -> xr.Dataset:
    """Share of two-hop answers that follow a changed fact, and of other answers that stay.

    Returns:
        share (measure) with intervals over edits; share_edit (edit, measure); steps_edit, the
        optimizer steps that each edit took; fact_edit (edit, part), ids of the changed names.
        If fewer than n_edits facts could be changed, the remaining values are NaN or -1.
    """
    if examples.queries.asked_ids.shape[1] != 3:
        raise HopscopeError(
            "edit_propagation asks two-hop questions, but the questions of this run have "
            f"{examples.queries.asked_ids.shape[1] - 1} hops; use a run with splits.hops = 2."
        )
    table = FactTable.of(examples.corpus.graph).object
    edits = _draw_edits(examples.queries, table, options)
    found, steps = [], []
    for number, edit in enumerate(edits):
        edited, n_steps = _fine_tuned(model, examples.corpus, edit, options, number)
        found.append(measure_edit(model, edited, examples, edit, table))
        steps.append(n_steps)
    values = np.full((options.n_edits, len(MEASURES)), np.nan)
    values[: len(edits)] = [[row[name] for name in MEASURES] for row in found]
    variables = estimated("share", values, ("measure",), "share of answers", over="edit")
    first = examples.corpus.vocab.first_relation
    facts = np.full((options.n_edits, len(PARTS)), -1)
    facts[: len(edits)] = [(e.subject, first + e.relation, e.old, e.new) for e in edits]
    took = np.full(options.n_edits, -1)
    took[: len(edits)] = steps
    variables["steps_edit"] = (("edit",), took, {"long_name": "optimizer steps of the edit"})
    variables["fact_edit"] = (
        ("edit", "part"),
        facts,
        {"long_name": "changed fact, ids of the vocabulary"},
    )
    coords = {
        "measure": list(MEASURES),
        "part": list(PARTS),
        "edit": np.arange(options.n_edits),
    }
    return xr.Dataset(variables, coords)


def _draw_edits(
    queries: Queries, table: Int[np.ndarray, "entity relation"], options: Options
) -> list[Edit]:
    rng = np.random.default_rng([options.seed, 6])
    first = queries.vocab.first_relation
    facts = np.unique(queries.asked_ids[:, :2] - [0, first], axis=0)
    edits: list[Edit] = []
    for subject, relation in rng.permutation(facts).tolist():
        old = int(table[subject, relation])
        others = np.unique(table[:, relation])
        others = others[(others >= 0) & (others != old)]
        # some relation must lead elsewhere from the new object, or no two-hop answer could follow
        differs = (table[others] >= 0) & (table[old] >= 0) & (table[others] != table[old])
        differs = differs.any(1)
        if old < 0 or not differs.any():
            continue
        edits.append(Edit(subject, relation, old, int(rng.choice(others[differs]))))
        if len(edits) == options.n_edits:
            break
    if len(edits) < LEAST_EXAMPLES:
        raise HopscopeError(
            f"{len(edits)} facts can be changed, but at least {LEAST_EXAMPLES} are needed for an "
            "interval; use more examples or a split with other first hops."
        )
    return edits


def _fine_tuned(
    model: HookedTransformer, corpus: Corpus, edit: Edit, options: Options, number: int
) -> tuple[HookedTransformer, int]:
    """A changed copy of the model, and the optimizer steps it took."""
    edited = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(edited.parameters(), options.learning_rate, weight_decay=0.0)
    rng = np.random.default_rng([options.seed, 7, number])
    fact = _fact(corpus, edit)
    pools = [corpus.queries("train_inferred"), corpus.queries("atomic_id")]
    keep = [np.flatnonzero(~_through(pool, edit)) for pool in pools]
    for step in range(options.max_steps):
        with torch.enable_grad():
            own = loss_of(edited, fact)
            if own.item() < -np.log(options.sure):
                return edited, step
            loss = own
            for pool, rows in zip(pools, keep, strict=True):
                some = pool.take(rng.choice(rows, min(options.retained, len(rows)), replace=False))
                loss = loss + loss_of(edited, some)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return edited, options.max_steps


def _through(queries: Queries, edit: Edit) -> Bool[np.ndarray, " n"]:
    """Which questions have the changed fact as one of their hops."""
    tokens, relation = queries.asked_ids, queries.vocab.first_relation + edit.relation
    subjects = np.column_stack([tokens[:, :1], queries.bridge_ids])
    return ((subjects == edit.subject) & (tokens[:, 1:] == relation)).any(1)


@torch.no_grad()
def measure_edit(
    before: HookedTransformer,
    after: HookedTransformer,
    examples: Examples,
    edit: Edit,
    table: Int[np.ndarray, "entity relation"],
) -> dict[str, float]:
    """Each of `MEASURES` for one edit; NaN where there is no question to ask.

    Args:
        before: The model as trained.
        after: The model with the changed fact.
        examples: Questions from which the bystanders are taken.
        edit: The changed fact.
        table: Object of every (subject, relation), negative where there is not exactly one.
    """
    first = examples.corpus.vocab.first_relation
    follows = (table[edit.old] >= 0) & (table[edit.new] >= 0)
    follows &= table[edit.old] != table[edit.new]
    # a question that passes the changed fact twice has a third answer
    follows[edit.relation] &= edit.new != edit.subject
    r2 = np.flatnonzero(follows)
    as_first = np.column_stack(
        [np.full_like(r2, edit.subject), np.full_like(r2, first + edit.relation), first + r2]
    )
    to_subject = table == edit.subject
    to_subject[edit.subject, edit.relation] = False
    h, r1 = np.nonzero(to_subject)
    as_second = np.column_stack([h, first + r1, np.full_like(h, first + edit.relation)])
    found = {"learned": _share(right(after, _fact(examples.corpus, edit)))}
    for name, asked, old, new in (
        ("first_hop", as_first, table[edit.old, r2], table[edit.new, r2]),
        ("second_hop", as_second, np.full(len(h), edit.old), np.full(len(h), edit.new)),
    ):
        before_it = [right(before, asked_like(examples.queries, asked, to)) for to in (old, new)]
        after_it = [right(after, asked_like(examples.queries, asked, to)) for to in (old, new)]
        for measure, hit in (
            ("before", before_it[0]), ("new", after_it[1]),
            ("old", after_it[0]), ("chance", before_it[1]),
        ):  # fmt: skip
            found[f"{name}_{measure}"] = _share(hit)
    others = examples.queries.take(np.flatnonzero(~_through(examples.queries, edit)))
    was_right, still = right(before, others), right(after, others)
    return {**found, "bystanders_kept": _share(still[was_right])}


def _fact(corpus: Corpus, edit: Edit) -> Queries:
    """The prompt of the changed fact, with its new object."""
    names = np.array([[edit.subject, corpus.vocab.first_relation + edit.relation]])
    return asked_like(corpus.queries("atomic_id"), names, np.array([edit.new]))


def _share(hit: Bool[np.ndarray, " n"]) -> float:
    """Share that is true; NaN if there is nothing to count."""
    return float(hit.mean()) if len(hit) else float("nan")
