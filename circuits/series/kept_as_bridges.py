"""Importing a series whose architecture is not ours: the steps are kept as they are.

Each step's folder is copied to `checkpoints/step_<step>/` (or, with `link`, left where it is), and
its model is a bridge whenever it is asked for (`circuits.series.bridges`).
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from circuits.corpus.corpus import Corpus
from circuits.errors import HopscopeError
from circuits.model.bridged import BridgedModel
from circuits.recipes.schema import (
    EvaluationSection,
    Recipe,
    SourceSection,
    SplitsSection,
)
from circuits.runs.reading import checkpoint_name
from circuits.runs.run import CHECKPOINTS
from circuits.series.bridges import architecture_of, boot
from circuits.series.converting import digest
from circuits.series.folders import FoundSeries
from circuits.series.measuring import Measure, Measuring
from circuits.series.step_files import StepFiles

_OF_THE_SAVING = ("transformers_version", "_name_or_path", "torch_dtype", "dtype")
"""Entries of config.json that say how a model was saved and not what it is."""


def is_of_another_architecture(files: StepFiles) -> bool:
    """Whether config.json names an architecture of transformers other than GPT-2."""
    if files.config is None:
        return False
    try:
        table = json.loads(files.config.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False  # the reader of our own models says what is wrong
    return isinstance(table, dict) and table.get("model_type", "gpt2") != "gpt2"


@dataclass(frozen=True)
class Bridges:
    """What `import_series` needs of a series that is kept as bridges."""

    series: FoundSeries
    shape: Any
    """`BridgedShape` of the model."""
    architecture: str

    @classmethod
    def of(cls, series: FoundSeries) -> Bridges:
        """Boot the first step, and hold the configurations of all others against its own.

        Raises:
            HopscopeError: if the architecture has no bridge, or steps are of different models.
        """
        first_step, first = next(iter(series.steps.items()))
        config = _config(first)
        for step, files in series.steps.items():
            if _config(files) != config:
                raise HopscopeError(
                    f"{series.path}: the configuration of step {step} is not that of step "
                    f"{first_step}; give a folder with the steps of one model."
                )
        return cls(series, boot(first).cfg, architecture_of(first))

    @property
    def n_bytes(self) -> int:
        """Bytes of the weights of all steps."""
        steps = self.series.steps.values()
        return sum(path.stat().st_size for files in steps for path in files.weights)


@dataclass(frozen=True)
class BridgePlan:
    """How a series becomes a run of bridges."""

    bridges: Bridges
    corpus: Corpus
    rows: list[int] | None
    """The model's token of each token of ours; None: questions are in its own tokens."""
    link: bool
    items: int

    @property
    def text(self) -> Any:
        """How questions are worded, where they are sentences."""
        return None

    def facts(self, imported: dict[str, Any]) -> dict[str, Any]:
        """Entries of the manifest."""
        shape = self.bridges.shape
        sizes = ("n_layers", "n_heads", "d_model", "d_head", "d_mlp", "d_vocab", "n_ctx")
        more = {"model": "bridge", "architecture": self.bridges.architecture, "tokens": self.rows}
        return {"model": {n: getattr(shape, n) for n in sizes}, "imported": imported | more}

    def recipe(self) -> Recipe:
        """What is known of how the series was made; the rest has its defaults."""
        return Recipe(
            source=SourceSection(name="imported"),
            splits=SplitsSection(task=self.corpus.task),
            evaluation=EvaluationSection(items=self.items),
        )

    def measure(self) -> Measuring:
        """What is measured of every step."""
        return Measure(self.corpus, self.bridges.shape.d_vocab, self.items, _last_logits)

    def keep(
        self, folder: Path, step: int, files: StepFiles, measure: Measuring
    ) -> tuple[dict[str, Any], dict[str, float]]:
        """Keep a step; its row of the manifest, and what was measured."""
        model = boot(files, self.rows)
        if not self.link:
            files = _copied(files, folder / CHECKPOINTS / Path(checkpoint_name(step)).stem)
        n_bytes = sum(path.stat().st_size for path in files.weights)
        row = {"step": step, "sha256": digest(files), "bytes": n_bytes}
        return row, measure(model)


def _last_logits(model: BridgedModel, tokens: Tensor) -> Tensor:
    with torch.no_grad():
        return model(tokens)[:, -1]


def _copied(files: StepFiles, folder: Path) -> StepFiles:
    """The files that a model and its tokenizer need, in a folder of their own."""
    folder.mkdir(parents=True)
    assert files.config is not None
    index = files.folder / "model.safetensors.index.json"
    extra = (files.config, *files.tokenizer, *([index] if index.is_file() else []))
    for path in (*files.weights, *extra):
        shutil.copyfile(path, folder / path.name)
    weights = tuple(folder / path.name for path in files.weights)
    tokenizer = tuple(folder / path.name for path in files.tokenizer)
    return StepFiles(folder, weights, folder / files.config.name, tokenizer)


def _config(files: StepFiles) -> dict[str, Any]:
    architecture_of(files)
    assert files.config is not None
    table = json.loads(files.config.read_bytes())
    return {key: value for key, value in table.items() if key not in _OF_THE_SAVING}
