"""Time per useful token of training on text, beside the one-token path at an equal model.

    python tests/benchmarks/bench_text_training.py [--steps 10]

Both train the facts and questions of demo-text.toml with the same layers, width and batch size; the
structured twin has a token per name. A useful token is one of a text up to the last one that has a
loss, padding left out. Times are CPU seconds of one thread, the median over steps of both in turn.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from circuits.corpus.build import build_corpus
from circuits.model.plain import PlainTransformer
from circuits.recipes.schema import load_recipe
from circuits.text.corpus import TextCorpus, text_corpus
from train.distributed import Group
from train.session import model_config
from train.text_batches import TextBatches
from train.trainer import Trainer

GOAL = 1.3


def main() -> None:
    """Print both times per useful token, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10)
    steps = parser.parse_args().steps
    torch.set_num_threads(1)
    recipe = load_recipe("train/recipes/demo-text.toml")
    corpus = build_corpus(recipe)
    text = text_corpus(recipe, corpus)
    sides: dict[str, TextCorpus | None] = {"one token per name": None, "text": text}
    trainers = {}
    for name, of_text in sides.items():
        model = PlainTransformer(model_config(recipe, corpus, of_text))
        trainers[name] = Trainer(recipe, corpus, model, None, Group(torch.device("cpu")), of_text)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(steps + 3):
        for name, trainer in trainers.items():
            start = time.process_time()
            trainer.advance()
            seconds[name].append(time.process_time() - start)
    per_token = {}
    for name, trainer in trainers.items():
        useful = _useful(trainer, recipe.training.batch_size)
        per_token[name] = statistics.median(seconds[name][3:]) / useful
        print(f"{name:<20}{1e6 * per_token[name]:8.2f} us per useful token, {useful:,.0f} a batch")
    ratio = per_token["text"] / per_token["one token per name"]
    print(f"ratio {ratio:.2f}, at most {GOAL} wanted")


def _useful(trainer: Trainer, size: int) -> float:
    """Mean useful tokens of a batch."""
    batches = trainer.batches
    if isinstance(batches, TextBatches):
        return float((batches._lengths - 1).double().mean()) * size
    return float((batches._rows[:, -2] + 1).double().mean()) * size


if __name__ == "__main__":
    main()
