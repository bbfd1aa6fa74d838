"""Results of analyses on disk: one Zarr v3 group per analysis, appended along `step`.

```
results/<analysis>.zarr             made with the default options
results/<analysis>-<key>.zarr       made with others: `key` is a digest of all settings
    <variable>/                     arrays with named dimensions, `step` first where they have it
results/<analysis>[-<key>].json     which steps are whole, and the settings; replaced atomically
                                    after the arrays, so what it does not list is never shown
```
A killed writer leaves arrays longer than the JSON file says: readers stop at the committed steps
and the next writer overwrites the rest. Chunks are replaced atomically by Zarr, and a lock
keeps two writers apart; readers need none. Any Zarr reader, xarray's included, can open a group.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import numpy as np

from circuits.errors import HopscopeError
from circuits.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr
    import zarr

SCHEMA = 1
_CHUNK_BYTES = 2_000_000
_LEVEL = 9
"""Of zstd within blosc: a tenth smaller than 7, at a few tenths of a second per megabyte."""


def settings_key(settings: Mapping[str, Any]) -> str:
    """Digest of an analysis's settings: options, splits, examples, version."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class ResultStore:
    """One analysis of one run with one set of options."""

    folder: Path
    """The run's results folder."""
    analysis: str
    settings: Mapping[str, Any]
    """Everything the numbers depend on besides the run, as JSON values."""
    is_default: bool = True
    """Whether the settings are the default ones, and the name therefore has no key."""

    @property
    def path(self) -> Path:
        """The Zarr group."""
        suffix = "" if self.is_default else f"-{settings_key(self.settings)}"
        return self.folder / f"{self.analysis}{suffix}.zarr"

    @property
    def marker(self) -> Path:
        """The file that says which steps are whole."""
        return self.path.with_suffix(".json")

    @property
    def _remedy(self) -> str:
        return f"run `hopscope analyze {self.folder.parent} {self.analysis} --again`."

    def steps(self) -> list[int]:
        """Steps whose results are whole, in the order they were stored.

        Raises:
            HopscopeError: if the stored result was made by another version or other settings.
        """
        if self.is_stale():
            raise HopscopeError(
                f"{self.path} was made by another version of Hopscope or with other settings; "
                f"{self._remedy}"
            )
        committed = self._committed()
        return committed["steps"] if committed else []

    def is_stale(self) -> bool:
        """Whether what is stored was made by another version or with other settings."""
        committed = self._committed()
        wanted = (SCHEMA, json.loads(json.dumps(self.settings)))
        return committed is not None and (committed["schema"], committed["settings"]) != wanted

    def append(self, new: xr.Dataset) -> None:
        """Add the results of new steps; variables without `step` must not change."""
        if not new.sizes.get("step"):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._writing():
            steps = self.steps()
            repeated = sorted(set(steps) & set(new.step.values.tolist()))
            assert not repeated, f"steps {repeated} are stored already"
            if not steps:
                self._remove()  # nothing in it was committed
            self._write_arrays(new.transpose("step", ...), len(steps))
            self._commit(steps + new.step.values.tolist())

    def load(self, steps: list[int] | None = None) -> xr.Dataset:
        """Stored results in memory, rising in step.

        Args:
            steps: Which ones; all that are stored if None.

        Raises:
            HopscopeError: if a step is not stored, or the store is damaged.
        """
        import xarray as xr
        import zarr

        stored = self.steps()
        wanted = sorted(stored) if steps is None else sorted(steps)
        missing = sorted(set(wanted) - set(stored))
        if missing or not stored:
            raise HopscopeError(
                f"{self.path} holds no result for step {missing[0] if missing else '(any)'}; "
                f"run `hopscope analyze {self.folder.parent} {self.analysis}` first."
            )
        rows = np.array([stored.index(step) for step in wanted])
        try:
            group = zarr.open_group(self.path, mode="r")
            table = {name: _read(array, rows) for name, array in group.arrays()}
            dataset = xr.Dataset(table, attrs=dict(group.attrs))
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise HopscopeError(f"{self.path} is damaged ({error}); {self._remedy}") from error
        return dataset.set_coords([name for name in table if name in dataset.dims])

    def delete(self) -> None:
        """Remove what is stored, so that it is computed anew."""
        if self.folder.is_dir():
            with self._writing():
                self._remove()

    def keep(self, steps: list[int]) -> None:
        """Remove what is stored of all other steps; a killed process leaves one or the other."""
        if set(self.steps()) <= set(steps):
            return
        with self._writing():
            kept = sorted(set(self.steps()) & set(steps))
            rest = self.load(kept) if kept else None
            spare = replace(self, folder=self.folder / f".{self.path.stem}")
            spare.delete()
            if rest is not None:
                spare.append(rest)
            self._remove()
            if rest is not None:
                spare.path.rename(self.path)
                self._commit(kept)
                shutil.rmtree(spare.folder)

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

    def _write_arrays(self, new: xr.Dataset, n_stored: int) -> None:
        import zarr

        with zarr.config.set({"json_indent": None}):  # a hundred small files of mostly spaces
            self._write_into(zarr.open_group(self.path, mode="a"), new, n_stored)

    def _write_into(self, group: zarr.Group, new: xr.Dataset, n_stored: int) -> None:
        if not n_stored:
            group.attrs.update(new.attrs)
        for name, variable in new.variables.items():
            values = np.asarray(variable.values)
            if not n_stored:
                _create(group, str(name), variable.dims, values, dict(variable.attrs))
            elif "step" in variable.dims:
                array = group[str(name)]
                array.resize((n_stored + len(values), *values.shape[1:]))  # type: ignore[union-attr]
                array[n_stored:] = values  # type: ignore[index]
            elif not _same(np.asarray(group[str(name)][...]), values):  # type: ignore[index]
                raise HopscopeError(
                    f"{self.path}: {name!r} is not what it was when the first steps were analyzed; "
                    f"the run has changed; {self._remedy}"
                )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        lock = self.folder / f".{self.path.stem}.lock"
        try:
            with filelock.FileLock(lock, timeout=60):
                yield
        except filelock.Timeout:
            raise HopscopeError(
                f"{self.path} is being written by another process; wait for it to finish."
            ) from None


def _create(
    group: zarr.Group, name: str, dims: tuple[Any, ...], values: np.ndarray, attrs: dict[str, Any]
) -> None:
    """A compressed array; `step` varies fastest in a chunk, as neighbouring steps are alike."""
    from zarr.codecs import BloscCodec, TransposeCodec

    if values.dtype.kind in "UO":
        values = values.astype(np.dtypes.StringDType())
    chunks: tuple[int, ...] = tuple(max(1, size) for size in values.shape)
    if dims and dims[0] == "step":
        bytes_per_step = max(1, values[:1].nbytes)
        chunks = (int(np.clip(_CHUNK_BYTES // bytes_per_step, 1, 128)), *chunks[1:])
    numbers = values.dtype.kind in "iufb"
    shuffle: Any = "bitshuffle" if values.dtype.itemsize == 1 else "shuffle"
    packed = BloscCodec(cname="zstd", clevel=_LEVEL, shuffle=shuffle, blocksize=_CHUNK_BYTES)
    last = (*range(1, len(dims)), 0)
    array = group.create_array(
        name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=chunks,
        dimension_names=[str(d) for d in dims],
        filters=[TransposeCodec(order=last)] if numbers and "step" in dims[:1] else None,
        compressors=packed if numbers else "auto",
        attributes=attrs,
    )
    array[...] = values


def _read(array: zarr.Array[Any], rows: np.ndarray) -> tuple[tuple[str, ...], np.ndarray, dict]:
    dims = tuple(str(d) for d in array.metadata.dimension_names)  # type: ignore[union-attr]
    values = np.asarray(array[...])
    if dims and dims[0] == "step":
        values = values[rows]
    if values.dtype.kind == "T":
        values = values.astype(object)
    return dims, values, dict(array.attrs)


def _same(old: np.ndarray, new: np.ndarray) -> bool:
    if new.dtype.kind in "UOT":
        return old.tolist() == new.tolist()
    return np.array_equal(old, new, equal_nan=new.dtype.kind == "f")
