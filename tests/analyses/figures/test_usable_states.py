"""Figures set states that cannot reach the answer apart, in both renderers and in their tables."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from synthetic_results import causal_tracing, logit_lens

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


def added(ds: xr.Dataset) -> xr.Dataset:
    """The lens with a made-up `mrr_added`: nothing up to relation_1, a fifth at relation_2."""
    share = xr.where(ds["position"] == "relation_2", 0.2, 0.0)
    parts = {f"mrr_added{end}": ds["mrr"] * 0 + share + e for end, e in
             (("", 0.0), ("_low", -0.05), ("_high", 0.05))}  # fmt: skip
    return ds.assign(parts)


def test_the_number_to_look_at_is_under_the_pointer_and_has_its_own_figure() -> None:
    ds = added(LENS)
    assert "mrr_added" in figures(ds)
    spec = figure(ds, "mrr", target="answer")
    texts = np.array(next(t for t in to_plotly(spec).data if t.type == "heatmap").text)
    assert "the question adds +0.200 [0.150, 0.250]" in texts[-1][2]
    assert "as in the shorter prompt, by construction" in texts[-1][1]
    own = figure(ds, "mrr_added")
    assert "0 by construction" in own.subtitle
    assert to_matplotlib(own).get_axes()


def test_an_older_result_without_that_number_offers_no_such_figure() -> None:
    assert "mrr_added" not in figures(LENS)
    assert figure(LENS, "mrr").panels[0].details == ()


@pytest.mark.parametrize("name", ["mrr", "mrr_over_training"])
def test_a_result_that_does_not_say_what_is_usable_is_drawn_plain(name: str) -> None:
    spec = figure(logit_lens(), name)
    assert CANNOT_REACH not in spec.subtitle
    assert to_matplotlib(spec).get_axes()
