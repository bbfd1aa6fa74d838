"""From stored attention and patching to maps of layers by heads, and one head's pattern."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from analyses.figures.builders.heads.maps import pair, strongest_head
from analyses.figures.words import FIRST_SPLIT, position_of, target_of
from app.instrument.fields import Payload
from app.instrument.heads_fields import Heads, HeadScore, HeadsOfSplit
from app.instrument.packed_fields import PackedMeasure
from app.instrument.packing import pack_measure
from app.instrument.payload import described_positions, dump

HEAD_AXES = ("step", "layer", "head")
PAIR_AXES = (*HEAD_AXES, "query", "key")
MOST_CELLS = 300_000
"""Cells of a split's patterns, above which their intervals are not sent."""


def heads_payload(
    timeline: Payload, attention: xr.Dataset, patching: xr.Dataset | None, about: str = ""
) -> bytes:
    """The page Heads as JSON bytes.

    Args:
        timeline: What every page's timeline needs.
        attention: Result of attention, of all questions or cut to a slice.
        patching: Result of component patching, if there is one.
        about: What is to be said of the questions.
    """
    steps = timeline["steps"]
    positions = [str(name) for name in attention["query"].values]
    splits = [one["name"] for one in timeline["splits"]]
    found: dict[str, HeadsOfSplit] = {
        split: _of_attention(attention.sel(split=split).reindex(step=steps))
        for split in splits
        if split in attention["split"].values
    }
    if patching is not None:
        for split in (name for name in found if name in patching["split"].values):
            scores = _of_patching(patching.sel(split=split).reindex(step=steps))
            found[split]["scores"] |= scores
    start = FIRST_SPLIT if FIRST_SPLIT in found else next(iter(found))
    query, key = pair(attention, None, None)
    heads: Heads = {
        "layers": attention.sizes["layer"],
        "heads": attention.sizes["head"],
        "scores": [*_scores(attention), *([] if patching is None else _effects(patching))],
        "splits": found,
        "head": list(strongest_head(attention, start)),
        "pair": [positions.index(query), positions.index(key)],
        "about": about,
    }
    shown: Payload = {**timeline, "measures": {split: {} for split in found}}
    shown["positions"], shown["heads"] = described_positions(positions), heads
    return dump(shown)


def _of_attention(ds: xr.Dataset) -> HeadsOfSplit:
    pattern = pack_measure(ds, "pattern", PAIR_AXES)
    if int(np.prod(pattern["value"]["shape"])) > MOST_CELLS:
        pattern = {name: pattern[name] for name in ("value", "n") if name in pattern}  # type: ignore[literal-required,assignment]
    scores: dict[str, PackedMeasure] = {}
    for target in map(str, ds["target"].values) if "score" in ds else ():
        scores[f"score_{target}"] = pack_measure(ds.sel(target=target), "score", HEAD_AXES)
    return {"pattern": pattern, "scores": scores}


def _of_patching(ds: xr.Dataset) -> dict[str, PackedMeasure]:
    one = ds.isel(head_component=0).rename(position="query")
    return {
        f"patched_{token}": pack_measure(
            one.sel(corrupted=token), "head_effect", (*HEAD_AXES, "query"), "n_valid"
        )
        for token in map(str, ds["corrupted"].values)
    }


def _scores(ds: xr.Dataset) -> list[HeadScore]:
    label = "attention from one position to another"
    found = [HeadScore(name="attention", label=label, unit="", place="chosen", end=1.0)]
    for target in map(str, ds["target"].values) if "score" in ds else ():
        label, end = f"what it writes towards {target_of(target).spoken}", _end(ds["score"].values)
        found.append(
            HeadScore(name=f"score_{target}", label=label, unit="logits", place="", end=end)
        )
    return found


def _effects(ds: xr.Dataset) -> Sequence[HeadScore]:
    end = _end(ds["head_effect"].values)
    return [
        {
            "name": f"patched_{token}",
            "label": f"effect of patching it, {position_of(token).words} replaced",
            "unit": "nats", "place": "chosen", "end": end,
        }
        for token in map(str, ds["corrupted"].values)
    ]  # fmt: skip


def _end(values: np.ndarray) -> float:
    return float(np.nanmax(np.abs(values), initial=0.1))
