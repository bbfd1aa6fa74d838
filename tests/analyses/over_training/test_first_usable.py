"""First usable layers: where the wired model has bridge and answer, never where it is late."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from drawn_numbers import assert_both_renderers_draw
from hand_wired import hand_wired, random_model

from analyses.catalog import CATALOG
from analyses.figures import figure, figures
from analyses.joining import joined_splits, joined_steps
from analyses.over_training.first_usable import ORDERS, first_usable, looked_at
from analyses.questions.examples import draw_examples
from circuits.errors import HopscopeError

SPLITS = ["train_inferred", "id_test"]


def lens_of(models: dict, corpus, name: str = "logit_lens", splits=SPLITS, **options):
    """What the walk stores of these models."""
    entry, steps = CATALOG[name], []
    for step, model in models.items():
        parts = {}
        for split in splits:
            examples = draw_examples(corpus, split, 60)
            parts[split] = (entry.run(model, examples, entry.options(options)), examples)
        steps.append(joined_splits(parts, step, {"analysis": name}))
    return joined_steps(steps)


def test_the_wired_model_has_its_bridge_after_hop_one_and_its_answer_after_hop_two() -> None:
    wired = hand_wired(16, 6, n_layers=4, first_hop=1, second_hop=2)
    found = first_usable(lens_of({0: wired.model}, wired.corpus))
    share = found["share"].sel(step=0, split="id_test")
    assert share.sel(name="bridge").values.tolist()[2] > 0.9  # two blocks: the hop is in the second
    assert share.sel(name="answer").values.tolist()[3] > 0.9
    order = found.order_share.sel(step=0, split="id_test")
    assert order.sel(order="bridge_first") > 0.85
    assert order.sum() == pytest.approx(1)


def test_a_bridge_that_only_the_last_block_writes_is_never_usable() -> None:
    """The lens reads it at S[depth, relation_1] all the same: the atomic fact is known there."""
    late = hand_wired(16, 6, n_layers=2, first_hop=1, second_hop=0)
    lens = lens_of({0: late.model}, late.corpus)
    at_end = lens.mrr.sel(split="id_test", target="bridge", position="relation_1", layer=2)
    assert at_end.item() > 0.95
    found = first_usable(lens).sel(step=0, split="id_test")
    assert found.decoded.sel(name="bridge") < 0.2  # only where a token of the question is it
    assert found.order_share.sel(order="bridge_first") < 0.2


@pytest.mark.parametrize("name", ["logit_lens", "tuned_lens"])
def test_a_loop_over_the_stored_ranks_finds_the_same_layers(name: str) -> None:
    wired = hand_wired(16, 6)
    models = {
        0: random_model(wired.corpus, n_layers=3),
        5: random_model(wired.corpus, 1, n_layers=3),
    }
    options = {"n_train": 50, "adam_steps": 2} if name == "tuned_lens" else {}
    lens = lens_of(models, wired.corpus, name, **options)
    found = first_usable(lens, top_k=6)
    assert found.attrs["lens"] == name
    kinds = set()
    axes = ("step", "split", "example", "target", "layer", "position")
    rank = lens["rank_example"].sel(target=["bridge", "answer"]).transpose(*axes).values
    first = found["first_layer_example"].transpose("step", "split", "example", "name").values
    for step, split in np.ndindex(2, 2):
        orders = dict.fromkeys(ORDERS, 0)
        for e in range(int(lens.n[split])):
            ranks = rank[step, split, e]
            bridge = [i for i in range(3) for p in (1, 2) if ranks[0, i, p] < 6]
            answer = [i for i in range(4) if ranks[1, i, 2] < 6]
            expected = [(bridge or [-1])[0], (answer or [-1])[0]]
            assert first[step, split, e].tolist() == expected
            orders[order_of(*expected)] += 1
        kinds |= {kind for kind, n in orders.items() if n}
        shares = found.order_share[step, split].values * int(lens.n[split])
        assert shares.round().tolist() == list(orders.values())
    assert len(kinds) >= 5, "the models show nearly every order"


def order_of(bridge: int, answer: int) -> str:
    if bridge < 0 or answer < 0:
        return {(0, 0): "neither", (1, 0): "bridge_only", (0, 1): "answer_only"}[
            (bridge >= 0, answer >= 0)
        ]
    return {-1: "bridge_first", 0: "same_layer", 1: "answer_first"}[int(np.sign(bridge - answer))]


def test_states_without_a_block_behind_them_are_not_looked_at() -> None:
    positions = ["subject", "relation_1", "relation_2", "relation_3"]
    assert looked_at("bridge_2", 2, positions).sum() == 2 * 2
    assert looked_at("answer", 2, positions).sum() == 3


def test_splits_of_different_size_are_counted_without_padding() -> None:
    wired = hand_wired(16, 6)
    lens = lens_of({0: wired.model}, wired.corpus, splits=["id_test", "oi_test"])
    found = first_usable(lens)
    assert (
        found.n.values.tolist()
        == [51, 25]
        == [len(wired.corpus.queries(s)) for s in lens.split.values]
    )
    np.testing.assert_allclose(found.order_share.sum("order"), 1, atol=1e-6)
    assert (found.first_layer_example.sel(split="oi_test")[:, int(found.n[1]) :] == -1).all()


def test_its_figures_are_drawn_by_both_renderers() -> None:
    wired = hand_wired(16, 6)
    models = {0: wired.model, 5: wired.model}
    found = first_usable(lens_of(models, wired.corpus))
    for name in figures(found):
        assert_both_renderers_draw(figure(found, name, step=5))


def test_a_result_without_bridges_is_refused_in_a_sentence() -> None:
    wired = hand_wired(16, 6)
    lens = lens_of({0: wired.model}, wired.corpus)
    with pytest.raises(HopscopeError, match="no ranks of a bridge"):
        first_usable(lens.sel(target=["answer"]))


def test_where_the_subject_comes_last_the_bridge_is_looked_for_there() -> None:
    """ "the R2 of the R1 of X": nothing before X can hold the bridge, whatever decodes there."""
    roles = ["subject", "relation_1", "relation_2", "answer"]
    rank = np.full((1, 1, 6, 2, 3, 4), 9)  # step, split, example, target, layer, position
    rank[0, 0, :, 0, 1, 1] = 0  # the bridge at S[1, relation_1] of all questions
    rank[0, 0, 0, 0, 1, 0] = 0  # and at S[1, subject] of the first one
    columns = np.array([[[7, 5, 2, 8], *[[1, 4, 7, 8]] * 5]])  # only the first names it last
    lens = xr.Dataset(
        {
            "rank_example": (("step", "split", "example", "target", "layer", "position"), rank),
            "column_example": (("split", "example", "position"), columns),
            "n": (("split",), [6]),
        },
        {"step": [0], "split": ["id_test"], "target": ["bridge", "answer"], "position": roles,
         "layer": range(3)},
    )  # fmt: skip
    found = first_usable(lens).first_layer_example.sel(step=0, split="id_test", name="bridge")
    assert found.values.tolist() == [1] * 6
    lens["rank_example"][0, 0, 0, 0, 1, 0] = 9
    found = first_usable(lens).first_layer_example.sel(step=0, split="id_test", name="bridge")
    assert found.values.tolist() == [-1, *[1] * 5]
    with pytest.raises(HopscopeError, match="analyze RUN logit_lens --again"):
        first_usable(lens.drop_vars("column_example"))
