"""Data: the graph around an entity, phi_r before and after, facts by provenance, splits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from app.instrument.payload import dump, label_of
from app.views import address, frame
from app.views.neighbourhood import neighbourhood
from app.views.stage import show_instrument, timeline_of
from circuits.knowledge_graph import PROVENANCES, KnowledgeGraph
from circuits.runs import Run

if TYPE_CHECKING:
    import pandas as pd

READING = (
    "What the run was trained on: click a name in the graph to go on from there; phi_r is the "
    "number of two-hop facts through a relation per fact of it."
)
WORDS = {
    "real": "real",
    "synthetic": "synthetic",
    "added_true": "added, true",
    "added_false": "added, false",
}


def page() -> None:
    """Draw the page."""
    frame.page(READING, _data)


def _data(shown: frame.Shown) -> None:
    show_instrument(shown, "compact", dump(timeline_of(shown.at)))
    run = shown.run
    around, relations, facts, splits, report = st.tabs(
        ["Around an entity", "Relations", "Facts", "Splits", "Report"]
    )
    with around:
        _around(run.graph)
    with relations:
        _relations(run)
    with facts:
        _facts(run)
    with splits:
        _splits(run, shown.step)
    with report:
        st.json(run.corpus.report, expanded=2)


def _around(graph: KnowledgeGraph) -> None:
    wanted = address.read().get("entity")
    if wanted is not None and wanted not in graph.entities:
        st.warning(f"There is no entity called {wanted[:60]!r} in this graph.")
        wanted = None
    degree = np.bincount(graph.facts[:, [0, 2]].ravel(), minlength=len(graph.entities))
    default = wanted or graph.entities[int(degree.argmax())]
    if st.session_state.get("entity_from_address") != default or "entity" not in st.session_state:
        st.session_state["entity"] = default

    def chosen() -> None:
        address.write(entity=st.session_state["entity"])
        st.session_state["entity_from_address"] = st.session_state["entity"]

    st.session_state["entity_from_address"] = default
    entity = st.selectbox(
        "Entity", graph.entities, key="entity", on_change=chosen, label_visibility="collapsed"
    )
    picture = neighbourhood(graph, graph.entity(entity))
    event: Any = st.plotly_chart(
        picture, key=f"around_{entity}", on_select="rerun", selection_mode="points"
    )
    points = event["selection"]["points"] if event else []
    clicked = points[0].get("customdata") if points else None
    name = clicked[0] if isinstance(clicked, list) else clicked
    if name in graph.entities and name != entity:
        address.write(entity=name)
        st.rerun()


def _relations(run: Run) -> None:
    import pandas as pd

    report = run.corpus.report.get("augmentation", {})
    before, after = report.get("phi_r_before", {}), report.get("phi_r_after", {})
    counts = np.bincount(run.graph.facts[:, 1], minlength=len(run.graph.relations))
    table = pd.DataFrame(
        {
            "relation": run.graph.relations,
            "facts": counts,
            "phi_r before": [before.get(r) for r in run.graph.relations],
            "phi_r after": [after.get(r) for r in run.graph.relations],
        }
    ).sort_values("phi_r after")
    whole = {k: report.get(k) for k in ("phi_before", "phi_after", "phi_trained")}
    columns = st.columns(3)
    for column, (name, value) in zip(columns, whole.items(), strict=True):
        label = name.replace("_", " ").replace("phi trained", "phi that is trained")
        column.metric(label, "–" if value is None else f"{value:.2f}")
    st.dataframe(table, hide_index=True, height=440)


def _facts(run: Run) -> None:
    graph = run.graph
    words = st.text_input("Search facts", key="fact_words", placeholder="e.g. Lyon country")
    origins = st.pills(
        "Provenance",
        [p for p in PROVENANCES if graph.count(p)],
        format_func=lambda p: f"{WORDS[p]} ({graph.count(p):,})",
        selection_mode="multi",
        key="fact_origins",
    )
    table = _fact_table(graph, run.corpus.in_distribution)
    text = (table["subject"] + " " + table["relation"] + " " + table["object"]).str.casefold()
    keep = np.ones(len(table), bool)
    for word in words.casefold().split():
        keep &= text.str.contains(word, regex=False).to_numpy()
    if origins:
        keep &= table["provenance"].isin([WORDS[p] for p in origins]).to_numpy()
    st.caption(f"{int(keep.sum()):,} of {len(table):,} facts.")
    st.dataframe(table[keep].head(2000), hide_index=True, height=420)


def _fact_table(graph: KnowledgeGraph, in_distribution: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    entities, relations = np.array(graph.entities), np.array(graph.relations)
    subject, relation, obj = graph.facts.T
    return pd.DataFrame(
        {
            "subject": entities[subject],
            "relation": relations[relation],
            "object": entities[obj],
            "provenance": np.array([WORDS[p] for p in PROVENANCES])[graph.provenance],
            "in trained compositions": np.where(in_distribution, "may occur", "never (OOD)"),
        }
    )


def _splits(run: Run, step: int) -> None:
    import pandas as pd

    rows = [row for row in run.rows() if row["step"] <= step] or run.rows()[:1]
    latest = rows[-1] if rows else {}
    table = pd.DataFrame(
        [
            {
                "split": label_of(name),
                "questions": len(queries),
                "trained on": "yes" if name in run.corpus.trained else "no",
                f"accuracy at step {latest.get('step', 0):,}": latest.get(f"accuracy/{name}"),
                "best shortcut": max(run.baselines.get(name, {}).values(), default=None),
                "example": queries[0].text if len(queries) else "",
            }
            for name, queries in run.corpus.splits.items()
        ]
    )
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(format="percent")
            for name in table.columns
            if "accuracy" in name or "shortcut" in name
        },
    )
    for note in run.corpus.report.get("notes", []):
        st.caption(note)
