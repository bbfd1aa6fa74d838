"""Both papers' figures from runs: which run feeds which panel, what is missing and how to make it.

1. `families` groups the runs by recipe.
2. *Wild* takes real facts: the comparison, and of compositions the family nearest to its phi.
3. *Grokked* takes random facts: the composition nearest to phi 9, the comparison, the longest
   series by phi and the longest by size (of random facts if there is one, else of real ones).
4. Figures 4 and 9 take the first run of that composition whose states were traced; of any other
   composition if it has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import xarray as xr

from analyses.figures.papers import grokked, wild
from analyses.figures.papers.families import Family, families, nearest, of_kind, series_of
from analyses.figures.specs.base import Spec
from analyses.stored import stored_results
from circuits.errors import HopscopeError
from circuits.runs.run import Run

PHI_WILD, PHI_GROKKED = 6.25, 9.0
"""phi of *Wild*'s composition, and of the run that *Grokked* analyzes."""

DECISIVE = ("source", "augmentation", "splits", "model", "training", "seed")
"""What of its recipe an imported run may not know, and without which nothing can be told of it."""

COMMANDS = {
    "wild_comparison": "hopscope train wild-comparison --out runs/wild-comparison",
    "wild_composition": "hopscope train demo --out runs/demo",
    "grokked_composition": "hopscope train textbook --out runs/textbook",
    "grokked_comparison": "hopscope train grokked-comparison --out runs/grokked-comparison",
    "by_phi": "hopscope sweep textbook --grid augmentation.phi=3.6,6,8.3 --seeds 3 "
    "--out runs/by-phi",
    "by_size": "hopscope sweep textbook --grid source.options.n_entities=60,100,140 --seeds 3 "
    "--out runs/by-size",
}
"""How the runs are made that feed each panel."""


@dataclass
class Papers:
    """The figures that the runs can feed."""

    figures: dict[str, Spec] = field(default_factory=dict)
    """By the name of their file."""
    fed_by: dict[str, str] = field(default_factory=dict)
    """Which runs feed which panel, in words."""
    missing: dict[str, str] = field(default_factory=dict)
    """Panel -> the command that makes what it lacks."""

    left_out: dict[str, str] = field(default_factory=dict)
    """Runs that feed nothing, and why."""

    def feed(self, panel: str, found: Family | Sequence[Family] | None, command: str) -> None:
        """Note what feeds a panel, or the command if nothing does."""
        if not found:
            self.missing[panel] = command
        else:
            several = [found] if isinstance(found, Family) else found
            self.fed_by[panel] = "; ".join(family.describe() for family in several)


def papers(runs: Sequence[Run]) -> Papers:
    """The counterparts of both papers' figures.

    Raises:
        HopscopeError: if no run is given or none has an evaluation yet.
    """
    if not runs:
        raise HopscopeError("name at least one run: hopscope paper RUN... --out DIR.")
    made = Papers(left_out={str(run.path): why for run in runs if (why := _unusable(run))})
    if len(made.left_out) == len(runs):
        path, why = next(iter(made.left_out.items()))
        raise HopscopeError(f"{path} {why}; name a run that was trained with Hopscope.")
    found = families([run for run in runs if str(run.path) not in made.left_out])
    _wild(found, made)
    _grokked(found, made)
    return made


def _unusable(run: Run) -> str:
    """Why a run cannot feed any panel; "" if it can."""
    if unknown := [name for name in DECISIVE if not run.knows(name)]:
        return f"does not say how it was made ({', '.join(unknown)})"
    return "" if run.rows() else "has no evaluation yet"


def _wild(found: Sequence[Family], made: Papers) -> None:
    chosen = {
        "comparison": next(iter(of_kind(found, "comparison", real=True)), None),
        "composition": nearest(of_kind(found, "composition", real=True), PHI_WILD),
    }
    for task, family in chosen.items():
        panel = f"Wild figures 1 and 4 and table 3, {task}"
        made.feed(panel, family, COMMANDS[f"wild_{task}"])
    if any(chosen.values()):
        made.figures["wild_figure_1"] = wild.figure_1(chosen)
        made.figures["wild_figure_4"] = wild.figure_4(chosen)
        made.figures["wild_table_3"] = wild.table_3(chosen)


def _grokked(found: Sequence[Family], made: Papers) -> None:
    composition = nearest(of_kind(found, "composition", real=False), PHI_GROKKED)
    comparison = next(iter(of_kind(found, "comparison", real=False)), None)
    made.feed("Grokked figure 1, composition", composition, COMMANDS["grokked_composition"])
    made.feed("Grokked figure 1, comparison", comparison, COMMANDS["grokked_comparison"])
    series = {}
    for by in ("phi", "size"):
        series[by] = series_of(of_kind(found, "composition", real=False), by) or series_of(
            of_kind(found, "composition", real=True), by
        )
        made.feed(f"Grokked figure 2, by {by}", series[by], COMMANDS[f"by_{by}"])
    for name, sheet in {
        "grokked_figure_1": grokked.figure_1(composition, comparison),
        "grokked_figure_2": grokked.figure_2(series["phi"], series["size"]),
    }.items():
        if sheet is not None:
            made.figures[name] = sheet
    _circuits(found, composition, made)


def _circuits(found: Sequence[Family], composition: Family | None, made: Papers) -> None:
    panel = "Grokked figures 4 and 9"
    ordered = sorted(of_kind(found, "composition"), key=lambda f: f is not composition)
    runs = [run for family in ordered for run in family.runs]
    analyses, again = ("causal_tracing", "logit_lens"), None
    for run in runs:
        stored, refused = stored_results(run, analyses)
        again = again or (run if refused else None)
        if len(stored) < len(analyses):
            continue
        tracing, lens = (stored[name] for name in analyses)
        start = _start(run, tracing)
        about = f"{run.path.resolve().name}, seed {run.recipe.seed}"
        made.figures["grokked_figure_4"] = grokked.figure_4(tracing, lens, start, about)
        made.figures["grokked_figure_9"] = grokked.figure_9(tracing, start, about)
        made.fed_by[panel] = f"{about}, from step {start:,}"
        return
    command = COMMANDS["grokked_composition"] + " and then hopscope analyze runs/textbook"
    if runs:
        command = f"hopscope analyze {(again or runs[0]).path}"
    replaced = " --again" if again else ""
    made.missing[panel] = f"{command} {' '.join(analyses)}{replaced}"


def _start(run: Run, tracing: xr.Dataset) -> int:
    """The analyzed step nearest to memorization, where the paper's grokking starts."""
    steps = [int(s) for s in tracing["step"].values]
    memorized = run.grok.get("memorization_step")
    return steps[0] if memorized is None else min(steps, key=lambda s: abs(s - memorized))
