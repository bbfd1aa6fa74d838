"""Real processes that train, for tests that kill them or let them work together, and commands.

They are forked from a server that has imported everything once: the import of TransformerLens
takes seconds, training the tiny recipe does not.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
from quick_disk import wait_for_no_disk

from circuits.recipes.schema import Recipe
from circuits.runs.run import Run

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "train.loop",
        "torch._dynamo",  # optimizers import it
        "app.cli.main",
        "analyses.walk",
        "matplotlib.backends.backend_agg",
    ]
)


def run_command(*words: str, cwd: Path) -> str:
    """Standard output of `hopscope WORDS`, which must succeed, run in that folder."""
    return _output(_command, words, cwd=cwd)


def run_python(code: str, cwd: Path) -> str:
    """Standard output of Python code as a script's, which must succeed, run in that folder."""
    return _output(_script, code, cwd=cwd)


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


def _output(function: Callable[..., None], *args: Any, cwd: Path) -> str:
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / name for name in ("out", "err")]
        where = (dict(os.environ), cwd, *said)
        process = _CONTEXT.Process(target=_said, args=(where, function, *args))
        process.start()
        process.join()
        out, errors = (path.read_text(encoding="utf-8") for path in said)
    assert process.exitcode == 0, errors
    return out


def _said(where: tuple[dict[str, str], Path, Path, Path], function: Any, *args: Any) -> None:
    """Call the function with this environment, in this folder, printing into these two files."""
    environment, cwd, *said = where
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    wait_for_no_disk()
    for number, path in enumerate(said, start=1):
        with path.open("w") as file:
            os.dup2(file.fileno(), number)
    function(*args)


def _command(words: tuple[str, ...]) -> None:
    from app.cli.__main__ import main

    sys.argv = ["hopscope", *words]
    main()


def _script(code: str) -> None:
    sys.argv = ["-c"]
    sys.path.insert(0, "")
    exec(compile(code, "<script>", "exec"), {"__name__": "__main__"})


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
