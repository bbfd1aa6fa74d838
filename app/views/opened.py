"""Runs, models and results that are open, kept while their files do not change.

Every cache key holds the path and the time of the manifest, so that a run that is being trained is
read again when it has grown, and models add the step.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from circuits.errors import HopscopeError
from circuits.runs import MANIFEST, Run, open_run

if TYPE_CHECKING:
    import xarray as xr

    from circuits.model import HookedTransformer

CORE_ANALYSES = ("logit_lens", "causal_tracing", "bridge_patching")
"""The analyses that the instrument draws."""


@dataclass(frozen=True)
class Stamp:
    """A run folder at one moment: the key of everything that is cached of it."""

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
        open_run(folder)  # says what is wrong with it
        raise HopscopeError(f"{folder} cannot be read; choose another run.") from None
    times = []
    for name in CORE_ANALYSES:
        store = folder / "results" / f"{name}.zarr"
        if store.is_dir():
            times.append((name, max(f.stat().st_mtime_ns for f in (store, *store.iterdir()))))
    return Stamp(str(folder), manifest, tuple(times))


def opened(at: Stamp) -> Run:
    """The run of a stamp, with its corpus loaded once."""
    return _opened(at.path, at.manifest)


@st.cache_resource(max_entries=6, show_spinner="Opening the run ...")
def _opened(path: str, manifest: int) -> Run:
    return open_run(path)


def model_of(at: Stamp, step: int) -> HookedTransformer:
    """The model at a checkpoint, on the CPU."""
    return _model(at.path, at.manifest, step)


@st.cache_resource(max_entries=12, show_spinner="Loading the checkpoint ...")
def _model(path: str, manifest: int, step: int) -> HookedTransformer:
    return _opened(path, manifest).model(step)


def results_of(at: Stamp) -> tuple[dict[str, xr.Dataset], list[str]]:
    """Stored results by analysis, and sentences on those that cannot be used."""
    return _results(at)


@st.cache_resource(max_entries=4, show_spinner="Reading the results ...", hash_funcs={Stamp: str})
def _results(at: Stamp) -> tuple[dict[str, xr.Dataset], list[str]]:
    import xarray as xr

    datasets, problems = {}, []
    for name in CORE_ANALYSES:
        store = Path(at.path) / "results" / f"{name}.zarr"
        if not store.is_dir():
            problems.append(f"{name} has not been run: `hopscope analyze {at.path} {name}`.")
            continue
        try:
            datasets[name] = xr.open_zarr(store).load()
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0]
            problems.append(f"{name} is damaged ({reason}); delete {store} and analyze again.")
    return datasets, problems
