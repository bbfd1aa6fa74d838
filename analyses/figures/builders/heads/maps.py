"""Maps of layers by heads, and the averaged attention pattern of one head at reading size."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.component_patching import COMPONENTS, EFFECT
from analyses.figures.specs.charts import HeatMap, Panels, Spec
from analyses.figures.words import capital, words


def head_map(
    ds: xr.Dataset,
    *,
    step: int | None = None,
    split: str | None = None,
    query: str | None = None,
    key: str | None = None,
    against: str | None = None,
) -> Spec:
    """Attention from one position to another, by layer and head; or the difference of two splits.

    Args:
        ds: Result of attention.
        step: None: the last one.
        split: None: ID test.
        query: The position that attends; None: the last one.
        key: The position that it attends to; None: the one before `query`.
        against: A split whose attention is subtracted; None: none is.
    """
    step, split = pick.chosen_step(ds, step), pick.chosen(ds, "split", split)
    query, key = pair(ds, query, key)
    now = ds.sel(step=step, query=query, key=key)
    found = _of_heads(now.sel(split=split), "pattern")
    about = [words(split)]
    if against is not None:
        against = pick.chosen(ds, "split", against)
        found = minus(found, _of_heads(now.sel(split=against), "pattern"))
        about = [f"{words(split)} minus {words(against)}"]
    end = 1.0 if against is None else _end(found.value)
    return _map(
        found, now,
        name="head_map",
        title=f"Attention from {words(query)} to {words(key)}",
        subtitle=pick.subtitle(
            *about, pick.at_step(step), pick.number_of_examples(now.sel(split=split))
        ),
        value_label="attention paid" if against is None else "difference in attention paid",
        limits=(0.0 if against is None else -end, end),
        diverging=against is not None,
        provenance=pick.provenance(
            ds, "head_map", step=step, split=split, query=query, key=key, against=against
        ),
    )  # fmt: skip


def head_pattern(
    ds: xr.Dataset,
    *,
    step: int | None = None,
    split: str | None = None,
    layer: int | None = None,
    head: int | None = None,
) -> Spec:
    """The averaged attention pattern of one head, with the names of the positions.

    By default it is the head that attends most from the last position to the one before it.
    """
    step, split = pick.chosen_step(ds, step), pick.chosen(ds, "split", split)
    first, second = strongest_head(ds, split)
    layer = first if layer is None else int(pick.chosen(ds, "layer", layer))
    head = second if head is None else int(pick.chosen(ds, "head", head))
    now = ds.sel(step=step, split=split, layer=layer, head=head)
    found = pick.interval(now.transpose("query", "key", ...), "pattern")
    ahead = np.triu(np.ones(found.value.shape, bool), 1)
    places = pick.in_words(pick.names(ds, "query"))
    shown = (None if one is None else one[::-1] for one in (found.low, found.high))
    low, high = shown
    return HeatMap(
        name="head_pattern",
        title=f"What head {layer}.{head} attends to",
        subtitle=pick.subtitle(words(split), pick.at_step(step), pick.number_of_examples(now)),
        values=np.where(ahead, np.nan, found.value)[::-1],
        low=low,
        high=high,
        rows=places[::-1],
        columns=pick.in_words(pick.names(ds, "key")),
        row_label="from",
        column_label="to",
        value_label="attention paid",
        provenance=pick.provenance(
            ds, "head_pattern", step=step, split=split, layer=layer, head=head
        ),
    )


def head_effects(
    ds: xr.Dataset,
    *,
    step: int | None = None,
    split: str | None = None,
    position: str | None = None,
) -> Spec:
    """What each head carries at one position, by layer and head: one map per replaced token.

    Args:
        ds: Result of component patching.
        step: None: the last one.
        split: None: ID test.
        position: Where heads are patched; None: the last position.
    """
    step, split = pick.chosen_step(ds, step), pick.chosen(ds, "split", split)
    places = pick.names(ds, "position")
    position = places[-1] if position is None else pick.chosen(ds, "position", position)
    component = pick.names(ds, "head_component")[0]
    now = ds.sel(step=step, split=split, position=position, head_component=component)
    found = {t: _of_heads(now.sel(corrupted=t), "head_effect") for t in pick.names(ds, "corrupted")}
    end = max(1.0, *(_end(one.value) for one in found.values()))
    return Panels(
        name="head_effects",
        title=f"What heads carry at {words(position)} ({COMPONENTS[component]})",
        subtitle=pick.subtitle(words(split), pick.at_step(step), pick.number_of_examples(now)),
        panels=tuple(
            _map(one, now, name=token, title=f"{capital(words(token))} replaced",
                 value_label=EFFECT, limits=(0.0, end))
            for token, one in found.items()
        ),
        columns=3,
        provenance=pick.provenance(ds, "head_effects", step=step, split=split, position=position),
    )  # fmt: skip


def pair(ds: xr.Dataset, query: str | None, key: str | None) -> tuple[str, str]:
    """The positions that attention goes from and to; by default the last to the one before it."""
    places = pick.names(ds, "query")
    query = places[-1] if query is None else pick.chosen(ds, "query", query)
    before = places[max(0, places.index(query) - 1)]
    return query, before if key is None else pick.chosen(ds, "key", key)


def strongest_head(ds: xr.Dataset, split: str) -> tuple[int, int]:
    """Layer and head that attend most from the last position to the one before it, at the end."""
    query, key = pair(ds, None, None)
    last = ds["pattern"].isel(step=-1).sel(split=split, query=query, key=key)
    values = np.nan_to_num(last.transpose("layer", "head").values)
    layer, head = np.unravel_index(int(values.argmax()), values.shape)
    return int(ds["layer"].values[layer]), int(ds["head"].values[head])


def minus(one: pick.Measured, other: pick.Measured) -> pick.Measured:
    """The difference of two means over different questions, whose errors are independent."""
    value = one.value - other.value
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return pick.Measured(value, None, None)
    half = np.hypot(one.high - one.low, other.high - other.low) / 2
    return pick.Measured(value, value - half, value + half)


def _of_heads(ds: xr.Dataset, variable: str) -> pick.Measured:
    return pick.interval(ds.transpose("layer", "head", ...), variable)


def _end(values: np.ndarray) -> float:
    return float(np.ceil(10 * np.nanmax(np.abs(values), initial=0.1)) / 10)


def _map(found: pick.Measured, ds: xr.Dataset, **fields: Any) -> HeatMap:
    return HeatMap(
        values=found.value,
        low=found.low,
        high=found.high,
        rows=pick.names(ds, "layer"),
        columns=pick.names(ds, "head"),
        row_label="block",
        column_label="head",
        **fields,
    )
