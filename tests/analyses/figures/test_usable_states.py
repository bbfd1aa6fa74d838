"""Figures set states that cannot reach the answer apart, in both renderers and in their tables."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_results import bridge_patching, causal_tracing, logit_lens

from analyses.figures import figure, to_matplotlib, to_plotly
from analyses.figures.builders.circuit import circuit_dataset
from analyses.figures.registry import figures
from analyses.usable import CANNOT_REACH, with_usable

LENS, TRACING = with_usable(logit_lens()), with_usable(causal_tracing())
DEPTH = LENS.sizes["layer"] - 1


def unusable(layers: int, positions: int) -> np.ndarray:
    apart = np.zeros((layers, positions), bool)
    apart[-1, :-1] = True
    return apart


def test_maps_hatch_the_last_layer_before_the_last_position_and_say_why() -> None:
    spec = figure(LENS, "mrr")
    assert f"hatched: {CANNOT_REACH}" in spec.subtitle
    for panel in spec.panels:
        np.testing.assert_array_equal(panel.hatched, unusable(DEPTH + 1, 3))
        assert panel.frame()[CANNOT_REACH].sum() == 2
    tracing = figure(TRACING, "strength", split="id_test")
    np.testing.assert_array_equal(tracing.hatched, unusable(DEPTH + 1, 3))


def test_a_curve_of_an_unusable_layer_is_dotted_and_called_so() -> None:
    spec = figure(LENS, "mrr_over_training")
    by_name = {panel.name: panel for panel in spec.panels}
    for name, dash in (("bridge", "dot"), ("answer", "solid")):
        panel = by_name[name]
        last = panel.series[-1]
        assert (last.dash, CANNOT_REACH in last.label) == (dash, dash == "dot")
        assert all(s.dash == "solid" for s in panel.series[:-1])
    maps = figure(LENS, "mrr_map_over_training")
    bridge = next(panel for panel in maps.panels if panel.name == "bridge")
    assert bridge.hatched is not None
    assert bridge.hatched.all(1).tolist() == [False] * DEPTH + [True]


def test_no_state_after_the_last_block_is_the_one_at_which_swaps_work_best() -> None:
    ds = bridge_patching()
    ds["success"][{"layer": DEPTH, "position": 0}] = 0.99
    spec = figure(with_usable(ds), "success_over_training")
    assert spec.title.replace("\N{NO-BREAK SPACE}", " ").endswith("at S[2, relation 1]")


def test_both_renderers_hatch_as_many_cells_as_are_unusable() -> None:
    spec = figure(LENS, "mrr", target="bridge")
    patches = [p for ax in to_matplotlib(spec).get_axes() for p in ax.patches if p.get_hatch()]
    assert len(patches) == 2
    drawn = to_plotly(spec)
    assert len([s for s in drawn.layout.shapes if s.type == "path"]) == 2
    texts = np.array(next(t for t in drawn.data if t.type == "heatmap").text)
    assert [CANNOT_REACH in text for text in texts[-1]] == [True, True, False]
    assert not any(CANNOT_REACH in text for text in texts[:-1].ravel())


def test_the_circuit_hatches_what_is_read_where_nothing_uses_it() -> None:
    spec = figure(circuit_dataset(TRACING, LENS))
    apart = {(n.layer, n.position) for n in spec.nodes if not n.usable}
    assert apart == {(DEPTH, 0), (DEPTH, 1)}
    read = [n for n in spec.nodes if n.reading and not n.usable]
    ax = to_matplotlib(spec).get_axes()[0]
    assert len([p for p in ax.patches if p.get_hatch()]) == len(read)
    hovers = [t.text for t in to_plotly(spec).data if t.mode == "markers" and t.text]
    assert sum(CANNOT_REACH in text for text in hovers) == 2


def test_the_number_to_look_at_is_under_the_pointer_and_has_its_own_figure() -> None:
    spec = figure(LENS, "mrr", target="answer", split="train_inferred")
    texts = np.array(next(t for t in to_plotly(spec).data if t.type == "heatmap").text)
    value = LENS.mrr_added.isel(step=-1, layer=-1, position=-1).sel(target="answer")
    at_end = float(value.sel(split="train_inferred"))
    said = f"the question adds {at_end:+.3f} [{at_end - 0.05:.3f}, {at_end + 0.05:.3f}]"
    assert said in texts[-1][2]
    assert "as in the shorter prompt, by construction" in texts[-1][1]
    own = figure(LENS, "mrr_added")
    assert "0 by construction" in own.subtitle
    assert to_matplotlib(own).get_axes()


def test_every_lens_that_says_what_the_question_adds_draws_it() -> None:
    for name in ("logit_lens", "tuned_lens", "comparison_lens"):
        assert "mrr_added" in figures(LENS.assign_attrs(analysis=name))


def test_where_nothing_is_added_by_construction_follows_from_the_names_of_the_roles() -> None:
    marked = LENS.isel(position=[0, 0, 1, 1, 2]).assign_coords(
        position=["attribute", "query_mark", "entity_1", "mask", "entity_2"]
    )
    assert "up to mask: 0 by construction" in figure(marked, "mrr_added").subtitle
    assert "another entity 1" in figure(marked, "mrr_added").subtitle
    said = figure(marked, "mrr").panels[0].details[-1]
    assert ["by construction" in text for text in said] == [True] * 4 + [False]


def test_of_sentences_no_figure_says_zero_where_nothing_was_measured() -> None:
    here = LENS.mrr_added.position.isin(["subject", "relation_1"])
    text = LENS.copy()
    for end in ("", "_low", "_high"):
        text[f"mrr_added{end}"] = LENS[f"mrr_added{end}"].where(~here)
    assert "by construction" not in figure(text, "mrr_added").subtitle
    said = figure(text, "mrr").panels[0].details[-1]
    assert said[:2] == ("nothing to set beside it",) * 2
    assert "the question adds" in said[2]


def test_an_older_result_without_that_number_offers_no_such_figure() -> None:
    older = LENS.drop_vars([v for v in LENS.data_vars if str(v).startswith("mrr_added")])
    assert "mrr_added" in figures(LENS)
    assert "mrr_added" not in figures(older)
    assert figure(older, "mrr").panels[0].details == ()


@pytest.mark.parametrize("name", ["mrr", "mrr_over_training"])
def test_a_result_that_does_not_say_what_is_usable_is_drawn_plain(name: str) -> None:
    spec = figure(logit_lens(), name)
    assert CANNOT_REACH not in spec.subtitle
    assert to_matplotlib(spec).get_axes()
