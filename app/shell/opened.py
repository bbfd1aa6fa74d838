"""Runs, models and results that are open, kept while their files do not change.

Every cache key holds the path and the time of the manifest, so that a run in training is read again
when it has grown; the keys of models add the step.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from analyses.stored import changed_at
from app.logic.drawn_results import (
    COMPARISON_ANALYSES,
    CORE_ANALYSES,
    MORE_ANALYSES,
    drawn_results,
)
from app.shell.importing import MODELS, load
from circuits.errors import HopscopeError
from circuits.runs.reading import MANIFEST
from circuits.runs.run import Run, open_run
from circuits.series.record import CHECK

if TYPE_CHECKING:
    import xarray as xr

    from circuits.corpus.corpus import Corpus
    from circuits.model.protocol import Model

OF_HEADS = ("attention", "component_patching")
"""Analyses that are read by head."""
CERTIFIED_BY = ("evidence", "bridge_subspace", "transfer")
"""Analyses that a certificate rests on."""


@dataclass(frozen=True)
class Stamp:
    """A run folder at one moment: the key under which everything read from it is cached."""

    path: str
    manifest: int
    results: tuple[tuple[str, int], ...]

    @property
    def id(self) -> str:
        """Text that changes whenever the folder does."""
        return f"{self.path}:{self.manifest}:{hash(self.results)}"


def stamp(folder: Path) -> Stamp:
    """Times of a run's manifest and results, nanoseconds.

    Raises:
        HopscopeError: if the folder is gone or not a run.
    """
    try:
        manifest = (folder / MANIFEST).stat().st_mtime_ns
    except OSError:
        open_run(folder)  # raises an error that says what is wrong
        raise HopscopeError(f"{folder} cannot be read; choose another run.") from None
    drawn = (
        *CORE_ANALYSES,
        *COMPARISON_ANALYSES.values(),
        *MORE_ANALYSES,
        *OF_HEADS,
        *CERTIFIED_BY,
    )
    changed = ((name, changed_at(folder, name)) for name in drawn)
    times = [(name, when) for name, when in changed if when is not None]
    if (folder / CHECK).exists():
        times.append((CHECK, (folder / CHECK).stat().st_mtime_ns))
    return Stamp(str(folder), manifest, tuple(times))


def opened(at: Stamp) -> Run:
    """The run of a stamp, with its corpus loaded once."""
    return _opened(at.path, at.manifest)


@st.cache_resource(max_entries=6, show_spinner="Opening the run ...")
def _opened(path: str, manifest: int) -> Run:
    run = open_run(path)
    # The corpus does not change during training, and is the largest part to read.
    run.__dict__["corpus"] = _corpus(path, str(run.manifest.get("created")))
    return run


@st.cache_resource(max_entries=6, show_spinner="Reading the facts ...")
def _corpus(path: str, created: str) -> Corpus:
    return open_run(path).corpus  # of a run on text, with its questions as sentences


def model_of(at: Stamp, step: int) -> Model:
    """The model at a checkpoint, on the CPU."""
    return _model(at.path, at.manifest, step)


@st.cache_resource(max_entries=12, show_spinner="Loading the checkpoint ...")
def _model(path: str, manifest: int, step: int) -> Model:
    load(MODELS)
    one_thread()
    return _opened(path, manifest).model(step)


def one_thread() -> None:
    """Compute on one thread: single questions are too small for two threads, which would mostly
    wait for each other, and twenty times as long on a busy machine."""
    import torch

    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)


def results_of(at: Stamp) -> tuple[dict[str, xr.Dataset], list[str]]:
    """Stored results by core analysis, and sentences on those that cannot be used."""
    return _results(at)


@st.cache_resource(max_entries=4, show_spinner="Reading the results ...", hash_funcs={Stamp: str})
def _results(at: Stamp) -> tuple[dict[str, xr.Dataset], list[str]]:
    return drawn_results(opened(at))
