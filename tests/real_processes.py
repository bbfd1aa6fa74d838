"""Real processes that train, for tests that kill them or let them work together.

They are forked from a server that has imported everything once: the import of TransformerLens
takes seconds, training the tiny recipe does not.
"""

from __future__ import annotations

import multiprocessing
import os
from contextlib import redirect_stderr
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from circuits.recipe import Recipe

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["train.loop", "torch._dynamo"])  # optimizers import the second


def start_training(
    recipe: Recipe | None, path: Path, *, resume: bool = False, said: Path | None = None
) -> ForkServerProcess:
    """Train in a process of its own, on one thread; what it says goes into the file `said`."""
    process = _CONTEXT.Process(target=_train, args=(recipe, path, resume, said))
    process.start()
    return process


def _train(recipe: Recipe | None, path: Path, resume: bool, said: Path | None) -> None:
    import torch

    from train.loop import train

    torch.set_num_threads(1)
    with open(said or os.devnull, "w") as file, redirect_stderr(file):
        train(recipe, path, resume=resume, progress=said is not None)
