"""Start: from a recipe to a new run folder, step by step.

1. The recipe's data are built: graph, splits, questions.
2. Model, optimizer and checkpoint plan are set up; what does not fit is refused before any file.
3. The run folder is made, by the first of several processes.
4. The session evaluates and keeps the untrained model, and trains to the end.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from circuits.corpus.build import build_corpus
from circuits.corpus.corpus import Corpus
from circuits.corpus.diversity import few_bridges
from circuits.model.config import ModelConfig
from circuits.model.plain import PlainTransformer
from circuits.recipes.schema import Recipe
from circuits.runs.writer import RunWriter
from train.distributed import Group, process_group
from train.memory import fitting_model
from train.precision import kernels_in_use, resolve_precision
from train.session import Session
from train.trackers import check_trackers
from train.trainer import Trainer


def start_run(recipe: Recipe, out: Path, *, show: bool) -> None:
    """Train a recipe into a folder that is new or empty."""
    check_trackers(recipe)
    with process_group(recipe.training.device) as group, group.own_randomness():
        corpus = build_corpus(recipe)
        session = _new_session(recipe, corpus, out, group)
        warnings = few_bridges(corpus.report["diversity"])
        facts = {"model": session.trainer.model.cfg.to_json(), **circumstances(session.trainer)}
        with (
            RunWriter.create(out, recipe, corpus, facts) if group.is_first else nullcontext()
        ) as writer:
            session.run(writer, *warnings, show=show)
        group.barrier()


def circumstances(trainer: Trainer) -> dict[str, Any]:
    """What rounding depends on besides the recipe, as kept in the manifest."""
    model, group = trainer.model, trainer.group
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "device": group.device.type,
        "precision": trainer.precision,
        "kernels": kernels_in_use(model.cfg, trainer.precision, group.device),
        "threads": torch.get_num_threads(),
        "processes": group.world,
    }


def _new_session(recipe: Recipe, corpus: Corpus, out: Path, group: Group) -> Session:
    config = ModelConfig.from_recipe(recipe.model, len(corpus.vocab), corpus.n_ctx, recipe.seed)
    precision = resolve_precision(recipe.training.precision, group.device)
    with fitting_model(config.n_matrix_weights):
        trainer = Trainer(recipe, corpus, PlainTransformer(config), precision, group)
        return Session(recipe, corpus, trainer, out)
