"""Real processes that train, for tests that kill them or let them work together.

They are forked from a server that has imported everything once: the import of TransformerLens
takes seconds, training the tiny recipe does not.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from circuits.recipes.schema import Recipe
from circuits.runs.run import Run

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["train.loop", "torch._dynamo"])  # optimizers import the second


def start_training(
    recipe: Recipe | None,
    path: Path,
    *,
    resume: bool = False,
    said: Path | None = None,
    environment: dict[str, str] | None = None,
) -> ForkServerProcess:
    """Train in a process of its own, on one thread; what it says goes into the file `said`."""
    return _start(_train_in, environment or {}, recipe, path, resume, said)


def start_pack(runs: list[tuple[Recipe, Path]], pause: float) -> ForkServerProcess:
    """Train runs together in a process of its own, which waits so many seconds after each step."""
    return _start(_train_together, runs, pause)


def start_group(
    recipe: Recipe | None,
    path: Path,
    *,
    resume: bool = False,
    stop: tuple[int, int, signal.Signals] | None = None,
) -> list[ForkServerProcess]:
    """Two processes with the environment that torchrun would give them; see `_member`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    said = [path.with_name(f"{path.name}-{rank}.txt") for rank in (0, 1)]
    return [_start(_member, rank, port, stop, recipe, path, resume, said[rank]) for rank in (0, 1)]


def stop_training_at(step: int, recipe: Recipe, path: Path) -> Run:
    """Train here and send this process SIGTERM during a step, as a cluster's scheduler would."""
    from train.loop import train
    from train.trainer import Trainer

    advance = Trainer.advance

    def advance_and_signal(self: Trainer) -> None:
        advance(self)
        if self.step == step:
            signal.raise_signal(signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "advance", advance_and_signal)
        return train(recipe, path, progress=False)


def _start(function: Callable[..., None], *args: Any) -> ForkServerProcess:
    process = _CONTEXT.Process(target=function, args=args, daemon=True)
    process.start()
    return process


def _member(rank: int, port: int, stop: tuple[int, int, signal.Signals] | None, *args: Any) -> None:
    """One of two processes; `stop` is (rank, step, signal that this rank then gets)."""
    from train.trainer import Trainer

    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    advance = Trainer.advance

    def advance_and_signal(self: Trainer) -> None:
        advance(self)
        if stop is not None and (rank, self.step) == stop[:2]:
            signal.raise_signal(stop[2])

    Trainer.advance = advance_and_signal  # type: ignore[method-assign]
    _train(*args)


def _train_together(runs: list[tuple[Recipe, Path]], pause: float) -> None:
    import torch

    from train.packs.pack import train_pack
    from train.packs.step import PackedStep

    torch.set_num_threads(1)
    advance = PackedStep.advance

    def advance_slowly(self: PackedStep, going: Any) -> None:
        advance(self, going)
        time.sleep(pause)

    PackedStep.advance = advance_slowly  # type: ignore[method-assign]
    train_pack(runs)


def _train_in(environment: dict[str, str], *args: Any) -> None:
    os.environ |= environment
    _train(*args)


def _train(recipe: Recipe | None, path: Path, resume: bool, said: Path | None) -> None:
    import torch

    from circuits.errors import HopscopeError
    from train.loop import train

    torch.set_num_threads(1)
    with open(said or os.devnull, "w") as file, redirect_stderr(file):
        try:
            train(recipe, path, resume=resume, progress=said is not None)
        except HopscopeError as error:  # as the command line does
            file.write(f"hopscope: {error}\n")
            sys.exit(2)
