"""Which stored results the pages draw, and what is wrong with those that cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyses.fitting import fitting_analyses
from analyses.stored import stored_results
from circuits.runs.run import Run

if TYPE_CHECKING:
    import xarray as xr

CORE_ANALYSES = ("logit_lens", "causal_tracing", "bridge_patching")
"""The analyses that the instrument draws of a composition run."""
COMPARISON_ANALYSES = {"logit_lens": "comparison_lens", "causal_tracing": "comparison_tracing"}
"""Their counterparts in a comparison run."""
MORE_ANALYSES = (
    "circuit_discovery", "attention_knockout", "composability", "patchscopes", "coverage",
    "crosscoder", "learning_coefficient",
)  # fmt: skip
"""Analyses that it also draws if there is a result."""


def drawn_analyses(task: str) -> dict[str, str]:
    """The analysis that replaces each core analysis in a run of this task."""
    if task == "comparison":
        return COMPARISON_ANALYSES
    return {name: name for name in CORE_ANALYSES}


def drawn_results(run: Run) -> tuple[dict[str, xr.Dataset], list[str]]:
    """Stored results by core analysis, and sentences on those that cannot be used."""
    drawn = drawn_analyses(run.corpus.task)
    task, text = run.corpus.task, run.corpus.text
    fitting = fitting_analyses(task, bridged=run.bridged, text=text)
    more = {name: name for name in MORE_ANALYSES if name in fitting}
    wanted = {**drawn, **more}
    found, refused = stored_results(run, wanted.values())
    datasets = {role: found[name] for role, name in wanted.items() if name in found}
    problems = list(refused.values())
    if missing := [n for n in drawn.values() if n not in found and n not in refused]:
        names = " ".join(missing)
        problems.insert(
            0,
            f"Not measured yet, so not drawn: {', '.join(missing)}. Press Measure on the page "
            f"Train, or run `hopscope analyze {run.path} {names}` and reload.",
        )
    return datasets, problems
