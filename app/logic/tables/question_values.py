"""The values of single questions behind the first page, for a browser that takes means of a slice.

They are those of which `analyses.slices.reading` takes means, to the last bit: every distinct value
stands once in a table, and for each place and question a number points into it. The browser adds up
in the same order and rounds where the server does, so it shows the same numbers.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from contextlib import suppress

import numpy as np
import xarray as xr
from jaxtyping import Float, Int, Shaped

from analyses.slices.properties import SplitQuestions
from analyses.slices.values import example_values
from app.instrument import value_fields as fields
from app.instrument.measures import BRIDGE_AXES, LENS_AXES, STATE_AXES, measured_positions
from app.instrument.payload import DRAWN_SPLITS, SLICED_ABOUT, asked_in_words, roles_of
from app.logic.tables.sliced_results import DRAWN, NEEDED, accuracy_series
from circuits.errors import HopscopeError
from circuits.runs.run import Run
from circuits.statistics import LEAST_EXAMPLES, normal_quantile, student_quantile

MOST_BYTES = 32_000_000
"""The most that a browser keeps of a run; of more, the server takes the means."""
AXES = {"lens": LENS_AXES, "tracing": STATE_AXES, "bridge": BRIDGE_AXES}
ROLES = {"logit_lens": "lens", "causal_tracing": "tracing", "bridge_patching": "bridge"}
BYTES = {"rank_example": 2, "flip_example": 1, "outcome_example": 1}
NONE = np.zeros(0, np.int64)


def size_of(datasets: Mapping[str, xr.Dataset]) -> int:
    """How many bytes a browser would keep, nearly: two for a rank, one for another value."""
    found = _drawn(datasets).values()
    return sum(ds[name].size * n for ds in found for name, n in BYTES.items() if name in ds)


def question_values(
    run: Run, datasets: Mapping[str, xr.Dataset], questions: Mapping[str, SplitQuestions]
) -> bytes:
    """JSON (`value_fields.QuestionValues`), a line's end, and the deflated bytes it points into.

    Args:
        run: An opened run.
        datasets: Stored results by role, as the instrument gets them.
        questions: The questions of each split that was measured.
    """
    store = _Store()
    positions = roles_of(run) or measured_positions(_drawn(datasets))
    splits: dict[str, fields.SplitQuestions] = {}
    for name in (split for split in DRAWN_SPLITS if split in questions):
        selected = {
            role: ds.sel(split=name)
            for role, ds in _drawn(datasets).items()
            if name in ds["split"].values
        }
        rows = _rows(questions[name], selected)
        known = _known(run, questions[name], rows, store)
        for role, ds in selected.items():
            terms = example_values(ds[[n for n in ds.data_vars if str(n) in NEEDED]])
            own = _aligned(terms[DRAWN[role][0]], run.steps, positions)
            known[ROLES[role]] = _terms(own, ds["example_row"].values, rows, role, store)  # type: ignore[literal-required]
        splits[name] = known
    most = np.arange(1 + max((one["n"] for one in splits.values()), default=0))
    head: fields.QuestionValues = {
        "bySplit": splits,
        "quantiles": student_quantile(most - 1).tolist(),
        "z": normal_quantile(),
        "least": LEAST_EXAMPLES,
        "about": SLICED_ABOUT,
    }
    text = json.dumps(head, separators=(",", ":"), allow_nan=False).encode()
    return text + b"\n" + zlib.compress(bytes(store.bytes), level=1)


class _Store:
    """Arrays one after the other, each from a multiple of four bytes on."""

    def __init__(self) -> None:
        self.bytes = bytearray()

    def add(self, values: Shaped[np.ndarray, "*axes"], most: int) -> fields.Stored:
        """Whole numbers from 0 to `most`, in as few bytes each as hold them."""
        kind = np.min_scalar_type(most)
        first = len(self.bytes)
        self.bytes += np.ascontiguousarray(values, kind.newbyteorder("<")).tobytes()
        self.bytes += bytes(-len(self.bytes) % 4)
        return {"size": kind.itemsize, "shape": list(values.shape), "first": first}


def _drawn(datasets: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    return {role: datasets[role] for role in DRAWN if role in datasets}


def _rows(
    questions: SplitQuestions, selected: Mapping[str, xr.Dataset]
) -> Int[np.ndarray, " asked"]:
    """Rows of the questions that some drawn result asks, rising."""
    every = [questions.known_rows, *(ds["example_row"].values for ds in selected.values())]
    rows = np.unique(np.concatenate(every).astype(np.int64))
    return rows[rows >= 0]


def _known(
    run: Run, questions: SplitQuestions, rows: Int[np.ndarray, " asked"], store: _Store
) -> fields.SplitQuestions:
    """What conditions of slices ask of these questions."""
    named: dict[str, fields.NamesAsked] = {}
    for name in questions.named:
        names, codes = np.unique(questions.names(name)[rows].astype(str), return_inverse=True)
        named[name] = {"names": names.tolist(), "codes": store.add(codes, len(names))}
    place = np.searchsorted(rows, questions.known_rows)
    right = np.full((len(questions.steps), len(rows)), 2)
    right[:, place] = questions.right
    learned = np.full(len(rows), np.nan)
    learned[place] = np.where(np.isfinite(questions.learned), questions.learned, -1)
    found: fields.SplitQuestions = {
        "n": len(rows),
        "named": named,
        "right": store.add(right, 2),
        "learned": _with_null(learned),
        "accuracy": accuracy_series(questions, NONE),
        "unasked": asked_in_words(run, 0, questions.split),
    }
    with suppress(HopscopeError):  # it is not known what was trained: in no slice by shortcuts
        found["shortcut"] = store.add(questions.shortcut[rows], 1)
    return found


def _aligned(terms: xr.DataArray, steps: list[int], positions: list[str]) -> xr.DataArray:
    """At every step and position that the page draws; NaN where nothing was measured."""
    places = (terms["position"].values.tolist(), terms["step"].values.tolist())
    if places == (positions, steps):
        return terms
    return terms.reindex(position=positions, step=steps)


def _terms(
    terms: xr.DataArray,
    own: Int[np.ndarray, " example"],
    rows: Int[np.ndarray, " asked"],
    role: str,
    store: _Store,
) -> fields.Terms:
    """The terms of a mean by the axes of its measure; `own`: rows of the result's questions."""
    there = terms.variable.transpose(*AXES[ROLES[role]], "example").values[..., own >= 0]
    table = np.unique(there)  # NaN is its last value
    return {
        "table": _with_null(table),
        "codes": store.add(np.searchsorted(table, there), len(table)),
        "asked": store.add(np.searchsorted(rows, own[own >= 0]), len(rows)),
    }


def _with_null(values: Float[np.ndarray, " n"]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
