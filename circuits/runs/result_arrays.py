"""The arrays of a stored result: how they are packed, read, and compared before they grow."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr
    import zarr

_CHUNK_BYTES = 2_000_000
_LEVEL = 5
"""Level of zstd within blosc. On the demo's results 9 packs 6 % tighter and takes 25 times as long,
with each of a walk's writes."""

_WIDENS = "scale_factor"
"""An attribute of the CF conventions: with a factor of 1 xarray reads halves as longer floats."""

_TEXT = "UOT"
"""NumPy's kinds of arrays of strings."""


def open_for_writing(path: Path) -> zarr.Group:
    """The group as it is on disk, made if it is not there."""
    import zarr

    return zarr.open_group(path, mode="a", use_consolidated=False)


def steps_on_disk(path: Path) -> list[int]:
    """All steps in the arrays, committed or not, in the order on disk; empty if there are none."""
    import zarr

    try:
        group: Any = zarr.open_group(path, mode="r", use_consolidated=False)
        return list(np.asarray(group["step"][...]).tolist())
    except (OSError, ValueError, KeyError, TypeError):
        return []


def consolidate(path: Path) -> None:
    """Consolidate the metadata of all arrays, so that any reader opens the group at once."""
    import zarr

    with warnings.catch_warnings():  # Zarr 3 does not specify this yet, but xarray reads it
        warnings.filterwarnings("ignore", "Consolidated metadata", category=UserWarning)
        zarr.consolidate_metadata(path)


def write(group: zarr.Group, new: xr.Dataset, n_stored: int) -> None:
    """Write rows after the first `n_stored`, replacing any that are there."""
    if not n_stored:
        group.attrs.update(new.attrs)
    for name, variable in new.variables.items():
        values = np.asarray(variable.values)
        if not n_stored:
            _create(group, str(name), variable.dims, values, dict(variable.attrs))
        elif "step" in variable.dims:
            array: Any = group[str(name)]
            array.resize((n_stored + len(values), *values.shape[1:]))
            array[n_stored:] = values if values.dtype.kind in _TEXT else values.astype(array.dtype)


def difference(group: zarr.Group, new: xr.Dataset) -> str | None:
    """Why the rows of `new` cannot be appended to what is stored; None if they can.

    Names, dimensions, labels and all sizes except that of `step` must be equal, and the stored type
    must hold every new value exactly: nothing is silently rounded, cut or relabelled.
    """
    stored = dict(sorted(group.arrays()))
    if names := sorted(stored.keys() ^ {str(name) for name in new.variables}):
        return f"only what is {'stored' if names[0] in stored else 'new'} has {names[0]!r}"
    for name, array in stored.items():
        variable, dims = new.variables[name], _dims(array)
        values, grows = np.asarray(variable.values), "step" in dims
        if variable.dims != dims or values.shape[grows:] != array.shape[grows:]:
            return f"{name!r} is {_form(variable.dims, values)} and was {_form(dims, array)}"
        if not _holds(array.dtype, values):
            return f"{name!r} is {values.dtype}, which {array.dtype} does not hold exactly"
        if not grows and not _same(np.asarray(array[...]), values):
            return f"{name!r} is not what it was when the first steps were analyzed"
    return None


def read(group: zarr.Group, steps: list[int], *, widen: bool) -> xr.Dataset:
    """The rows of these steps.

    Args:
        group: A stored result.
        steps: Stored steps, in the order wanted.
        widen: Return float16 as float32, whose sums neither overflow nor lose digits.
    """
    import xarray as xr

    there: list[int] = np.asarray(group["step"][...]).tolist()  # type: ignore[index]
    rows = np.array([there.index(step) for step in steps])
    table = {name: _read(array, rows, widen) for name, array in group.arrays()}
    dataset = xr.Dataset(table, attrs=dict(group.attrs))
    return dataset.set_coords([name for name in table if name in dataset.dims])


def _read(
    array: zarr.Array[Any], rows: np.ndarray, widen: bool
) -> tuple[tuple[str, ...], np.ndarray, dict[str, Any]]:
    dims, values, attrs = _dims(array), np.asarray(array[...]), dict(array.attrs)
    attrs.pop(_WIDENS, None)
    if dims[:1] == ("step",):
        values = values[rows]
    if values.dtype.kind == "T":
        values = values.astype(object)
    if widen and values.dtype == np.float16:
        values = values.astype(np.float32)
    return dims, values, attrs


def _create(
    group: zarr.Group, name: str, dims: tuple[Any, ...], values: np.ndarray, attrs: dict[str, Any]
) -> None:
    """A compressed array; `step` varies fastest in a chunk because neighbouring steps are alike."""
    from zarr.codecs import BloscCodec, TransposeCodec

    if values.dtype.kind in "UO":
        values = values.astype(np.dtypes.StringDType())
    if values.dtype == np.float16:
        attrs = {**attrs, _WIDENS: 1.0}
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


def _dims(array: zarr.Array[Any]) -> tuple[str, ...]:
    return tuple(str(d) for d in array.metadata.dimension_names)  # type: ignore[union-attr]


def _form(dims: tuple[Any, ...], array: np.ndarray | zarr.Array[Any]) -> str:
    sizes = ("any" if d == "step" else n for d, n in zip(dims, array.shape, strict=True))
    return "(" + ", ".join(f"{d}: {n}" for d, n in zip(dims, sizes, strict=True)) + ")"


def _holds(dtype: np.dtype[Any], values: np.ndarray) -> bool:
    """Whether values of this type are stored exactly as `dtype`."""
    if dtype.kind in _TEXT or values.dtype.kind in _TEXT:
        return dtype.kind in _TEXT and values.dtype.kind in _TEXT
    with np.errstate(all="ignore"):
        return _same(values.astype(dtype).astype(values.dtype), values)


def _same(old: np.ndarray, new: np.ndarray) -> bool:
    if new.dtype.kind in _TEXT:
        return old.tolist() == new.tolist()
    return np.array_equal(old, new, equal_nan=new.dtype.kind == "f")
