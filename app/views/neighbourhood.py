"""The picture of an entity's facts: those that lead to it on the left, its own on the right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analyses.figures.style import CATEGORIES
from circuits.knowledge_graph import PROVENANCES, KnowledgeGraph

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST = 18
"""Facts shown on each side."""
DASHES = {"real": "solid", "synthetic": "dash", "added_true": "dashdot", "added_false": "dot"}
BLUE, VERMILION, *_ = CATEGORIES


def neighbourhood(graph: KnowledgeGraph, entity: int) -> go.Figure:
    """All facts of an entity; every name is a point whose custom data is the name."""
    import plotly.graph_objects as go

    out = np.flatnonzero(graph.facts[:, 0] == entity)
    into = np.flatnonzero((graph.facts[:, 2] == entity) & (graph.facts[:, 0] != entity))
    figure = go.Figure()
    for rows, side in ((into, -1), (out, 1)):
        _add_side(figure, graph, rows[:MOST], side)
    figure.add_trace(
        go.Scatter(
            x=[0],
            y=[0],
            mode="markers+text",
            marker={"size": 22, "color": VERMILION},
            text=[f"<b>{graph.entities[entity]}</b>"],
            textposition="top center",
            customdata=[graph.entities[entity]],
            hovertext=f"{len(out)} facts of its own, {len(into)} that lead to it",
            hoverinfo="text",
        )
    )
    more = [f"{max(0, len(rows) - MOST)} more" for rows in (into, out)]
    shown = max(min(len(rows), MOST) for rows in (into, out))
    figure.update_layout(
        showlegend=False,
        height=max(300, 20 * shown + 70),
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        xaxis={"visible": False, "range": [-2.4, 2.4], "fixedrange": True},
        yaxis={"visible": False, "fixedrange": True},
        title={
            "text": f"left: facts that lead here ({more[0]} not shown) · right: its own facts "
            f"({more[1]} not shown) · dotted lines: not real",
            "font": {"size": 12},
        },
    )
    return figure


def _add_side(figure: go.Figure, graph: KnowledgeGraph, rows: np.ndarray, side: int) -> None:
    import plotly.graph_objects as go

    heights = np.linspace(1, -1, len(rows)) if len(rows) > 1 else np.zeros(len(rows))
    names, texts, hover = [], [], []
    for row, height in zip(rows.tolist(), heights.tolist(), strict=True):
        subject, relation, obj = graph.facts[row]
        origin = PROVENANCES[graph.provenance[row]]
        name = graph.entities[obj if side > 0 else subject]
        names.append(name)
        verb = f"<i>{graph.relations[relation]}</i>"
        texts.append(f"{verb}  {name}" if side > 0 else f"{name}  {verb}")
        hover.append(f"{graph.fact_text(row)} ({origin.replace('_', ', ')})")
        figure.add_trace(
            go.Scatter(
                x=[0, 0.9 * side],
                y=[0, height],
                mode="lines",
                line={"width": 1, "color": "#9aa3ad", "dash": DASHES[origin]},
                hoverinfo="skip",
            )
        )
    figure.add_trace(
        go.Scatter(
            x=[0.9 * side] * len(rows),
            y=heights,
            mode="markers+text",
            marker={"size": 9, "color": BLUE},
            text=texts,
            textposition="middle right" if side > 0 else "middle left",
            customdata=names,
            hovertext=hover,
            hoverinfo="text",
        )
    )
