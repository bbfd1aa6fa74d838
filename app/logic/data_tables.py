"""The tables of the Data page as figures that can be exported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from analyses.figures.specs.facts import Table
from analyses.figures.words import ORIGINS, split_of
from circuits.graph.knowledge_graph import PROVENANCES, KnowledgeGraph
from circuits.runs.run import Run

MOST_FACTS = 2000
"""The most rows that the table of facts shows at once."""


def relations_table(run: Run, name: str) -> Table:
    """Facts and phi_r per relation, before and after augmentation, the least first.

    A comparison takes no two hops: its relations have facts alone.
    """
    report = run.corpus.report.get("augmentation", {})
    before, after = report.get("phi_r_before", {}), report.get("phi_r_after", {})
    counts = np.bincount(run.graph.facts[:, 1], minlength=len(run.graph.relations))
    rows = [
        (relation, int(n), before.get(relation), after.get(relation))
        for relation, n in zip(run.graph.relations, counts, strict=True)
    ]
    rows.sort(key=lambda row: (row[3] is None, row[3]))
    if run.corpus.task == "comparison":
        return Table(
            name="data_relations",
            title="Facts per relation",
            subtitle=run.graph.name,
            provenance={"run": name},
            columns=("relation", "facts"),
            rows=tuple(row[:2] for row in rows),
            formats=("", ","),
        )
    return Table(
        name="data_relations",
        title="phi per relation",
        subtitle=f"{run.graph.name}; two-hop facts through a relation per fact of it",
        provenance={"run": name},
        columns=("relation", "facts", "phi_r before", "phi_r after"),
        rows=tuple(rows),
        formats=("", ",", ".2f", ".2f"),
    )


def matching(
    graph: KnowledgeGraph, words: str, origins: Sequence[str]
) -> Bool[np.ndarray, " facts"]:
    """Facts in which every word occurs, of the given provenances (none given: of any)."""
    subject, relation, obj = graph.facts.T
    keep = np.ones(len(graph), bool)
    for word in words.casefold().split():
        entities = np.array([word in name.casefold() for name in graph.entities], bool)
        relations = np.array([word in name.casefold() for name in graph.relations], bool)
        keep &= entities[subject] | relations[relation] | entities[obj]
    if origins:
        keep &= np.isin(graph.provenance, [PROVENANCES.index(p) for p in origins])
    return keep


def facts_table(run: Run, name: str, keep: Bool[np.ndarray, " facts"], words: str) -> Table:
    """The first facts that are kept."""
    graph, inside = run.graph, run.corpus.in_distribution
    chosen = np.flatnonzero(keep)
    rows = [
        (
            graph.entities[s],
            graph.relations[r],
            graph.entities[o],
            ORIGINS[PROVENANCES[graph.provenance[row]]],
            "may occur" if inside[row] else "never (OOD)",
        )
        for row in chosen[:MOST_FACTS].tolist()
        for s, r, o in [graph.facts[row].tolist()]
    ]
    questions = "comparisons" if run.corpus.task == "comparison" else "compositions"
    n = f"{len(chosen):,} of {len(graph):,} facts"
    if len(chosen) > MOST_FACTS:
        n += f", the first {MOST_FACTS:,} of them"
    return Table(
        name="data_facts",
        title=f"Facts with {words!r}" if words.strip() else "Facts",
        subtitle=f"{graph.name}: {n}",
        provenance={"run": name, "search": words},
        columns=("subject", "relation", "object", "provenance", f"in trained {questions}"),
        rows=tuple(rows),
        formats=("",) * 5,
    )


def splits_table(run: Run, name: str, step: int) -> Table:
    """Questions per split, with the accuracy at a step and that of the best shortcut.

    Whether a split was trained on is unknown where the only questions are those of a file.
    """
    known = bool(len(run.corpus.queries("train_inferred")))
    rows = [row for row in run.rows() if row["step"] <= step] or run.rows()[:1]
    latest: dict[str, Any] = rows[-1] if rows else {}
    table = [
        (
            split_of(split).short,
            len(queries),
            ("yes" if split in run.corpus.trained else "no") if known else "unknown",
            latest.get(f"accuracy/{split}"),
            max(run.baselines.get(split, {}).values(), default=None),
            queries[0].text if len(queries) else "",
        )
        for split, queries in run.corpus.splits.items()
    ]
    accuracy = f"accuracy at step {latest.get('step', 0):,}"
    return Table(
        name="data_splits",
        title="Splits",
        subtitle=f"{run.graph.name}; accuracy beside what the best shortcut reaches",
        provenance={"run": name, "step": latest.get("step")},
        columns=("split", "questions", "trained on", accuracy, "best shortcut", "example"),
        rows=tuple(table),
        formats=("", ",", "", ".1%", ".1%", ""),
    )
