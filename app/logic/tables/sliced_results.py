"""Results on a slice of the questions, in the form in which pages draw whole ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import quote

import numpy as np
import xarray as xr
from jaxtyping import Int

from analyses.catalog import CATALOG
from analyses.figures.specs.facts import Table
from analyses.figures.words import capital, split_of, words
from analyses.slices.errors import errors_by
from analyses.slices.properties import SplitQuestions
from analyses.slices.reading import sliced, without_values
from analyses.slices.slice import Slice
from app.instrument.fields import ComparedSeries
from app.instrument.packing import curve
from circuits.errors import HopscopeError
from circuits.statistics import wilson

DRAWN = {
    "logit_lens": ("mrr",),
    "causal_tracing": ("changed_of_right", "changed"),
    "bridge_patching": ("success",),
}
"""Means that the instrument draws, by role: the name on a slice, and the one drawn if another."""


def conditions_of(chosen: Slice) -> dict[str, str]:
    """The conditions of a slice as the panel has them: texts by name, the step with the answer.

    >>> conditions_of(Slice(bridge="Paris", right=False, step=100))
    {'bridge': 'Paris', 'right': 'no@100'}
    """
    given = {field.name: getattr(chosen, field.name) for field in fields(chosen)}
    step = given.pop("step")
    words = {True: "yes", False: "no"}
    found = {name: words.get(value, value) for name, value in given.items() if value is not None}
    return found if step is None else {**found, "right": f"{found['right']}@{step}"}


def slice_of(conditions: Mapping[str, object]) -> Slice:
    """The slice with these conditions, as `conditions_of` gives them; blank ones do not count.

    Raises:
        HopscopeError: if a condition or its value is unknown.

    >>> slice_of({"shortcut": "yes", "right": "no@100"})
    Slice(shortcut=True, right=False, step=100)
    """
    parts = {str(name): str(value) for name, value in conditions.items() if value}
    parts["right"], _, parts["step"] = parts.get("right", "").partition("@")
    written = (f"{name}={quote(value)}" for name, value in parts.items() if value)
    return Slice.parse(",".join(written))


@dataclass(frozen=True)
class OnSlice:
    """The results that the instrument draws, on a slice."""

    datasets: dict[str, xr.Dataset]
    accuracy: dict[str, ComparedSeries]
    """By split, over the steps of the lens."""
    n: dict[str, tuple[int, int]]
    """By split: measured questions in the slice, and measured questions."""


def on_slice(
    datasets: Mapping[str, xr.Dataset],
    questions: Mapping[str, SplitQuestions],
    chosen: Slice,
) -> OnSlice:
    """The drawn results with their means taken over the slice, and their questions cut to it.

    Args:
        datasets: Stored results by role, as the instrument gets them.
        questions: The questions of each split that was measured.
        chosen: The slice; a split in which it cannot be told has no questions of it.
    """
    rows = {split: rows_of(one, chosen) for split, one in questions.items()}
    found = {name: ds for name, ds in datasets.items() if name == "circuit_discovery"}
    for name, (mean, *drawn) in DRAWN.items():
        if name in datasets:
            found[name] = _cut(datasets[name], rows, mean, drawn[0] if drawn else mean)
    accuracy = {split: accuracy_series(one, rows[split]) for split, one in questions.items()}
    return OnSlice(found, accuracy, measured_in(questions, chosen))


def measured_in(
    questions: Mapping[str, SplitQuestions], chosen: Slice
) -> dict[str, tuple[int, int]]:
    """By split: how many of the measured questions are in the slice, and how many there are."""
    found = ((split, one.known_rows, rows_of(one, chosen)) for split, one in questions.items())
    return {split: (int(np.isin(own, rows).sum()), len(own)) for split, own, rows in found}


def rows_of(questions: SplitQuestions, chosen: Slice) -> Int[np.ndarray, " k"]:
    """Rows of the slice; none where a name does not occur in this split, or nothing is stored."""
    try:
        return questions.rows(chosen)
    except HopscopeError:
        return np.zeros(0, np.int64)


def _cut(
    ds: xr.Dataset, rows: Mapping[str, Int[np.ndarray, " k"]], mean: str, drawn: str
) -> xr.Dataset:
    own = ds["example_row"].variable.transpose("split", "example")
    splits = [str(split) for split in ds["split"].values]
    asked = zip(splits, own.values, strict=True)
    inside = xr.Variable(own.dims, np.stack([np.isin(r, rows.get(s, ())) for s, r in asked]))
    means = sliced(ds[[name for name in ds.data_vars if str(name) in NEEDED]], rows)
    kept = ds.drop_vars([str(n) for n in ds.data_vars if str(n).startswith(DROPPED)])
    ends = ("", "_low", "_high", "_n")
    named = {f"{drawn}{end}": means[f"{mean}{end}"].variable for end in ends}
    for name in ("rank_example", "flip_example"):
        if name in kept:
            named[name] = kept[name].variable.where(inside, -1)
    return kept.assign(named | {"example_row": own.where(inside, -1), "n": means["n"].variable})


NEEDED = ("rank_example", "flip_example", "drawn_example", "outcome_example", "example_row", "mrr")
DROPPED = (
    "mrr", "changed", "strength", "success", "kept", "probability", "restored", "logit_diff",
    "clean_accuracy", "corrupted_accuracy", "outcome_example", "drawn_example", "donor_row",
)  # fmt: skip
"""Means over all questions, which a slice has not, and what is not drawn of single ones."""


def accuracy_series(questions: SplitQuestions, rows: Int[np.ndarray, " k"]) -> ComparedSeries:
    """The accuracy of the measured questions in these rows, with its interval."""
    keep = np.isin(questions.known_rows, rows)
    n = int(keep.sum())
    hits = questions.right[:, keep].sum(1)
    low, high = wilson(hits, np.full(len(hits), n))
    share = hits / n if n else np.full(len(hits), np.nan)
    return {
        "name": f"{split_of(questions.split).short}, slice", "colour": questions.split, "n": n,
        "dash": "2 3", "steps": questions.steps,
        "values": curve(share), "low": curve(low), "high": curve(high),
    }  # fmt: skip


def error_table(
    questions: SplitQuestions, by: str, chosen: Slice, step: int, run: str
) -> tuple[Table, list[list[float]]]:
    """The accuracy of every group at a step, and over training (by row).

    Raises:
        HopscopeError: if no measured question is in the slice.
    """
    table = errors_by(questions, by, chosen)
    rows: list[tuple[str | int | float | None, ...]]
    now = table.sel(step=step, method="nearest")
    rows = [
        (str(group), int(now["n"][i]), *(float(now[of][i]) for of in ("accuracy", "low", "high")))
        for i, group in enumerate(table["group"].values)
    ]
    about = f"{split_of(questions.split).words}, step {int(now['step']):,}; {chosen.words}"
    spec = Table(
        name=f"errors_by_{by}",
        title=f"Accuracy by {words(by)}",
        subtitle=f"{about}; {int(table['n'].sum())} questions, 95% intervals (Wilson)",
        provenance={"run": run, "step": int(now["step"]), "slice": str(chosen), "by": by},
        columns=(words(by), "questions", "right", "from", "to"),
        rows=tuple(rows),
        formats=("", ",", ".1%", ".1%", ".1%"),
    )
    return spec, table["accuracy"].values.T.tolist()


def readings_table(
    results: Mapping[str, xr.Dataset],
    questions: SplitQuestions,
    chosen: Slice,
    step: int,
    run: str,
) -> tuple[Table, str]:
    """Every analysis on the slice, at the place where it is largest over all questions.

    Returns:
        The table, and a sentence on the analyses that store no values of single questions.
    """
    split, rows, silent = questions.split, [], []
    whole_rows, slice_rows = np.arange(len(questions.queries)), rows_of(questions, chosen)
    for name, ds in results.items():
        if split not in ds["split"].values or "step" not in ds.dims:
            continue
        near = int(np.abs(ds["step"].values - step).argmin())
        one = ds.isel(step=[near]).sel(split=[split])
        whole = sliced(one, {split: whole_rows})
        if not whole.data_vars:
            silent.append(name)
            continue
        part = sliced(one, {split: slice_rows})
        at_step = int(ds["step"].values[near])
        rows += _rows_of(CATALOG[name].title, at_step, whole, part)
    spec = Table(
        name="slice_readings",
        title="Analyses on the slice",
        subtitle=f"{capital(split_of(split).words)}; {chosen.words}; each where it is largest "
        "over all questions; 95% intervals",
        provenance={"run": run, "step": step, "split": split, "slice": str(chosen)},
        columns=(
            "analysis",
            "measure",
            "at",
            "step",
            "slice",
            "from",
            "to",
            "n",
            "all",
            "n of all",
        ),
        rows=tuple(rows),
        formats=("", "", "", ",", ".2f", ".2f", ".2f", ",", ".2f", ","),
    )
    return spec, _silence(silent)


def _rows_of(
    title: str, step: int, whole: xr.Dataset, part: xr.Dataset
) -> list[tuple[str | int | float, ...]]:
    found: list[tuple[str | int | float, ...]] = []
    for name in (str(n) for n in whole.data_vars if f"{n}_n" in whole):
        values = whole[name].isel(split=0, step=0).reset_coords(drop=True)
        if "usable" in whole.coords and set(whole["usable"].dims) <= set(values.dims):
            values = values.where(whole["usable"])
        if not bool(values.notnull().any()):
            continue
        place = values.argmax(list(values.dims)) if values.dims else {}
        at = {str(dim): int(index) for dim, index in place.items()}  # type: ignore[union-attr]
        where = ", ".join(
            _in_words(dim, values[dim].values[index])
            for dim, index in at.items()
            if dim in values.coords
        )
        cell = {"split": 0, "step": 0, **at}
        here = [float(part[f"{name}{end}"].isel(cell)) for end in ("", "_low", "_high")]
        n, n_all = (int(ds[f"{name}_n"].isel(cell)) for ds in (part, whole))
        about = str(whole[name].attrs.get("long_name", words(name))).partition(", -1:")[0]
        found.append((title, about, where, step, *here, n, float(values.isel(at)), n_all))
    return found


def _in_words(dim: str, value: Any) -> str:
    """A coordinate of a table: "bridge", "layer 1", "at relation 1"."""
    if not isinstance(value, str):
        return f"{words(dim)} {value}"
    return f"at {words(value)}" if dim == "position" else words(value)


def _silence(names: Sequence[str]) -> str:
    if not names:
        return ""
    if len(names) == 1:
        return without_values(names[0])
    titles = [CATALOG[name].title for name in names]
    listed = f"{', '.join(titles[:-1])} and {titles[-1]}"
    return f"{listed} store no values of single questions, so they cannot be read on a slice."
