"""A series that a function loads: for whatever no importer reads.

`open_series` makes a run folder without weights (graph, questions, results, figures). Whoever opens
it with the same function gets the stored results and goes on from there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from circuits.corpus.corpus import Corpus
from circuits.errors import HopscopeError
from circuits.model.bridged import wrapped
from circuits.recipes.schema import Recipe, SourceSection, SplitsSection, TrainingSection
from circuits.runs.reading import MANIFEST, MOST_STEPS
from circuits.runs.run import CHECKPOINTS, RESUME, Run, open_run
from circuits.runs.writer import RunWriter

Load = Callable[[int], Any]
"""From a step to a `HookedTransformer`, a `TransformerBridge` or a `HookedRootModule`."""


@dataclass(frozen=True, eq=False)
class GivenSeries(Run):
    """A run whose models a function loads, one step at a time."""

    load: Load = field(kw_only=True)
    _temporary: Any = field(default=None, kw_only=True, repr=False)
    """Removes the folder when nothing refers to the series any more."""

    def model(self, step: int | None = None, device: str = "cpu") -> Any:
        """The model at a step: ours as it is, any other as a `BridgedModel`, in eval mode.

        Raises:
            HopscopeError: if there is no such step, or the model cannot answer the questions.
        """
        step = self.steps[-1] if step is None else self.checked_step(step)
        model = wrapped(self.load(step))
        _check_fits(self.corpus, model, step)
        return model.to(device)

    def refreshed(self) -> Run:
        """The series itself: nobody is training it here."""
        return self


def open_series(
    steps: Iterable[int], load: Load, corpus: Corpus, *, out: str | Path | None = None
) -> GivenSeries:
    """Open a series of checkpoints of any model that has TransformerLens's hook points.

    Analyses, figures and `analyze` take what it returns like a run. One model is in memory at a
    time. Token ids of the corpus are those of the model; see `BridgedModel` for a model whose
    vocabulary is in another order.

    Args:
        steps: The steps, 0 or more; at least one.
        load: Gives the model of a step: a `HookedTransformer` (ours), a `TransformerBridge`, or a
            `HookedRootModule` with TransformerLens's names.
        corpus: The questions, and the graph behind them.
        out: Folder for results and figures, a run folder without weights: an earlier one of the
            same corpus is continued, so that only new steps are computed. None: a temporary
            folder, which goes with the returned object.

    Raises:
        HopscopeError: if there is no step, the first model does not fit, or `out` holds something
            else. Results are kept by step: give another `out` for other weights.

    >>> from circuits import HookedTransformer, ModelConfig, open_run, to_bridge
    >>> demo = open_run("assets/demo")
    >>> series = open_series([0, 6000], lambda step: to_bridge(demo.model(step)), demo.corpus)
    >>> series.steps, series.model(6000)
    ([0, 6000], BridgedModel(TransformerBridge: 2 blocks, 4 heads, d_model 96))
    """
    wanted = _checked(steps)
    first = wrapped(load(wanted[0]))
    _check_fits(corpus, first, wanted[0])
    temporary = tempfile.TemporaryDirectory(prefix="hopscope-series-") if out is None else None
    folder = Path(temporary.name if temporary is not None else str(out))
    if (folder / MANIFEST).is_file():
        _continue(folder, wanted, corpus)
    else:
        _create(folder, wanted, corpus, first)
    run = open_run(folder)
    manifest = {**run.manifest, "checkpoints": _rows(wanted)}
    return GivenSeries(run.path, run.recipe, manifest, load=load, _temporary=temporary)


def _checked(steps: Iterable[int]) -> list[int]:
    found = sorted(set(steps))
    wrong = [s for s in found if type(s) is not int or not 0 <= s <= MOST_STEPS]
    if wrong or not found:
        raise HopscopeError(
            f"steps = {wrong or found} cannot be opened; give whole numbers of optimizer steps, 0 "
            "or more, e.g. [0, 1000, 2000]."
        )
    return found


def _check_fits(corpus: Corpus, model: Any, step: int) -> None:
    if corpus.n_ctx > model.cfg.n_ctx or len(corpus.vocab) > model.cfg.d_vocab:
        raise HopscopeError(
            f"the model of step {step} takes {model.cfg.n_ctx} tokens of {model.cfg.d_vocab:,}, "
            f"and the questions have {corpus.n_ctx} of {len(corpus.vocab):,}; give the corpus that "
            "belongs to it."
        )


def _create(folder: Path, steps: list[int], corpus: Corpus, first: Any) -> None:
    recipe = Recipe(
        source=SourceSection(name="imported"),
        splits=SplitsSection(task=corpus.task),
        training=TrainingSection(steps=max(1, *steps)),
    )
    sizes = ("n_layers", "n_heads", "d_model", "d_vocab", "n_ctx")
    shape = {name: getattr(first.cfg, name) for name in sizes}
    facts = {"model": shape, "imported": _entry(first)}
    with RunWriter.create(folder, recipe, corpus, facts) as writer:
        (folder / RESUME).rmdir()
        (folder / CHECKPOINTS).rmdir()
        writer.set_state("finished", checkpoints=_rows(steps))


def _entry(first: Any) -> dict[str, Any]:
    from circuits.model.bridged import BridgedModel

    return {
        "from": "a function",
        "source": "open_series",
        "model": "bridge" if isinstance(first, BridgedModel) else "ours",
        "link": None,
        "given": True,
        "unknown": ["augmentation", "training", "checkpoints", "metrics"],
    }


def _rows(steps: list[int]) -> list[dict[str, Any]]:
    return [{"step": step, "sha256": "", "bytes": 0} for step in steps]


def _continue(folder: Path, steps: list[int], corpus: Corpus) -> None:
    """Add steps to the series that is there, if it has the same questions."""
    run = open_run(folder)
    if not (run.manifest.get("imported") or {}).get("given"):
        raise HopscopeError(f"{folder} is a run of its own; give another out=.")
    if not _same_questions(run.corpus, corpus):
        raise HopscopeError(f"{folder} holds results on other questions; give another out=.")
    every = sorted({*run.steps, *steps})
    if every != run.steps:
        with RunWriter.reopen(run) as writer:
            (folder / RESUME).rmdir()
            (folder / CHECKPOINTS).rmdir()
            writer.set_state("finished", checkpoints=_rows(every))


def _same_questions(one: Corpus, other: Corpus) -> bool:
    return (
        one.vocab == other.vocab
        and list(one.splits) == list(other.splits)
        and all(
            np.array_equal(one.splits[name].token_ids, other.splits[name].token_ids)
            and np.array_equal(one.splits[name].answer_ids, other.splits[name].answer_ids)
            for name in one.splits
        )
    )
