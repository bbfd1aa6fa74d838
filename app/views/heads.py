"""Heads: maps of layers by heads, and the averaged attention pattern of one head."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import streamlit as st

from analyses.figures.words import FIRST_SPLIT
from analyses.slices.slice import Slice
from analyses.stored import stored_result, stored_results
from app.instrument.heads import heads_payload
from app.shell import address, frame
from app.shell.opened import OF_HEADS, Stamp, opened
from app.shell.plain_text import as_text
from app.shell.slicing import questions_of
from app.shell.stage import picked, show_instrument, timeline_of
from circuits.errors import HopscopeError

if TYPE_CHECKING:
    import xarray as xr

    from analyses.figures.specs.charts import Spec

READING = (
    "A map of all heads by a score; the pattern of the chosen head, averaged over questions, says "
    "which position attends to which. Choose a head in the map and a cell in the pattern."
)
KEPT = ("head", "pair", "score", "against")
"""What is chosen on the page, by its name in the address."""


def page() -> None:
    """Draw the page."""
    frame.page(READING, _heads)


def _heads(shown: frame.Shown) -> list[Spec]:
    chosen = str(shown.chosen)
    attention, patching, about = _results(shown.at, chosen)
    if about:
        st.caption(as_text(about))
    _remember()
    body = _body(shown.at, chosen)
    show_instrument(shown, "heads", body, chosen, looked=_begin(shown, attention))
    return _figures(shown, attention, patching)


@st.cache_resource(max_entries=8, show_spinner="Reading the results ...", hash_funcs={Stamp: str})
def _results(at: Stamp, written: str) -> tuple[xr.Dataset, xr.Dataset | None, str]:
    """Attention and component patching on a slice, and what cannot be read on it."""
    run = opened(at)
    if not written:
        found, refused = stored_results(run, [n for n in OF_HEADS if n != PATCHING or _patches(at)])
        if ATTENTION not in found:
            if ATTENTION in refused:
                raise HopscopeError(refused[ATTENTION])
            raise frame.NothingToShow(_missing(at))
        return found[ATTENTION], found.get(PATCHING), ""
    from analyses.slices.cutting import on_questions

    kept = stored_result(run, ATTENTION, keep_examples=True)
    if kept is None:
        raise frame.NothingToShow(
            "Attention is read on a slice from the patterns of single questions, which are not "
            f"stored; run `hopscope analyze {run.path} attention --set keep_examples=true`, or "
            "take the slice away."
        )
    questions = {split: questions_of(at, split) for split in map(str, kept["split"].values)}
    cut = on_questions(kept, questions, Slice.parse(written))
    return cut, None, "Effects of patching heads are stored of all questions together, not here."


ATTENTION, PATCHING = OF_HEADS


def _patches(at: Stamp) -> bool:
    """Whether component patching is an analysis of this run's task."""
    from analyses.fitting import fitting_analyses

    run = opened(at)
    return PATCHING in fitting_analyses(run.corpus.task, bridged=run.bridged, text=run.corpus.text)


def _missing(at: Stamp) -> str:
    names = " ".join(n for n in OF_HEADS if n != PATCHING or _patches(at))
    return (
        f"What heads attend to has not been measured in this run; run `hopscope analyze {at.path} "
        f"{names}` and reload."
    )


@st.cache_resource(max_entries=8, show_spinner="Drawing the heads ...", hash_funcs={Stamp: str})
def _body(at: Stamp, written: str) -> bytes:
    attention, patching, _ = _results(at, written)
    about = _about(attention, text=opened(at).corpus.text)
    return heads_payload(timeline_of(at), attention, patching, about)


def _about(attention: xr.Dataset, *, text: bool = False) -> str:
    fewest, most = int(attention["n"].min()), int(attention["n"].max())
    asked = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
    words = (
        f"Averages over {asked} questions per split. Attention is not "
        "effect: a head may attend to a position and write nothing of use."
    )
    return words + " What rows lack to 1 goes to the other tokens of the sentence." * text


def _remember() -> None:
    """Keep what was chosen in the instrument in the address."""
    sent: Any = picked("heads")
    if not isinstance(sent, dict):
        return
    st.session_state.pop("picked_heads", None)
    written = {
        "head": _numbers(sent.get("head"), "."),
        "pair": _numbers(sent.get("pair"), "-"),
        "score": sent.get("score") if sent.get("score") != "attention" else None,
        "against": sent.get("against") or None,
    }
    address.write(**written)


def _numbers(pair: Any, sign: str) -> str | None:
    numbers = pair if isinstance(pair, list) else []
    return sign.join(map(str, numbers)) if len(numbers) == 2 else None


def _chosen(attention: xr.Dataset) -> dict[str, Any]:
    """What the address says, as far as this result has it."""
    asked = address.read()
    found: dict[str, Any] = {}
    sizes = {
        "head": (attention.sizes["layer"], attention.sizes["head"]),
        "pair": (attention.sizes["query"], attention.sizes["key"]),
    }
    for name, (first, second) in sizes.items():
        match = re.fullmatch(r"(\d{1,4})[.-](\d{1,4})", asked.get(name, ""))
        if match and int(match[1]) < first and int(match[2]) < second:
            found[name] = [int(match[1]), int(match[2])]
    if re.fullmatch(r"\w{1,40}", asked.get("score", "")):
        found["score"] = asked["score"]
    if asked.get("against") in attention["split"].values:
        found["against"] = asked["against"]
    return found


def _begin(shown: frame.Shown, attention: xr.Dataset) -> dict[str, Any]:
    """What the instrument begins with; it changes only with the address, or all is sent again."""
    cause = (shown.name, address.moved(), str(shown.chosen))
    known = st.session_state.get("heads_begin")
    if known is None or known[0] != cause:
        known = st.session_state["heads_begin"] = (cause, _chosen(attention))
    return dict(known[1])


def _figures(shown: frame.Shown, attention: xr.Dataset, patching: xr.Dataset | None) -> list[Spec]:
    """What is seen: the map of the chosen score and the chosen head's pattern."""
    from analyses.figures.registry import figure

    found, step = _chosen(attention), shown.step
    wanted = address.read().get("split")
    there = [str(name) for name in attention["split"].values]
    split = wanted if wanted in there else None
    shown_split = split or (FIRST_SPLIT if FIRST_SPLIT in there else there[0])
    if step not in attention["step"].values or not attention["n"].sel(split=shown_split).any():
        return []
    layer, head = found.get("head", (None, None))
    places = [str(name) for name in attention["query"].values]
    query, key = (None if i is None else places[i] for i in found.get("pair", (None, None)))
    score, against = found.get("score", "attention"), found.get("against")
    pattern = figure(attention, "head_pattern", step, split=split, layer=layer, head=head)
    if score.startswith("patched") and patching is not None and step in patching["step"].values:
        measured = split if split in patching["split"].values else None
        return [figure(patching, "head_effects", step, split=measured, position=query), pattern]
    if score.startswith("score"):
        return [figure(attention, "head_scores", step, split=split), pattern]
    how = {"query": query, "key": key, "against": against if against != split else None}
    return [figure(attention, "head_map", step, split=split, **how), pattern]
