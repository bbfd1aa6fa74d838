"""The numbers that a renderer has drawn, to be held against those of the spec."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from analyses.figures import to_matplotlib, to_plotly
from analyses.figures.renderers.circuit_layout import line_width, strokes
from analyses.figures.renderers.plotly.circuit import UNIT
from analyses.figures.specs.base import Spec
from analyses.figures.specs.charts import (
    Bars,
    CircuitDiagram,
    HeatMap,
    Lines,
    Panels,
    Scatter,
    StackedArea,
)


def numbers_of(spec: Spec) -> np.ndarray:
    """What a spec shows, bounds aside; empty for diagrams and tables."""
    parts: list[Any] = []
    if isinstance(spec, Panels):
        parts = [numbers_of(panel) for panel in spec.panels]
    elif isinstance(spec, HeatMap):
        parts = [spec.values]
    elif isinstance(spec, Lines):
        parts = [s.y[s.x > 0] if spec.x_log else s.y for s in spec.series]
    elif isinstance(spec, Bars):
        parts = [s.values for s in spec.series]
    elif isinstance(spec, StackedArea):
        parts = [spec.shares]
    elif isinstance(spec, Scatter):
        parts = [g.y for g in spec.groups]
    flat = np.concatenate([np.ravel(part) for part in parts]) if parts else np.zeros(0)
    return flat[np.isfinite(flat)]


def _in_matplotlib(figure: Figure) -> np.ndarray:
    found: list[Any] = []
    for axes in figure.axes:
        found += [line.get_ydata() for line in axes.get_lines()]
        found += [[patch.get_height()] for patch in axes.patches if hasattr(patch, "get_height")]
        for drawn in axes.collections:
            if isinstance(drawn, QuadMesh):
                found.append(np.ma.filled(drawn.get_array().astype(float), np.nan))
            found.append(np.asarray(drawn.get_offsets())[:, 1])
    return np.concatenate([np.ravel(np.asarray(part, float)) for part in found])


def assert_both_renderers_draw(spec: Spec) -> None:
    """Every number of the spec stands in the picture and on the page; those of edges are widths."""
    if isinstance(spec, CircuitDiagram):
        _assert_both_draw_its_edges(spec)
        return
    wanted = numbers_of(spec)
    traces = [trace for trace in to_plotly(spec).data if trace.type != "table"]
    on_page = [np.ravel(np.asarray(values, float)) for trace in traces
               for values in (trace["z"] if trace.type == "heatmap" else trace["y"],)
               if values is not None]  # fmt: skip
    page = np.concatenate(on_page) if on_page else np.zeros(0)
    assert np.isin(wanted, page).all()
    if wanted.size and not _stacked(spec):  # stacked areas are drawn on top of each other
        assert np.isin(wanted, _in_matplotlib(to_matplotlib(spec, "page"))).all()


def _assert_both_draw_its_edges(spec: CircuitDiagram) -> None:
    """One line for each shown edge, as wide as it is strong."""
    assert len(strokes(spec)) >= sum(edge.shown for edge in spec.edges)
    strengths = [stroke.edge.strength for stroke in strokes(spec)]
    lines = [line for axes in to_matplotlib(spec, "page").axes for line in axes.get_lines()]
    printed = Counter(line.get_linewidth() for line in lines if len(line.get_xdata()) > 1)
    assert Counter(line_width(strength) for strength in strengths) <= printed
    traces = [trace for trace in to_plotly(spec).data if trace.mode == "lines" and trace.hoverinfo]
    shown = Counter(trace.line.width for trace in traces)
    assert Counter(line_width(strength, UNIT) for strength in strengths) <= shown


def _stacked(spec: Spec) -> bool:
    panels = spec.panels if isinstance(spec, Panels) else (spec,)
    return any(isinstance(panel, StackedArea) for panel in panels)
