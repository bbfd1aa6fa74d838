"""What a stored result keeps of single questions, as the terms of its means.

A result stores numbers of single questions compactly: a rank, an outcome, how many corruptions flip
the answer. Here they become the values whose mean over questions the result reports, NaN where a
question has none, so that the mean over any of the questions can be taken again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import xarray as xr

Values = Iterator[tuple[str, xr.DataArray]]
"""Name of a mean and its terms, with the dims `example` and `split`."""

SUFFIX = "_example"


def example_values(ds: xr.Dataset) -> dict[str, xr.DataArray]:
    """The terms of every mean of a result that can be recomputed; empty: none are stored.

    Args:
        ds: A stored result, with the dims `split` and `example`.

    >>> from circuits import open_run
    >>> from analyses import stored_result
    >>> ds = stored_result(open_run("assets/demo"), "logit_lens")
    >>> terms = example_values(ds)["mrr"].sel(split="id_test")
    >>> bool(np.allclose(terms.mean("example"), ds.mrr.sel(split="id_test"), atol=1e-3))
    True
    """
    found: dict[str, xr.DataArray] = {}
    for read in READERS:
        for name, terms in read(ds):
            found.setdefault(name, terms)
    return found


def _among(terms: xr.DataArray, where: xr.DataArray, words: str) -> xr.DataArray:
    kept = terms.astype(np.float32).where(where)
    return kept.assign_attrs(long_name=words, units=terms.attrs.get("units", "share"))


def _ranks(ds: xr.Dataset) -> Values:
    for stored, mean in (("rank", "mrr"), ("rank_among_names", "mrr_among_names")):
        if (rank := ds.get(stored + SUFFIX)) is not None:
            about = ds[mean].attrs["long_name"] if mean in ds else "mean reciprocal rank"
            yield mean, _among(1 / (rank + np.float32(1)), rank >= 0, about).assign_attrs(units="1")


def _flips(ds: xr.Dataset) -> Values:
    """Of a question, the share of its corruptions that flip the answer."""
    if "flip_example" not in ds:
        return
    flips = ds["flip_example"]
    share, known = flips, flips.notnull() & (flips >= 0)
    if "drawn_example" in ds:
        drawn = ds["drawn_example"]
        share, known = flips / drawn.where(drawn > 0), known & (drawn > 0)
    yield "strength", _among(share, known, "share whose top token is no longer the answer")
    # at the last layer nothing reads any position but the last: what is unflipped there was right
    unpatched = flips.isel(layer=-1, position=0, drop=True)
    right = unpatched == 0
    if "clean_accuracy" in ds:
        clean = _among(right, unpatched >= 0, ds["clean_accuracy"].attrs["long_name"])
        yield "clean_accuracy", clean
    words = "share whose top token changes, of the questions that are answered rightly"
    yield "changed_of_right", _among(share, known & right, words)


def _swaps(ds: xr.Dataset) -> Values:
    for name in ("outcome_example", "swap_example"):
        if name in ds:
            outcome = ds[name]
            for of, code, words in (
                ("success", 1, "share of answers that become the donor bridge's"),
                ("kept", 2, "share of answers that are the question's own, right one"),
            ):
                yield of, _among(outcome == code, outcome >= 0, words)


def _classes(ds: xr.Dataset) -> Values:
    if "class_example" in ds:
        index = ds["class_example"]
        code = xr.DataArray(
            np.arange(ds.sizes["class"]), dims="class", coords={"class": ds["class"]}
        )
        yield "share", _among(index == code, index >= 0, "share of the questions in the class")


def _mending(ds: xr.Dataset) -> Values:
    if "right_after_example" in ds:
        before, after = ds["right_example"], ds["right_after_example"]
        wrong = (before == 0) & (after >= 0)
        yield "mended", _among(after == 1, wrong, "wrong answers that become right")
        right = (before == 1) & (after >= 0)
        yield "broken", _among(after == 0, right, "right answers that become wrong")


def _right(ds: xr.Dataset) -> Values:
    """Accuracies, of the model and of what was cut from it."""
    for name, terms in ds.data_vars.items():
        of = str(name).removesuffix(SUFFIX)
        if name == of or ("right" not in of and "decoded" not in of) or of == "right_after":
            continue
        known = _accuracy_name(of)
        words = str(terms.attrs.get("long_name", known)).removeprefix("1: ")
        yield known, _among(terms == 1, terms >= 0, _RIGHT_WORDS.get(known, f"share {words}"))
    if "route_example" in ds:
        route = ds["route_example"]
        yield (
            "route_accuracy",
            _among(route == 1, route >= 0, "share right with the route alone, or without it"),
        )


def _accuracy_name(of: str) -> str:
    return {"right": "accuracy", "full_right": "full_accuracy"}.get(of, of)


_RIGHT_WORDS = {"accuracy": "share of right answers"}


def _terms_as_stored(ds: xr.Dataset) -> Values:
    """Terms that are stored as they are, beside a mean of the same axes."""
    for name, terms in ds.data_vars.items():
        of = str(name).removesuffix(SUFFIX)
        if name != of and of in ds and set(terms.dims) - {"example"} == set(ds[of].dims):
            yield of, terms.astype(np.float32).assign_attrs(ds[of].attrs)


READERS: tuple[Callable[[xr.Dataset], Values], ...] = (
    _ranks, _flips, _swaps, _classes, _mending, _right, _terms_as_stored,
)  # fmt: skip
