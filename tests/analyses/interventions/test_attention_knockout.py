"""Cut edges of attention: the wired model loses its answers exactly where a hop reads."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from hand_wired import hand_wired, random_corpus, random_model
from slow_patching import assert_close, model_with
from worded import N_TOKENS, worded

from analyses.catalog import CATALOG
from analyses.interventions.attention_knockout import OUTCOMES, windows
from analyses.questions.examples import draw_examples
from circuits.corpus.role_spans import role_spans
from circuits.patching.cut_runs import between, cut_run
from circuits.patching.engine import PatchEngine
from circuits.patching.engines import traced
from circuits.patching.role_trace import RoleTrace

KNOCKOUT = CATALOG["attention_knockout"]
WIRED = hand_wired(16, 6, n_layers=4, first_hop=1, second_hop=2)
EXAMPLES = draw_examples(WIRED.corpus, "id_test", 40)


def test_cutting_an_edge_that_carries_a_hop_loses_the_answers_and_no_other_cut_does() -> None:
    found = KNOCKOUT.run(WIRED.model, EXAMPLES, KNOCKOUT.options({}))
    assert found.whole_accuracy == 1
    lost = found.lost.transpose("window", "from", "to")
    hops = {("subject", "relation_1"): 2, ("relation_1", "relation_2"): 3}
    for (read, reads), block in hops.items():
        for window in lost.window.values:
            cut = lost.sel(window=window, **{"from": read, "to": reads}).item()
            carries = window in (f"block {block}", "all blocks")
            assert (cut > 0.8) if carries else (cut == 0), (read, reads, window)
    # the wired relation_2 reads only relation_1, and a cut subject is read by nobody else
    for read, reads in (("subject", "relation_2"), ("relation_2", "relation_2")):
        assert (lost.sel({"from": read, "to": reads}) == 0).all()


def test_edges_that_do_not_exist_have_no_value_and_those_that_cannot_matter_are_zero() -> None:
    model = random_model(WIRED.corpus, n_layers=3)
    found = KNOCKOUT.run(model, EXAMPLES, KNOCKOUT.options({}))
    usable, changed = found.usable.values, found.changed.values
    assert np.isnan(changed[usable == -1]).all()
    assert (usable == -1).sum() == 4 * 3  # windows, pairs with from > to
    assert (changed[usable == 0] == 0).all()
    assert (found.probability_change.fillna(0).values[usable == 0] == 0).all()
    last = found.usable.sel(window="block 3")
    assert last.sel(to=["subject", "relation_1"]).max() == 0
    assert (last.sel(to="relation_2") == 1).all()
    assert (found.usable.sel(window="all blocks").values[np.triu_indices(3)] == 1).all()


@pytest.mark.parametrize(("width", "n_passes"), [(1, 1), (2, 1), (1, 2)])
def test_a_loop_of_hooked_runs_gives_the_same_outcomes(width: int, n_passes: int) -> None:
    model = random_model(WIRED.corpus, n_layers=3 if n_passes == 1 else 2, n_passes=n_passes)
    found = KNOCKOUT.run(model, EXAMPLES, KNOCKOUT.options({"width": width}))
    queries = EXAMPLES.queries
    before = model(queries.tokens)[:, -1]
    for name, window in windows(model.depth, width).items():
        for to in range(3):
            for read in range(to + 1):
                after = _cut_by_hooks(model, queries.tokens, window, read, to)
                cell = found.sel(window=name).isel({"from": read, "to": to})
                for i, answer in enumerate(queries.answer.tolist()):
                    was, now = int(before[i].argmax()), int(after[i].argmax())
                    kind = OUTCOMES[int(cell.outcome_example[i])]
                    assert kind == _in_words(was, now, answer)
                changed = (before.argmax(-1) != after.argmax(-1)).double().mean()
                assert cell.changed.item() == pytest.approx(changed.item(), abs=1e-6)


def test_the_change_of_probability_is_that_of_the_paper() -> None:
    wired = hand_wired(16, 6)
    found = KNOCKOUT.run(wired.model, EXAMPLES, KNOCKOUT.options({}))
    tokens, answer = EXAMPLES.queries.tokens, EXAMPLES.queries.answer[:, None]
    with torch.no_grad():
        before = wired.model(tokens)[:, -1].softmax(-1).gather(1, answer)
    after = _cut_by_hooks(wired.model, tokens, range(2), 1, 2).softmax(-1).gather(1, answer)
    cell = found.probability_change.sel({"window": "all blocks", "from": "relation_1"})
    expected = ((after - before) / before).mean().item()
    assert cell.sel(to="relation_2").item() == pytest.approx(expected, abs=1e-5)


def test_windows_as_wide_as_the_model_are_one() -> None:
    assert list(windows(2, 1)) == ["block 1", "block 2", "all blocks"]
    assert windows(2, 5) == {"all blocks": range(2)}
    assert windows(1, 1) == {"all blocks": range(1)}


def _in_words(was: int, now: int, answer: int) -> str:
    if was == answer:
        return "stays right" if now == answer else "lost"
    if now == answer:
        return "gained"
    return "stays wrong" if now == was else "wrong in another way"


@torch.no_grad()
def _cut_by_hooks(model, tokens, window, read: int, to: int):
    def cut(scores, hook):
        scores[:, :, to, read] = -torch.inf
        return scores

    def silent(pattern, hook):  # the first position cut from itself
        return pattern.nan_to_num()

    hooks = [
        (f"blocks.{i}.attn.hook_{name}", function)
        for i in window
        for name, function in (("attn_scores", partial(cut)), ("pattern", partial(silent)))
    ]
    with model.hooks(fwd_hooks=hooks):
        return model(tokens)[:, -1]


def test_cuts_between_spans_equal_patterns_edited_in_single_prompts() -> None:
    queries = worded(random_corpus(20, 4).queries("train_inferred")[:8], backwards=True)
    model = model_with(n_layers=2, n_ctx=24, d_vocab=N_TOKENS)
    engine = PatchEngine(model)
    base = traced(engine, queries, "through")
    assert isinstance(base, RoleTrace)
    edge = between(base.written[:, 3], base.written[:, 1], base.whole.pos)
    found = cut_run(engine, base, {0: edge, 1: edge})
    spans = role_spans(queries, "through")
    for row, query in enumerate(queries):
        (k0, k1), (q0, q1) = spans[row, 1], spans[row, 3]

        def cut(pattern, hook, k0=k0, k1=k1, q0=q0, q1=q1):  # type: ignore[no-untyped-def]
            pattern = pattern.clone()
            pattern[:, :, q0:q1, k0:k1] = 0
            return pattern / pattern.sum(-1, keepdim=True)

        hooks = [(f"blocks.{i}.attn.hook_pattern", cut) for i in range(2)]
        logits = model.run_with_hooks(torch.tensor([query.tokens]), fwd_hooks=hooks)
        assert_close(found[row], logits[0, -1].detach())
