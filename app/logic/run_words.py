"""What a run is, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from circuits.graph.knowledge_graph import PROVENANCES
from circuits.runs.run import Run


def facts_in_words(run: Run) -> str:
    """How many facts the graph has and how many of them are real; of an imported run, whence."""
    graph = run.graph
    if run.imported is not None:
        return f"{len(graph):,} facts ({graph.name}). {run.imported.words}"
    counts = {origin: graph.count(origin) for origin in PROVENANCES}
    total, real = len(graph), counts["real"]
    if real == total:
        words = f"All {total:,} facts are real ({graph.name})."
    elif real == 0:
        words = f"None of the {total:,} facts is real ({graph.name})."
    else:
        words = f"{real:,} of {total:,} facts are real ({graph.name})."
    added = counts["added_true"] + counts["added_false"]
    if added:
        words += f" {added:,} were added, {counts['added_true']:,} of them true."
    return words


def with_and(names: Sequence[str]) -> str:
    """Names as a sentence lists them.

    >>> with_and(["a"]), with_and(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
