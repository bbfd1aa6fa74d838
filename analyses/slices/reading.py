"""An analysis read on a slice: means over its questions, recomputed, with n and interval.

The interval is Wilson's (1927) for what is 0 or 1 per question, and Student's for other values;
both are there at once, whereas the bootstrap of the whole split takes a second. Where all values
agree Student's would claim certainty, and values between 0 and 1 get Wilson's instead.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from analyses.catalog import CATALOG
from analyses.slices.absent import check_names
from analyses.slices.properties import SplitQuestions
from analyses.slices.slice import NoneInSlice, Slice
from analyses.slices.values import example_values
from analyses.stored import stored_result
from circuits.errors import HopscopeError
from circuits.runs.run import Run
from circuits.statistics import LEAST_EXAMPLES, student_quantile, wilson


def read_slice(run: Run, name: str, chosen: Slice) -> xr.Dataset:
    """The stored result of an analysis on the questions of a slice.

    Args:
        run: An opened run.
        name: An analysis that has been run with its default options.
        chosen: The slice.

    Returns:
        Every mean that can be recomputed, with `_low`, `_high` (95% interval) and `_n` (questions
        with a value), over the result's axes. Where causal tracing has `changed`, a slice has
        `changed_of_right`, over the questions answered rightly: for others it is not stored. Of a
        lens there is no `mrr_added`, since the rank of its placebo question is not stored.

    Raises:
        HopscopeError: if there is no result, it has no values of single questions, a name of the
            slice occurs in no question of the run, or no question of it is in the slice.

    >>> from circuits import open_run
    >>> run = open_run("assets/demo")
    >>> ds = read_slice(run, "logit_lens", Slice(relation_1="farthest city"))
    >>> at = ds.sel(step=6000, split="id_test", target="bridge", layer=1, position="relation_1")
    >>> int(at.mrr_n), bool(at.mrr_low <= at.mrr <= at.mrr_high)
    (24, True)
    """
    result = stored_result(run, name)
    if result is None:
        raise HopscopeError(
            f"{run.path} has no result of {name}; run `hopscope analyze {run.path} {name}`."
        )
    splits = [str(split) for split in result["split"].values]
    check_names(run, chosen)
    questions = {split: SplitQuestions(run, split) for split in splits}
    found = sliced(result, rows_by_split(questions, chosen))
    if not found.data_vars:
        raise HopscopeError(without_values(name))
    if not int(found["n"].sum()):
        raise NoneInSlice(
            f"No question of {name} is in the slice ({chosen.words}): it has "
            f"{result.sizes['example']} questions a split; leave out a condition."
        )
    return found.assign_attrs(result.attrs | {"slice": str(chosen)})


def rows_by_split(
    questions: Mapping[str, SplitQuestions], chosen: Slice
) -> dict[str, Int[np.ndarray, " k"]]:
    """Rows of a slice in each split; none where a name of the slice does not occur.

    Raises:
        HopscopeError: if of no split it is stored which questions are in the slice.
    """
    rows: dict[str, Int[np.ndarray, " k"]] = {}
    refused: list[HopscopeError] = []
    for split, one in questions.items():
        try:
            rows[split] = one.rows(chosen)
        except NoneInSlice:
            rows[split] = np.zeros(0, np.int64)
        except HopscopeError as error:
            refused.append(error)
    if not rows:
        raise refused[0]
    return rows


def without_values(name: str) -> str:
    """Why an analysis cannot be read on a slice, as a sentence."""
    title = CATALOG[name].title if name in CATALOG else name
    return f"{title} stores no values of single questions, so it cannot be read on a slice."


def sliced(ds: xr.Dataset, rows: Mapping[str, Int[np.ndarray, " k"]]) -> xr.Dataset:
    """A result's means over the questions in these rows of each split.

    Args:
        ds: A stored result.
        rows: Rows of the slice in each split; the result's own questions among them count.

    Returns:
        The means that can be recomputed (none: the dataset has no variables), and `n` by split.
    """
    if "example_row" not in ds:
        return xr.Dataset()
    asked = ds["example_row"].transpose("split", "example").values
    splits = [str(split) for split in ds["split"].values]
    inside = np.stack(
        [
            np.isin(own, rows.get(split, ())) & (own >= 0)
            for split, own in zip(splits, asked, strict=True)
        ]
    )
    some = inside.any(0)  # the fewer questions, the less there is to compute
    terms = example_values(ds.isel(example=some))
    if not terms:
        return xr.Dataset()
    # without coordinates, which xarray would compare with one another's over and over
    variables: dict[str, xr.Variable] = {}
    for name, values in terms.items():
        variables |= _means(name, values, inside[:, some])
    variables["n"] = xr.Variable("split", inside.sum(1))
    every = {"split": ds["split"]} | {k: v for one in terms.values() for k, v in one.coords.items()}
    return xr.Dataset(variables, {k: v for k, v in every.items() if "example" not in v.dims})


def _means(name: str, terms: xr.DataArray, inside: np.ndarray) -> dict[str, xr.Variable]:
    """Mean, ends of its interval and n, by split and the other axes."""
    axes = [dim for dim in terms.dims if dim not in ("split", "example")]
    ordered = terms.transpose("split", "example", *axes)
    parts = [
        mean_with_interval(one[keep]) for one, keep in zip(ordered.values, inside, strict=True)
    ]
    whole = [np.stack(part) for part in zip(*parts, strict=True)]
    dims, about = ("split", *axes), str(terms.attrs.get("long_name", name))
    return {
        name + suffix: xr.Variable(dims, values, {**terms.attrs, "long_name": words})
        for suffix, values, words in zip(
            ("", "_low", "_high", "_n"),
            whole,
            (about, *[f"{about} (95% interval over questions)"] * 2, f"{about}: questions"),
            strict=True,
        )
    }


def mean_with_interval(
    values: Float[np.ndarray, "n ..."],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean over the first axis, ends of its 95% interval, and number of values; NaN: no value.

    >>> mean, low, high, n = mean_with_interval(np.array([1.0, 1, 1, 0, np.nan]))
    >>> float(mean), int(n), round(float(low), 2), round(float(high), 2)
    (0.75, 4, 0.3, 0.95)
    """
    known = np.isfinite(values)
    filled = np.where(known, values, np.float32(0))
    n, total = known.sum(0), filled.sum(0, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / n
        squares = np.square(filled, dtype=np.float64).sum(0)
        spread = np.sqrt(np.maximum(squares - n * mean**2, 0) / (n - 1) / n)
    half = student_quantile(n - 1) * spread
    enough = n >= LEAST_EXAMPLES
    low, high = np.where(enough, mean - half, np.nan), np.where(enough, mean + half, np.nan)
    unit = bool(filled.size == 0 or (filled.min() >= 0 and filled.max() <= 1))
    if unit:
        binary = ((filled == 0) | (filled == 1)).all(0)
        use = (n > 0) & (binary | (spread <= 1e-9))
        below, above = wilson(np.asarray(total), np.asarray(n))
        low = np.where(use, below, np.maximum(low, 0))
        high = np.where(use, above, np.minimum(high, 1))
    return mean, low, high, n
