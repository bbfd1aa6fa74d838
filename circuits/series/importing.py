"""From a series that others trained to a run folder, which everything else opens like one of ours.

1. The layout is found, every step's files are whole, and all steps have one configuration.
2. Questions and graph are recovered, and each name gets its row of the model's embedding.
3. Each step is converted and written (or, with `link`, left where it is), and its accuracy and loss
   are measured.
4. The manifest is written last, in a folder beside the new run, which then gets the run's name: an
   import that is killed leaves nothing that opens as a run.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from circuits.corpus.corpus import Corpus
from circuits.errors import CannotWrite, HopscopeError
from circuits.model.hook_free import fast_logits
from circuits.model.plain import PlainTransformer
from circuits.recipes.schema import (
    EvaluationSection,
    ModelSection,
    Recipe,
    SourceSection,
    SplitsSection,
    StoredDtype,
)
from circuits.runs.checkpoints import save_checkpoint
from circuits.runs.grok import grok_summary_of_rows
from circuits.runs.reading import checkpoint_name
from circuits.runs.run import CHECKPOINTS, RESUME, Run, open_run
from circuits.runs.writer import RunWriter
from circuits.series.configs import TheirConfig, read_config
from circuits.series.converting import Conversion, conversion, converted, digest, n_weights
from circuits.series.folders import FoundSeries, wanted_series
from circuits.series.kept_as_bridges import BridgePlan, Bridges, is_of_another_architecture
from circuits.series.measuring import Measure, Measuring
from circuits.series.recovered import Recovered
from circuits.series.step_files import StepFiles
from circuits.series.vocabulary import TokenTable, placed

UNKNOWN = ("seed", "augmentation", "training", "checkpoints")
"""Sections of a recipe that nothing is known of."""

SPARE_BYTES = 2**26
"""Space that is left free on the disk."""

Progress = Callable[[int, int], None]
"""Is told how many steps are done, of how many."""


def import_series(
    source: str | Path,
    out: str | Path,
    *,
    data: str | Path | None = None,
    questions: str | Path | None = None,
    steps: Collection[int] | None = None,
    link: bool = False,
    cut_vocab: bool = False,
    items: int = 1000,
    progress: Progress = lambda done, of: None,
) -> Run:
    """Make a run folder of a series of checkpoints.

    Args:
        source: Folder with a checkpoint for each step, see `find_series`.
        out: The new run folder.
        data: Folder with the data of the *Grokked Transformers* layout.
        questions: File of questions, see `read_questions`; instead of data.
        steps: Only these of the series; None: all.
        link: Leave the weights where they are, and read them when they are needed.
        cut_vocab: Drop the rows of the vocabulary that the data do not list. Logits of the others
            stay as they are; probabilities are then among the others.
        items: At most this many questions of each split are measured at each step.
        progress: Called after each step.

    Returns:
        The run, opened.

    Raises:
        HopscopeError: for whatever cannot be imported; nothing is left in `out` then.
    """
    path = Path(out)
    refuse_taken(path)
    series = wanted_series(source, steps)
    recovered = _recovered(data, questions)
    plan = (
        _bridge_plan(series, recovered, path, link=link, cut=cut_vocab, items=items)
        if is_of_another_architecture(next(iter(series.steps.values())))
        else _our_plan(series, recovered, path, link=link, cut=cut_vocab, items=items)
    )
    return written(path, series, plan, progress)


def written(path: Path, series: FoundSeries, plan: OurPlan | BridgePlan, progress: Progress) -> Run:
    """Write a run as planned, beside its place, and open it; what fails leaves nothing behind."""
    beside = path.with_name(f".{path.name}.importing")
    _clear(beside)
    try:
        _write(beside, series, plan, progress)
        beside.rename(path)
    except OSError as error:
        raise CannotWrite(path, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return open_run(path)


def _our_plan(
    series: FoundSeries, recovered: Recovered, path: Path, *, link: bool, cut: bool, items: int
) -> OurPlan:
    """The plan for a series that fits our own model."""
    first, theirs = next(iter(series.steps.values())), common_config(series)
    _refuse_other_data(first, theirs.cfg.n_ctx, recovered)
    table = TokenTable(first)
    corpus, rows = placed(recovered, table, theirs.cfg.d_vocab, cut=cut)
    _refuse_other_tokenizers(series, table, recovered)
    how = conversion(first, theirs, rows, len(recovered.texts))
    if not link:
        refuse_full_disk(path, len(series.steps) * n_weights(how.cfg) * 4, len(series.steps))
    return OurPlan(corpus, how, link, items)


def _bridge_plan(
    series: FoundSeries, recovered: Recovered, path: Path, *, link: bool, cut: bool, items: int
) -> BridgePlan:
    """The plan for a series of another architecture."""
    first = next(iter(series.steps.values()))
    if cut:
        raise HopscopeError(
            f"{first.config} is of an architecture that is kept as it is, so no rows are cut; "
            "leave out --cut-vocab."
        )
    bridges = Bridges.of(series)
    _refuse_other_data(first, bridges.shape.n_ctx, recovered)
    table = TokenTable(first)
    corpus, rows = placed(recovered, table, bridges.shape.d_vocab, cut=False)
    _refuse_other_tokenizers(series, table, recovered)
    if not link:
        refuse_full_disk(path, bridges.n_bytes, len(series.steps))
    return BridgePlan(bridges, corpus, rows, link, items)


def _refuse_other_data(first: StepFiles, n_ctx: int, recovered: Recovered) -> None:
    if recovered.n_ctx > n_ctx:
        raise HopscopeError(
            f"{first.config}: the model takes {n_ctx} tokens, and the questions have "
            f"{recovered.n_ctx}; the data are another model's."
        )


@dataclass(frozen=True)
class OurPlan:
    """How a series becomes a run of our own models."""

    corpus: Corpus
    how: Conversion
    link: bool
    items: int

    def facts(self, imported: dict[str, Any]) -> dict[str, Any]:
        """Entries of the manifest."""
        more = {"model": "ours", "conversion": self.how.to_json()}
        return {"model": self.how.cfg.to_json(), "imported": imported | more}

    def recipe(self) -> Recipe:
        """What is known of how the series was made; the rest has its defaults."""
        model = {k: v for k, v in self.how.cfg.to_json().items() if k in ModelSection.model_fields}
        return Recipe(
            source=SourceSection(name="imported"),
            splits=SplitsSection(task=self.corpus.task),
            model=ModelSection(**model),
            evaluation=EvaluationSection(items=self.items),
        )

    @property
    def text(self) -> Any:
        """How questions are worded, where they are sentences."""
        return None

    def measure(self) -> Measuring:
        """What is measured of every step."""
        return Measure(self.corpus, self.how.cfg.d_vocab, self.items, fast_logits)

    @cached_property
    def _model(self) -> PlainTransformer:
        return PlainTransformer(self.how.cfg).eval()

    def keep(
        self, folder: Path, step: int, files: StepFiles, measure: Measuring
    ) -> tuple[dict[str, Any], dict[str, float]]:
        """Keep a step; its row of the manifest, and what was measured."""
        weights = converted(files, self.how)
        row = keep_step(folder, step, files, weights, link=self.link)
        with torch.no_grad():
            for name, own in self._model.state_dict().items():
                own.copy_(weights[name])
        return row, measure(self._model)


def _write(
    folder: Path, series: FoundSeries, plan: OurPlan | BridgePlan, progress: Progress
) -> None:
    """The whole run in this folder, the manifest last."""
    imported = {
        "from": series.layout,
        "source": series.path.resolve().name,
        "link": str(series.path.resolve()) if plan.link else None,
        "unknown": list(UNKNOWN),
    }
    with RunWriter.create(
        folder, plan.recipe(), plan.corpus, plan.facts(imported), plan.text
    ) as writer:
        measure = plan.measure()
        kept = []
        for done, (step, files) in enumerate(series.steps.items(), 1):
            row, measured = plan.keep(folder, step, files, measure)
            kept.append(row)
            writer.append_metrics({"step": step, **measured})
            progress(done, len(series.steps))
        (folder / RESUME).rmdir()
        grok = grok_summary_of_rows(writer.rows).to_json()
        writer.set_state("finished", checkpoints=kept, grok=grok)


def keep_step(
    folder: Path, step: int, files: StepFiles, weights: Mapping[str, Tensor], *, link: bool
) -> dict[str, Any]:
    """Write the checkpoint of a step, unless it is linked; returns its row of the manifest."""
    if link:
        n_bytes = sum(path.stat().st_size for path in files.weights)
        return {"step": step, "sha256": digest(files), "bytes": n_bytes}
    path = folder / CHECKPOINTS / checkpoint_name(step)
    sha256 = save_checkpoint(path, weights, step=step, dtype=_stored(weights))
    return {"step": step, "sha256": sha256, "bytes": path.stat().st_size}


def _stored(weights: Mapping[str, Tensor]) -> StoredDtype:
    """The number type that holds them without loss (fp64 is rounded to fp32)."""
    return "bf16" if all(w.dtype == torch.bfloat16 for w in weights.values()) else "fp32"


def refuse_taken(path: Path) -> None:
    """Refuse a place for a run that is in use."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise HopscopeError(f"{path} exists and is not empty; give another --out.")


def _recovered(data: str | Path | None, questions: str | Path | None) -> Recovered:
    if (data is None) == (questions is None):
        raise HopscopeError(
            "give either --data, the folder with train.json, test.json and vocab.json, or "
            "--questions, a CSV or JSONL file of questions."
        )
    if data is not None:
        from circuits.series.grokked import read_grokked

        return read_grokked(data)
    from circuits.series.questions import read_questions

    assert questions is not None
    return read_questions(questions)


def common_config(series: FoundSeries) -> TheirConfig:
    """The configuration of all steps."""
    steps = list(series.steps.items())
    first_step, first = steps[0][0], read_config(steps[0][1])
    for step, files in steps[1:]:
        if read_config(files) != first:
            raise HopscopeError(
                f"{series.path}: the configuration of step {step} is not that of step "
                f"{first_step}; give a folder with the steps of one model."
            )
    return first


def _refuse_other_tokenizers(series: FoundSeries, table: TokenTable, recovered: Recovered) -> None:
    """Compare every tokenizer with the first one, unless its files are the same."""
    first = next(iter(series.steps.values()))
    known = {_tokenizer_bytes(first)}
    rows = table.rows(recovered.texts)
    for step, files in series.steps.items():
        content = _tokenizer_bytes(files)
        if not content or content in known:
            continue
        if TokenTable(files).rows(recovered.texts) != rows:
            raise HopscopeError(
                f"{series.path}: the tokenizer of step {step} gives names other rows than the "
                "first step's; the steps are of different models."
            )
        known.add(content)


def _tokenizer_bytes(files: StepFiles) -> tuple[bytes, ...]:
    try:
        return tuple(path.read_bytes() for path in files.tokenizer)
    except OSError as error:
        raise HopscopeError(
            f"{error.filename} cannot be read ({error.strerror}); make it readable."
        ) from None


def refuse_full_disk(path: Path, needed: int, n_steps: int) -> None:
    """Refuse to write checkpoints of so many bytes where they do not fit."""
    folder = next(p for p in (path.absolute(), *path.absolute().parents) if p.is_dir())
    free = shutil.disk_usage(folder).free
    if needed + SPARE_BYTES > free:
        raise HopscopeError(
            f"{n_steps} checkpoints need {needed / 1e9:,.1f} GB and {folder} has "
            f"{free / 1e9:,.1f} GB free; free some, or leave the weights where they are with "
            "--link."
        )


def _clear(beside: Path) -> None:
    """Remove what a killed import left; refuse if another import is at work there."""
    if not beside.exists():
        return
    from circuits.runs.locking import is_locked

    if is_locked(beside):
        raise HopscopeError(f"another import is at work in {beside}; wait for it, or stop it.")
    shutil.rmtree(beside)
