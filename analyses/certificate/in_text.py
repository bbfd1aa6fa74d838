"""The certificate's evidence of runs on text: by role, and by whole answers.

It differs from that of runs with a token per name (`analyses.certificate.evidence`) in this:

1. An answer counts if all of its tokens are decoded, its end included (`whole_names`); so do the
   answers after a swap, and agreement with a shortcut.
2. A state is that of a role *and the tokens after it up to the next role*, for a bridge may be kept
   in either. Swaps replace all of these tokens; the lens reads the last of them.
3. The lens learns to predict the bridge's first token from the last state of the fact's own
   sentence, since a question's sentence does not stop to say the bridge. A placebo whose first
   token is the bridge's does not count.
4. An "atomic" donor is the beginning of a question with any trained fact as its first hop.
5. The two-hop route alone: tokens behind the first hop never read the name that came first, subject
   or relation 1, and read the other one, where the hop is complete, in no block before the second.
   Without the bridge: they do not read the latter from the second block on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from analyses.certificate.decoding import N_TRAIN, placebo_bridges
from analyses.certificate.donors import all_donors
from analyses.interventions.bridge_patching import swap_outcomes, whole_outcomes
from analyses.interventions.whole_names import WholeNames
from analyses.outcomes import NO_DONOR
from analyses.questions.corruptions import hashed
from analyses.questions.examples import Examples
from analyses.readouts.states import row_keys, states, trained_questions
from circuits.corpus.corpus import Corpus
from circuits.corpus.names import ATOMIC_ID
from circuits.corpus.queries import Queries
from circuits.corpus.role_names import Span
from circuits.model.transformer import HookedTransformer
from circuits.model.tuned_lens import TunedLens
from circuits.patching.cut_runs import between, cut_run
from circuits.patching.engine import PatchEngine
from circuits.patching.engines import traced
from circuits.patching.role_trace import RoleTrace

SPAN: Span = "through"
ABLATIONS = ("knockout",)


class TextEvidence(NamedTuple):
    """What each question shows; the axes are those of `analyses.certificate.evidence`."""

    right: Bool[np.ndarray, " n"]
    shortcut_same: Bool[np.ndarray, "n shortcut"]
    decoded: Bool[np.ndarray, "n layer position"]
    placebo: Int[np.ndarray, "n layer position"]
    """-1: there is none."""
    swaps: Int[np.ndarray, "n donor control layer position"]
    routes: Bool[np.ndarray, "n ablation variant"]
    complete: Bool[np.ndarray, " position"]
    """Whether the first hop is complete where a role is read, in most questions."""


@torch.no_grad()
def text_evidence(
    model: HookedTransformer,
    examples: Examples,
    shortcuts: Int[np.ndarray, "n shortcut"],
    seed: int,
) -> TextEvidence:
    """The evidence of one checkpoint; `shortcuts` are their answers."""
    queries, engine = examples.queries, PatchEngine(model)
    base = traced(engine, queries, SPAN)

    first = _first_tokens(queries)
    top = engine.logits(base.resid[-1][:, -1]).argmax(-1).cpu().numpy()

    def exact(names: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        begun = (names >= 0) & (first[names] == top)
        return _whole(engine, queries, base, np.where(begun, names, -1)).unpatched()[0] & begun

    decoded, placebo = _decoded(model, examples, seed)
    hop = queries.role_columns[:, :2].max(1, keepdims=True)
    complete = (queries.role_columns >= hop).mean(0) >= 0.5
    return TextEvidence(
        exact(queries.answer_ids),
        np.stack([exact(answers) for answers in shortcuts.T], 1),
        decoded,
        placebo,
        _swaps(engine, examples, seed, complete),
        _routes(_whole(engine, queries, base, queries.answer_ids)),
        complete,
    )


def _whole(engine: PatchEngine, queries: Queries, base: Any, names: np.ndarray) -> WholeNames:
    whole = WholeNames.of(engine, queries, base, names)
    assert whole is not None
    return whole


def _first_tokens(queries: Queries) -> Int[np.ndarray, " name"]:
    return np.arange(len(queries.vocab)) if queries.names is None else queries.names.first


def _swaps(
    engine: PatchEngine, examples: Examples, seed: int, complete: Bool[np.ndarray, " position"]
) -> np.ndarray:
    """Outcomes by whole answers at usable states, of atomic donors where their hop is complete.

    -1 elsewhere.
    """
    found = []
    for donors in all_donors(examples, seed):
        first = swap_outcomes(engine, examples, donors, SPAN)
        first[:, :, [0, -1]] = first[..., ~complete] = NO_DONOR
        outcome = whole_outcomes(engine, examples, donors, SPAN, first)
        found.append(np.where((donors.rows >= 0).T[..., None, None], outcome, -1))
    elsewhere = np.arange(found[1].shape[-1]) != examples.queries.bridge_role
    found[1][..., elsewhere] = -1
    return np.stack(found, 1)


def _routes(whole: WholeNames) -> Bool[np.ndarray, "n ablation variant"]:
    """Whether the answer is right with the route alone, and without the bridge."""
    engine = whole.engine
    assert isinstance(engine, PatchEngine)
    right = torch.ones(whole.base.n, 1, 2, dtype=torch.bool)
    for each in whole.beginnings:
        spans, pos = each.trace.written[:, :2], each.trace.whole.pos
        last = spans[..., 1].argmax(1)  # the name that completes the hop
        rows = torch.arange(len(spans))
        first, later = spans[rows, 1 - last], spans[rows, last]
        behind = torch.stack([later[:, 1], torch.full_like(last, pos)], 1)
        over, bridge = between(behind, first, pos), between(behind, later, pos)
        alone = {0: over | bridge} | dict.fromkeys(range(1, engine.depth), over)
        without = dict.fromkeys(range(1, engine.depth), bridge)
        for variant, blocked in enumerate((alone, without)):
            if blocked:
                top = cut_run(engine, each.trace, blocked).argmax(-1)
                right[each.rows, 0, variant] &= (top == each.token).cpu()
    return right.numpy()


def _decoded(
    model: HookedTransformer, examples: Examples, seed: int
) -> tuple[Bool[np.ndarray, "n layer position"], Int[np.ndarray, "n layer position"]]:
    """Whether the lens's top token begins the bridge, and whether it begins the placebo."""
    queries = examples.queries
    first = _first_tokens(queries)
    other = examples.once(("placebo bridge", seed), lambda: placebo_bridges(examples, seed))
    fold = hashed(seed, 11, *queries.asked_ids[:, :2].T) % np.uint64(2)
    top = np.empty((len(queries), model.depth + 1, len(queries.positions)), np.int64)
    for half in (0, 1):
        rows = np.flatnonzero(fold == half)
        if len(rows):
            asked = queries.take(rows)
            train = trained_questions(examples.corpus, N_TRAIN, seed, leave_out=asked)
            top[rows] = _top_tokens(model, train, asked, examples.corpus)
    bridge = queries.bridge_tokens[:, 0]
    token = np.where(other < 0, -1, first[other])
    none = (other < 0) | (token == bridge)
    placebo = np.where(none[:, None, None], -1, top == token[:, None, None])
    return top == bridge[:, None, None], placebo


def _top_tokens(
    model: HookedTransformer, train: Queries, asked: Queries, corpus: Corpus
) -> Int[np.ndarray, "n layer position"]:
    """What each state says, translated into the last state of the first hop's own sentence."""
    facts, base = corpus.queries(ATOMIC_ID), len(train.vocab)
    keys = row_keys(facts.asked_ids, base)
    order = np.argsort(keys)
    hops = row_keys(train.asked_ids[:, :2], base)
    found = order[np.searchsorted(keys[order], hops).clip(max=len(keys) - 1)]
    known_fact = keys[found] == hops
    train, found = train.take(np.flatnonzero(known_fact)), found[known_fact]
    said = states(model, facts.take(found))[-1, :, -1]
    known, read = _span_ends(model, train), _span_ends(model, asked)
    tops: list[Tensor] = []
    for position in range(read.shape[2]):
        there = torch.cat([known[:-1, :, position], said[None]])
        lens = TunedLens.fit_states(model, there[:, :, None], adam_steps=0)
        at = read[:, :, position]
        translated = torch.cat([lens.translated(at[:-1]), at[-1:]])
        tops.append(model.logits_of(translated).argmax(-1))
    return torch.stack(tops, -1).transpose(0, 1).cpu().numpy()


def _span_ends(
    model: HookedTransformer, queries: Queries
) -> Float[Tensor, "layer n position d_model"]:
    """S[i, .] at the last token before the next role begins."""
    trace = traced(PatchEngine(model), queries, SPAN)
    assert isinstance(trace, RoleTrace)
    rows = torch.arange(trace.n)[:, None]
    return trace.whole.resid[:, rows, trace.written[..., 1] - 1]
