"""One run of a pack: opened, led along by the steps of the pack, and ended on its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Hashable
from pathlib import Path
from typing import Any

from circuits.corpus.build import build_corpus
from circuits.corpus.corpus import Corpus
from circuits.corpus.diversity import few_bridges
from circuits.model.config import ModelConfig
from circuits.recipes.schema import Recipe
from circuits.remote.mirror import fetch_below
from circuits.runs.reading import MANIFEST
from circuits.runs.remote import local_folder
from circuits.runs.run import RESUME, Run, open_run
from circuits.runs.writer import RunWriter
from train.distributed import Group
from train.interrupts import StopRequest
from train.resume import precision_before, refuse_to_resume, session_as_before, what_differs
from train.session import Session, model_config
from train.trackers import check_trackers
from train.trainer import Trainer, resolve_precision

Course = Generator[None, None, None]


class Member:
    """A run that is new, or was stopped, and what became of it."""

    def __init__(self, recipe: Recipe, path: Path, group: Group) -> None:
        """Build the data, or open the run that is there; nothing is written.

        Raises:
            HopscopeError: for what keeps this run from being trained or resumed.
        """
        path = local_folder(path)
        self.path, self._group = path, group
        self.before: Run | None = None
        """The run that is resumed."""
        self.corpus: Corpus
        if (path / MANIFEST).exists():
            fetch_below(path / RESUME)
            self.before = open_run(path)
            refuse_to_resume(self.before, recipe)
            self.recipe, self.corpus = self.before.recipe, self.before.corpus
        else:
            self.recipe, self.corpus = recipe, build_corpus(recipe)
        check_trackers(self.recipe)
        self.error: Exception | None = None
        """Why it failed."""
        self._trainer: Trainer | None = None
        self._course: Course | None = None

    @property
    def shape(self) -> Hashable:
        """Equal for runs whose models can be stacked and are computed in the same precision."""
        cfg = model_config(self.recipe, self.corpus, None)
        alike: ModelConfig = dataclasses.replace(cfg, seed=0, init_range=1.0)
        wanted = self.recipe.training.precision
        before = precision_before(self.before, self._group) if self.before else None
        return alike, before or resolve_precision(wanted, self._group.device)

    @property
    def trainer(self) -> Trainer:
        """Does this run's part of a step; there once the run has begun."""
        assert self._trainer is not None
        return self._trainer

    def begin(self, request: StopRequest, others: int) -> bool:
        """Open the run folder and go to the first step; whether there is one to be done."""
        note = f"Trained together with {others} other runs as one batched model."
        self._course = (
            self._from_start(request, note)
            if self.before is None
            else self._from_before(self.before, request, note)
        )
        return self.go_on()

    def go_on(self) -> bool:
        """Do what is due after a step; whether there is another one to be done."""
        assert self._course is not None
        try:
            next(self._course)
        except StopIteration:
            return False
        except Exception as error:  # what ends one run must not end the others
            self.error = error
            return False
        return True

    def end(self, error: Exception) -> None:
        """End the run because its pack cannot go on."""
        assert self._course is not None
        try:
            self._course.throw(error)
        except Exception as told:
            self.error = told

    def close(self) -> None:
        """Let go of the run folder, if it is still open; what is in it can be resumed."""
        if self._course is not None:
            self._course.close()

    def _from_start(self, request: StopRequest, note: str) -> Course:
        session = Session(self.recipe, self.corpus, self.path, self._group)
        facts = {"model": session.trainer.model.cfg.to_json(), **self._enter(session)}
        notes = few_bridges(self.corpus.report["diversity"])
        with RunWriter.create(self.path, self.recipe, self.corpus, facts) as writer:
            yield from session.course(writer, request, *notes, note, show=False)

    def _from_before(self, run: Run, request: StopRequest, note: str) -> Course:
        with RunWriter.reopen(run) as writer:
            session, notes = session_as_before(run, writer, self._group)
            notes += what_differs(run.manifest, self._enter(session))
            yield from session.course(writer, request, *notes, note, show=False)

    def _enter(self, session: Session) -> dict[str, Any]:
        """Take the session's trainer; the circumstances in which it will train."""
        self._trainer = session.trainer
        return session.trainer.circumstances() | {"kernels": "packed"}
