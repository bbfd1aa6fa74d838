"""From pretrained checkpoints and a file of two-hop questions to a run folder.

As `circuits.series.importing`, with three differences: questions are sentences in the series' own
tokens, so a name may be several of them; a single checkpoint will do; and answers are scored whole.
A GPT-2 becomes our own model, which is faster; any other architecture is kept as a bridge.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circuits.errors import HopscopeError
from circuits.pretrained.answering import MeasuredAnswers
from circuits.pretrained.asked_text import AskedText
from circuits.pretrained.asking import asked_text
from circuits.pretrained.tokenizer import SeriesTokenizer, series_tokenizer
from circuits.runs.run import Run
from circuits.series.converting import conversion, n_weights
from circuits.series.folders import FoundSeries, wanted_series
from circuits.series.importing import (
    OurPlan,
    Progress,
    common_config,
    refuse_full_disk,
    refuse_taken,
    written,
)
from circuits.series.kept_as_bridges import BridgePlan, Bridges, is_of_another_architecture
from circuits.series.measuring import Measuring
from circuits.text.two_hop_questions import read_two_hop_questions


def import_pretrained(
    source: str | Path,
    out: str | Path,
    questions: str | Path,
    *,
    steps: Collection[int] | None = None,
    link: bool = False,
    items: int = 1000,
    progress: Progress = lambda done, of: None,
) -> Run:
    """Make a run folder of pretrained checkpoints that are asked the questions of a file.

    Args:
        source: Folder with one checkpoint or several, see `find_series`, and a tokenizer.
        out: The new run folder.
        questions: File of two-hop questions, see `read_two_hop_questions`.
        steps: Only these of the series; None: all.
        link: Leave the weights where they are, and read them when they are needed.
        items: At most this many questions of each split are measured at each step.
        progress: Called after each step.

    Returns:
        The run, opened. `run.corpus.report["dropped"]` counts the questions that were left out.

    Raises:
        HopscopeError: for whatever cannot be imported; nothing is left in `out` then.
    """
    path = Path(out)
    refuse_taken(path)
    series = wanted_series(source, steps, one=True)
    first = next(iter(series.steps.values()))
    tokenizer = _tokenizer(series)
    asked = read_two_hop_questions(questions)
    name = Path(questions).name
    if is_of_another_architecture(first):
        bridges = Bridges.of(series)
        text = _fitting(asked_text(asked, name, tokenizer, bridges.shape.n_ctx), bridges.shape)
        if not link:
            refuse_full_disk(path, bridges.n_bytes, len(series.steps))
        bridged = PromptedBridges(bridges, text.corpus, None, link, items, text)
        return written(path, series, bridged, progress)
    theirs = common_config(series)
    text = _fitting(asked_text(asked, name, tokenizer, theirs.cfg.n_ctx), theirs.cfg)
    how = conversion(first, theirs, range(theirs.cfg.d_vocab), 0)
    if not link:
        refuse_full_disk(path, len(series.steps) * n_weights(how.cfg) * 4, len(series.steps))
    return written(path, series, PromptedPlan(text.corpus, how, link, items, text), progress)


@dataclass(frozen=True)
class _Prompted:
    """What both kinds of plan have in common where questions are sentences; stands before them."""

    asked: AskedText

    @property
    def text(self) -> AskedText:
        """How questions are worded."""
        return self.asked

    def facts(self, imported: dict[str, Any]) -> dict[str, Any]:
        """Entries of the manifest."""
        found: dict[str, Any] = super().facts(imported | {"prompts": True})  # type: ignore[misc]
        return found

    def measure(self) -> Measuring:
        """What is measured of every step."""
        return MeasuredAnswers(self.asked.as_corpus(), self.items)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class PromptedPlan(_Prompted, OurPlan):
    """How a GPT-2 that is asked in sentences becomes a run of our own models."""


@dataclass(frozen=True)
class PromptedBridges(_Prompted, BridgePlan):
    """How a series of another architecture that is asked in sentences becomes a run of bridges."""


def _tokenizer(series: FoundSeries) -> SeriesTokenizer:
    """The tokenizer of all steps."""
    steps = list(series.steps.items())
    first = series_tokenizer(steps[0][1].folder)
    content = first.to_json()
    for step, files in steps[1:]:
        if files.tokenizer and series_tokenizer(files.folder).to_json() != content:
            raise HopscopeError(
                f"{series.path}: the tokenizer of step {step} is not that of step {steps[0][0]}; "
                "give a folder with the steps of one model."
            )
    return first


def _fitting(text: AskedText, shape: Any) -> AskedText:
    """The text, if the model has a row for every token that it is asked with."""
    most = max(int(text.queries(split).token_ids.max(initial=0)) for split in text.corpus.splits)
    most = max(most, int(text.wording.names.token_ids.max()))
    if most >= shape.d_vocab:
        raise HopscopeError(
            f"the tokenizer gives a name the token {most:,}, but the model has {shape.d_vocab:,}; "
            "is the tokenizer of another model?"
        )
    return text
