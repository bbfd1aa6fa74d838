"""Writing a run folder while training; the format is described in `circuits/runs/run.py`."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import filelock
from torch import Tensor

from circuits.corpus import storage
from circuits.errors import CannotWrite, HopscopeError
from circuits.files import is_partial, remove_partial_files, write_atomically
from circuits.recipes.schema import Recipe
from circuits.recipes.toml import recipe_toml
from circuits.runs.checkpoints import (
    StoredDtype,
    save_checkpoint,
    stored_copy,
)
from circuits.runs.locking import LOCK
from circuits.runs.new_manifest import new_manifest
from circuits.runs.reading import MANIFEST, checkpoint_name
from circuits.runs.run import CHECKPOINTS, METRICS, RECIPE, RESUME, Run, RunState
from circuits.runs.sending import sender_of
from circuits.runs.write_queue import WriteQueue

if TYPE_CHECKING:
    from circuits.corpus.corpus import Corpus
    from circuits.pretrained.asked_text import AskedText
    from circuits.text.corpus import TextCorpus

_BEFORE_MANIFEST = {LOCK, RECIPE, METRICS, CHECKPOINTS, RESUME, storage.NAMES, storage.ARRAYS}
_BEFORE_MANIFEST |= {"tokenizer.json", "text.json", "prompts.json"}

LOCK_PATIENCE_S = 1.0
"""Seconds to wait for the lock: a reader holds it for an instant to see whether a run is
training."""


class RunWriter:
    """The only writer of a run folder, holding its lock; use it in `with`."""

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self.manifest = manifest
        self.rows: list[dict[str, Any]] = []
        """Evaluations so far, as in metrics.jsonl."""
        self._queue = WriteQueue()
        self._lock = _acquire(path)
        try:
            self._sender = sender_of(path)
        except BaseException:
            self._lock.release()
            raise

    @classmethod
    def create(
        cls,
        path: Path,
        recipe: Recipe,
        corpus: Corpus,
        facts: Mapping[str, Any],
        text: TextCorpus | AskedText | None = None,
    ) -> RunWriter:
        """Start a new run folder; an existing one is never touched.

        Args:
            path: A folder that does not exist or is empty.
            recipe: The resolved recipe.
            corpus: The training and test questions.
            facts: Further manifest entries: model, device, precision, ...
            text: How the questions are put into words and tokens, in a text run.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            _refuse_unless_free(path)
            writer = cls(path, new_manifest(recipe, corpus, facts))
            with writer._released_on_error():
                _refuse_unless_free(path)  # the lock is held, so nobody has started meanwhile
                writer._begin(recipe, corpus, text)
        except OSError as error:
            raise HopscopeError(
                f"a run cannot be made in {path} ({error.strerror}); give another --out."
            ) from error
        return writer

    def _begin(self, recipe: Recipe, corpus: Corpus, text: TextCorpus | AskedText | None) -> None:
        """Write all files that do not change, replacing any that a killed start left."""
        (self.path / METRICS).unlink(missing_ok=True)
        for folder in (self.path, self.path / CHECKPOINTS, self.path / RESUME):
            folder.mkdir(exist_ok=True)
            remove_partial_files(folder)
        unknown = self.manifest.get("imported", {}).get("unknown", ())
        toml = recipe_toml(recipe, leave_out=unknown).encode()
        self.manifest["recipe_sha256"] = hashlib.sha256(toml).hexdigest()
        write_atomically(self.path / RECIPE, toml)
        storage.save(corpus, self.path)
        if text is not None:
            text.save(self.path)

    @classmethod
    def reopen(cls, run: Run) -> RunWriter:
        """Continue the run folder of a stopped run."""
        if not os.access(run.path, os.W_OK):
            raise HopscopeError(f"{run.path} is read-only; copy the run to resume it.")
        writer = cls(run.path, dict(run.manifest))
        with writer._released_on_error():
            writer.rows = run.rows()
            try:
                for folder in (run.path, run.path / CHECKPOINTS, run.path / RESUME):
                    folder.mkdir(exist_ok=True)  # an empty one is easily lost in a copy
                    remove_partial_files(folder)
            except OSError as error:
                raise CannotWrite(run.path, error) from error
        return writer

    @contextmanager
    def _released_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._let_go(error)
            raise

    def _release(self) -> None:
        self._queue.close()
        try:
            if self._sender is not None:
                self._sender.close()
        finally:
            self._lock.release()

    def _sent_soon(self) -> None:
        """Where the folder mirrors a remote one, have sent what was written."""
        if self._sender is not None:
            self._sender.soon()

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            if error is None:
                self._queue.drain()
            elif self._begun() and self.manifest["state"] != "finished":
                self.set_state("stopped")
        except HopscopeError as second:  # e.g. the disk is full: the first error is the cause
            if error is None:
                raise
            error.add_note(str(second))
        finally:
            self._let_go(error)

    def _let_go(self, error: BaseException | None) -> None:
        """Release the folder; what cannot be sent is told, after what went wrong before."""
        try:
            self._release()
        except HopscopeError as second:
            if error is None:
                raise
            error.add_note(str(second))

    def _begun(self) -> bool:
        """Whether the run exists, which it does once its manifest is written."""
        return (self.path / MANIFEST).exists()

    @property
    def steps(self) -> list[int]:
        """Steps with a checkpoint."""
        return [row["step"] for row in self.manifest["checkpoints"]]

    def sync_metrics(self) -> None:
        """Sync all rows so far to disk: a resume state is useless without them."""
        try:
            with (self.path / METRICS).open("rb") as file:
                os.fsync(file.fileno())
        except OSError as error:
            raise CannotWrite(self.path / METRICS, error) from error

    def append_metrics(self, row: dict[str, Any]) -> None:
        """Add one evaluation; visible to readers at once."""
        self.rows.append(row)
        line = json.dumps(row, allow_nan=False) + "\n"
        try:
            with (self.path / METRICS).open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise CannotWrite(self.path / METRICS, error) from error
        self._sent_soon()

    def add_checkpoint(
        self, step: int, weights: Mapping[str, Tensor], dtype: StoredDtype, **facts: Any
    ) -> None:
        """Queue the checkpoint of a step and then the manifest that lists it.

        Args:
            step: Optimizer steps done.
            weights: The model's state dict; copied at once.
            dtype: Number type on disk.
            facts: Manifest entries to set with it.
        """
        path, copy = self.path / CHECKPOINTS / checkpoint_name(step), stored_copy(weights, dtype)

        def write() -> None:
            digest = save_checkpoint(path, copy, step=step, dtype=dtype)
            row = {"step": step, "sha256": digest, "bytes": path.stat().st_size}
            self._set(checkpoints=[*self.manifest["checkpoints"], row], **facts)

        self._queue.put(write)

    def drain(self) -> None:
        """Wait for all writes."""
        self._queue.drain()

    def later(self, write: Callable[[], None]) -> None:
        """Queue a write; an error ends the training."""
        self._queue.put(write)

    def set_state(self, state: RunState, **facts: Any) -> None:
        """Set the state and other entries of the manifest once everything else is on disk."""
        self._queue.drain()
        if self.rows:
            self.sync_metrics()
        self._set(state=state, **facts)

    def add_note(self, sentence: str) -> None:
        """Add a sentence about what happened to the run."""
        notes = self.manifest.get("notes", [])
        if sentence not in notes:
            self.manifest["notes"] = [*notes, sentence]

    def tracker_id(self, tracker: str) -> str:
        """The run's id at a tracker: made once, the same after a resume."""
        key = f"{tracker}_id"
        known = self.manifest.get(key)
        if not (isinstance(known, str) and re.fullmatch(r"[a-z0-9]{8,32}", known)):
            self.manifest[key] = uuid4().hex[:8]  # no draw from a generator that training uses
        return str(self.manifest[key])

    def _set(self, **facts: Any) -> None:
        """Write the manifest with these entries; they are kept once it is on disk."""
        content = json.dumps(self.manifest | facts, indent=1, allow_nan=False) + "\n"
        write_atomically(self.path / MANIFEST, content.encode())
        self.manifest.update(facts)  # in place: another thread may be adding a note
        self._sent_soon()

    def record_more_steps(self, steps: int) -> None:
        """The run is to go on to that many steps: it is "stopped" until somebody trains it."""
        row = {"from_step": max(self.steps[-1:] or [0]), "steps": steps}
        self._set(state="stopped", continued=[*self.manifest.get("continued", []), row])

    def rewind(self, step: int) -> None:
        """Drop everything recorded after `step`; training will record it again."""
        kept = [row for row in self.manifest["checkpoints"] if row["step"] <= step]
        self._set(state="training", checkpoints=kept)
        self.rows = [row for row in self.rows if row["step"] <= step]
        text = "".join(json.dumps(row, allow_nan=False) + "\n" for row in self.rows)
        write_atomically(self.path / METRICS, text.encode())

    def drop_checkpoints(self, steps: Iterable[int]) -> None:
        """Remove checkpoints from the list; their files stay."""
        dropped = set(steps)
        kept = [row for row in self.manifest["checkpoints"] if row["step"] not in dropped]
        self._set(checkpoints=kept)


def _refuse_unless_free(path: Path) -> None:
    """Refuse a folder that holds anything except a run killed before its first manifest."""
    found = [p.name for p in path.iterdir() if not is_partial(p)]
    if not found or (LOCK in found and set(found) <= _BEFORE_MANIFEST and _is_untrained(path)):
        return
    raise HopscopeError(
        f"{path} exists and is not empty; give another --out, or continue a stopped "
        f"run with `hopscope train --resume {path}`."
    )


def _is_untrained(path: Path) -> bool:
    """Whether the folder holds nothing that took time to train."""
    checkpoints = (p.name for p in path.glob(f"{CHECKPOINTS}/*") if not is_partial(p))
    return set(checkpoints) <= {checkpoint_name(0)} and not any(path.glob(f"{RESUME}/*"))


def _acquire(path: Path) -> filelock.BaseFileLock:
    lock = filelock.FileLock(path / LOCK)
    try:
        lock.acquire(timeout=LOCK_PATIENCE_S)
    except filelock.Timeout:
        raise HopscopeError(
            f"another process is training in {path}; wait for it, stop it, or give another --out."
        ) from None
    except OSError as error:
        raise HopscopeError(f"{path} cannot be written ({error.strerror}).") from error
    return lock
