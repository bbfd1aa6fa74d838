"""Results of analyses on disk: one Zarr v3 group per analysis, appended along `step`.

```
results/<analysis>.zarr             made with the default options
results/<analysis>-<key>.zarr       made with others: `key` is a digest of all settings
    <variable>/                     arrays with named dimensions, `step` first where they have it
results/<analysis>[-<key>].json     which steps are whole, and the settings; replaced atomically
                                    after the arrays, so what it does not list is never shown
```
A killed writer leaves arrays longer than the JSON file says: readers take the committed steps only
and the next writer overwrites the rest. Chunks are replaced atomically by Zarr, and a lock
keeps two writers apart; readers need none.

`xarray.open_zarr` opens a group without this class: its metadata are consolidated with each commit,
and once the walk that stored the steps has ended they rise on disk, in whichever order they were
computed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import numpy as np

from circuits.errors import HopscopeError
from circuits.files import write_atomically
from circuits.runs import result_arrays
from circuits.runs.remote_results import fetch_store, writing_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr

SCHEMA = 1


def settings_key(settings: Mapping[str, Any]) -> str:
    """Digest of an analysis's settings: options, splits, examples, version."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class ResultStore:
    """The stored result of one analysis of one run with one set of options.

    >>> import tempfile
    >>> import xarray as xr
    >>> store = ResultStore(Path(tempfile.mkdtemp()) / "results", "logit_lens", {"version": 1})
    >>> for step in (100, 0):
    ...     store.append(xr.Dataset({"mrr": ("step", [step / 1000])}, {"step": [step]}))
    >>> store.steps()
    [0, 100]
    >>> store.load().mrr.values.tolist()
    [0.0, 0.1]
    """

    folder: Path
    """The run's results folder."""
    analysis: str
    settings: Mapping[str, Any]
    """Everything besides the run that the numbers depend on, as JSON values."""
    is_default: bool = True
    """Whether the settings are the default ones, and the name therefore has no key."""

    @property
    def path(self) -> Path:
        """The Zarr group."""
        suffix = "" if self.is_default else f"-{settings_key(self.settings)}"
        return self.folder / f"{self.analysis}{suffix}.zarr"

    @property
    def marker(self) -> Path:
        """The file that lists the committed steps."""
        return self.path.with_suffix(".json")

    @property
    def _remedy(self) -> str:
        return f"run `hopscope analyze {self.folder.parent} {self.analysis} --again`."

    def steps(self) -> list[int]:
        """Committed steps, rising.

        Raises:
            HopscopeError: if the stored result was made by another version or other settings.
        """
        if self.is_stale():
            raise HopscopeError(
                f"{self.path} was made by another version of Hopscope or with other settings; "
                f"{self._remedy}"
            )
        committed = self._committed()
        return sorted(committed["steps"]) if committed else []

    def is_stale(self) -> bool:
        """Whether what is stored was made by another version or with other settings."""
        committed = self._committed()
        wanted = (SCHEMA, json.loads(json.dumps(self.settings)))
        return committed is not None and (committed["schema"], committed["settings"]) != wanted

    def append(self, new: xr.Dataset) -> None:
        """Add the results of new steps; if they are refused, the stored result is unchanged.

        Args:
            new: Variables with the dimension `step` grow; all others must be what they were.

        Raises:
            HopscopeError: if `new` repeats a step, or has other variables, sizes, labels or types
                than what is stored.
        """
        if "step" not in new.coords:
            raise HopscopeError(f"a result of {self.analysis} needs the coordinate step.")
        steps = new["step"].values.tolist()
        if not steps:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._writing():
            stored = self.steps()
            if repeated := [step for step, n in Counter(stored + steps).items() if n > 1]:
                raise HopscopeError(
                    f"{self.path} holds step {min(repeated)} already, or it is given twice; delete "
                    "the result, or add other steps."
                )
            if not stored:
                self._remove()  # nothing in it was committed
            elif sorted(self._on_disk()) != stored:  # killed while taking steps away
                self._rewrite()
            self._grow(new.sortby("step").transpose("step", ...))
            self._commit(sorted(stored + steps))

    def load(self, steps: list[int] | None = None) -> xr.Dataset:
        """Stored results in memory, rising in step; float16 becomes float32.

        Args:
            steps: Steps to load; all stored ones if None.

        Raises:
            HopscopeError: if a step is not stored, or the store is damaged.
        """
        return self._read(steps, widen=True)

    def delete(self) -> None:
        """Remove the stored result, so that it is computed anew."""
        if self.folder.is_dir():
            with self._writing():
                self._remove()

    def keep(self, steps: list[int]) -> None:
        """Remove all other steps atomically: a killed process leaves either all of them or only
        these."""
        if set(self.steps()) <= set(steps):
            return
        with self._writing():
            kept = sorted(set(self.steps()) & set(steps))
            if not kept:
                self._remove()
                return
            self._commit(kept)
            self._rewrite()

    def put_in_order(self) -> None:
        """Put the steps in rising order on disk, for readers that open the Zarr group directly."""
        if self.steps() and self._on_disk() != self.steps():
            with self._writing():
                self._rewrite()

    def _grow(self, new: xr.Dataset) -> None:
        """Write new rows after the committed ones, once everything has been checked."""
        import zarr

        with zarr.config.set({"json_indent": None}):  # indented metadata would be mostly spaces
            group = result_arrays.open_for_writing(self.path)
            n_stored = len(self.steps())
            problem = result_arrays.difference(group, new) if n_stored else None
            if problem is not None:
                raise HopscopeError(
                    f"{self.path} stays as it is, for the run has changed or the result is "
                    f"another one: {problem}; {self._remedy}"
                )
            result_arrays.write(group, new, n_stored)
            result_arrays.consolidate(self.path)

    def _rewrite(self) -> None:
        """Replace the group by a copy of the committed steps, in rising order."""
        spare = replace(self, folder=self.folder / f".{self.path.stem}")
        shutil.rmtree(spare.folder, ignore_errors=True)  # left by a process killed doing this
        spare.append(self._read(None, widen=False))
        self.path.rename(spare.folder / "replaced")
        spare.path.rename(self.path)
        shutil.rmtree(spare.folder)

    def _read(self, steps: list[int] | None, *, widen: bool) -> xr.Dataset:
        import zarr

        while True:  # repeats only if another process replaces the group meanwhile
            fetch_store(self.path)  # first, since the list of steps comes with the arrays
            stored, place = self.steps(), self._place()
            wanted = stored if steps is None else sorted(steps)
            missing = sorted(set(wanted) - set(stored))
            if missing or not stored:
                raise HopscopeError(
                    f"{self.path} holds no result for step {missing[0] if missing else '(any)'}; "
                    f"run `hopscope analyze {self.folder.parent} {self.analysis}` first."
                )
            try:
                group = zarr.open_group(self.path, mode="r")
                dataset = result_arrays.read(group, wanted, widen=widen)
            except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
                if place == self._place():
                    raise HopscopeError(
                        f"{self.path} is damaged ({error}); {self._remedy}"
                    ) from error
            else:
                if place == self._place():
                    return dataset

    def _place(self) -> int | None:
        """Identity of the folder that has this name now."""
        try:
            return self.path.stat().st_ino
        except OSError:
            return None

    def _on_disk(self) -> list[int]:
        """The committed steps, in the order on disk."""
        import zarr

        fetch_store(self.path)
        group = zarr.open_group(self.path, mode="r")
        return np.asarray(group["step"][...]).tolist()[: len(self.steps())]  # type: ignore[index]

    def _remove(self) -> None:
        self.marker.unlink(missing_ok=True)
        if self.path.exists():
            shutil.rmtree(self.path)

    def _committed(self) -> dict[str, Any] | None:
        if not self.path.is_dir():
            return None
        try:
            table = json.loads(self.marker.read_text(encoding="utf-8"))
            steps = [int(step) for step in table["steps"]]
            return {"schema": table["schema"], "settings": table["settings"], "steps": steps}
        except (OSError, ValueError, KeyError, TypeError):
            return None  # never shown: it is computed again

    def _commit(self, steps: list[int]) -> None:
        table = {
            "schema": SCHEMA,
            "analysis": self.analysis,
            "settings": self.settings,
            "steps": steps,
        }
        write_atomically(self.marker, json.dumps(table, indent=1).encode())

    @contextmanager
    def _writing(self) -> Iterator[None]:
        lock = self.folder / f".{self.path.stem}.lock"
        try:
            with filelock.FileLock(lock, timeout=60), writing_store(self.path):
                yield
        except filelock.Timeout:
            raise HopscopeError(
                f"{self.path} is being written by another process; wait for it to finish."
            ) from None
