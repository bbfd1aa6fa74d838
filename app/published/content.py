"""What a site shows of each run, before any file is written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyses.fitting import fitting_analyses
from analyses.stored import all_stored_steps
from app.instrument.payload import formation_payload, timeline_payload
from app.logic.certificate_record import CertificateRecord, certificate_record
from app.logic.drawn_results import drawn_analyses, drawn_results
from app.logic.run_curves import RunCurve, curves_of
from app.published.provenance import Fact, provenance
from app.published.questions import PublishedQuestion, published_questions
from circuits.errors import HopscopeError
from circuits.runs.run import Run

if TYPE_CHECKING:
    import xarray as xr

_OTHER = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class RunContent:
    """A run's part of a site."""

    run: Run
    name: str
    """The name of its folder, which may hold anything."""
    folder: str
    """Its folder in the site: letters, digits, dots and hyphens."""
    formation: bytes
    """The instrument's payload."""
    certificate: CertificateRecord
    questions: tuple[PublishedQuestion, ...]
    facts: tuple[Fact, ...]
    curves: dict[str, RunCurve]
    """What it is compared by."""
    missing: str
    """What the instrument would also draw if it had been measured."""

    @property
    def last_step(self) -> int:
        """The step that a page opens at."""
        return int(self.run.steps[-1])


def named_runs(runs: Sequence[Run]) -> dict[str, Run]:
    """The runs by the names of their folders.

    Raises:
        HopscopeError: if two have one name, or one has nothing to show.
    """
    found: dict[str, Run] = {}
    for run in runs:
        name = run.path.resolve().name
        if name in found:
            raise HopscopeError(
                f"two runs are called {name} ({found[name].path} and {run.path}); rename one of "
                "their folders, since a site tells its runs apart by name."
            )
        _check_measured(run)
        found[name] = run
    return found


def _check_measured(run: Run) -> None:
    names = fitting_analyses(run.corpus.task, bridged=run.bridged, text=run.corpus.text)
    steps, refused = all_stored_steps(run, names)
    if run.steps and steps:
        return
    remedy = f"run `hopscope analyze {run.path}` first."
    raise HopscopeError(
        f"{run.path} has no results to publish; {next(iter(refused.values()), remedy)}"
    )


def _missing(run: Run, datasets: Mapping[str, xr.Dataset]) -> str:
    drawn = drawn_analyses(run.corpus.task)
    return ", ".join(name for role, name in drawn.items() if role not in datasets)


def folder_names(names: Sequence[str]) -> dict[str, str]:
    """A folder for each run that any host and file system can have, no two alike.

    >>> folder_names(["demo", "Demo", "<img src=x>"])
    {'demo': 'demo', 'Demo': 'Demo-2', '<img src=x>': 'img-src-x'}
    """
    taken: set[str] = set()
    found = {}
    for name in names:
        stem = _OTHER.sub("-", name).strip("-.") or "run"
        folder, n = stem, 1
        while folder.lower() in taken:
            n += 1
            folder = f"{stem}-{n}"
        taken.add(folder.lower())
        found[name] = folder
    return found


def run_content(run: Run, name: str, folder: str, n_questions: int, licence: str) -> RunContent:
    """Everything a run's page shows, but for its figures.

    Args:
        run: An opened run that has results.
        name: What it is called.
        folder: Its folder in the site.
        n_questions: The most questions that are put to every checkpoint.
        licence: Of its data; "" for what is known of its source.
    """
    datasets, _ = drawn_results(run)
    return RunContent(
        run=run,
        name=name,
        folder=folder,
        formation=formation_payload(run, datasets),
        certificate=certificate_record(run, str(run.path), int(run.steps[-1])),
        questions=published_questions(run, datasets, timeline_payload(run, datasets), n_questions),
        facts=tuple(provenance(run, licence)),
        curves=curves_of(run, datasets),
        missing=_missing(run, datasets),
    )
