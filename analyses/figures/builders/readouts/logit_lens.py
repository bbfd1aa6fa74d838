"""Figures of the logit lens, of both tasks: what can be read where, and from which step on."""

from __future__ import annotations

import dataclasses

import numpy as np
import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.pieces import cell_map, curves_by_layer, map_over_training
from analyses.figures.specs.charts import Panels, Spec
from analyses.figures.words import READ_AT, capital, words

VALUE = "mean reciprocal rank (MRR)"


def mrr(
    ds: xr.Dataset, *, step: int | None = None, split: str | None = None, target: str | None = None
) -> Spec:
    """MRR of the bridge, of relation 2 and of the answer at every state, at one step."""
    step = pick.chosen_step(ds, step)
    split = pick.chosen(ds, "split", split)
    now = ds.sel(step=step, split=split)
    targets = pick.names(ds, "target") if target is None else (pick.chosen(ds, "target", target),)
    return Panels(
        name="mrr",
        title="What can be read from each state",
        subtitle=pick.subtitle(
            words(split), pick.at_step(step), pick.number_of_examples(now), pick.span_note(ds),
            pick.hatched_note(now),
            by_construction(ds),
        ),
        panels=tuple(
            dataclasses.replace(
                cell_map(
                    now.sel(target=t), "mrr", name=t, title=capital(words(t)), value_label=VALUE
                ),
                details=_added_in_words(now.sel(target=t)),
            )
            for t in targets
        ),
        columns=len(targets),
        provenance=pick.provenance(ds, "mrr", step=step, split=split, target=target),
    )  # fmt: skip


def mrr_added(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """What the question adds to the MRR of each target, beyond its prompt's shorter counterpart."""
    step, split = pick.chosen_step(ds, step), pick.chosen(ds, "split", split)
    now = ds.sel(step=step, split=split)
    targets = pick.names(ds, "target")
    other = words("entity_1") if "entity_2" in pick.names(ds, "position") else "first hop"
    return Panels(
        name="mrr_added",
        title="What the question adds to what can be read",
        subtitle=pick.subtitle(
            words(split), pick.at_step(step), pick.number_of_examples(now), pick.span_note(ds),
            pick.hatched_note(now),
            _early(now),
            f"later: beyond questions with another {other}",
        ),
        panels=tuple(
            cell_map(
                now.sel(target=t), "mrr_added", name=t, title=capital(words(t)),
                value_label="MRR added", limits=(-1.0, 1.0),
            )
            for t in targets
        ),
        columns=len(targets),
        provenance=pick.provenance(ds, "mrr_added", step=step, split=split),
    )  # fmt: skip


def _added_in_words(ds: xr.Dataset) -> tuple[tuple[str, ...], ...]:
    """What the question adds at each state of one target; nothing in a result without it."""
    if "mrr_added" not in ds:
        return ()
    ordered = ds.transpose("layer", "position", ...)
    parts = [ordered[f"mrr_added{end}"].values for end in ("", "_low", "_high")]
    known = _in_shorter_prompts(ds)
    return tuple(
        tuple(
            "nothing to set beside it"
            if np.isnan(value)
            else "as in the shorter prompt, by construction"
            if position in known
            else f"the question adds {value:+.3f} [{low:.3f}, {high:.3f}]"
            for position, value, low, high in zip(pick.names(ds, "position"), *row, strict=True)
        )
        for row in zip(*parts, strict=True)
    )


def _early(ds: xr.Dataset) -> str:
    """What the question adds up to its second name."""
    known = _in_shorter_prompts(ds)
    if ds["mrr_added"].sel(position=list(known)).isnull().all():
        return "of a sentence, no shorter prompt ends at the first names: grey"
    return f"up to {words(known[-1])}: 0 by construction"


def _in_shorter_prompts(ds: xr.Dataset) -> tuple[str, ...]:
    """Positions before the third name: where names are tokens, shorter prompts end there."""
    positions = pick.names(ds, "position")
    third = [i for i, name in enumerate(positions) if name in ("relation_2", "entity_2")]
    return positions[: third[0]] if third else positions


def mrr_over_training(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """MRR of each target at its own position over training, one curve per layer."""
    split = pick.chosen(ds, "split", split)
    one = ds.sel(split=split)
    cursor = None if step is None else pick.chosen_step(ds, step)
    panels = tuple(
        curves_by_layer(
            one.sel(target=t, position=read_at(ds, t)), "mrr", name=t,
            title=f"{capital(words(t))}, read at {words(read_at(ds, t))}", y_label="MRR",
            cursor=cursor,
        )
        for t in pick.names(ds, "target")
    )  # fmt: skip
    return Panels(
        name="mrr_over_training",
        title="When the bridge, relation 2 and the answer become readable",
        subtitle=pick.subtitle(
            words(split), pick.number_of_examples(one), pick.span_note(ds),
            "bands: 95% intervals over examples",
            by_construction(ds),
        ),
        panels=panels,
        columns=3,
        provenance=pick.provenance(ds, "mrr_over_training", split=split),
    )  # fmt: skip


def mrr_map_over_training(
    ds: xr.Dataset, *, step: int | None = None, split: str | None = None
) -> Spec:
    """The same as maps of layer x step, which stay readable with many layers."""
    split = pick.chosen(ds, "split", split)
    one = ds.sel(split=split)
    return Panels(
        name="mrr_map_over_training",
        title="Where and when each target becomes readable",
        subtitle=pick.subtitle(
            words(split), pick.number_of_examples(one), pick.span_note(ds),
            pick.hatched_note(one), by_construction(ds),
        ),
        panels=tuple(
            map_over_training(
                one.sel(target=t, position=read_at(ds, t)), "mrr", name=t,
                title=f"{capital(words(t))}, read at {words(read_at(ds, t))}",
                value_label=VALUE, step=step,
            )
            for t in pick.names(ds, "target")
        ),
        columns=1,
        provenance=pick.provenance(ds, "mrr_map_over_training", split=split),
    )  # fmt: skip


def by_construction(ds: xr.Dataset) -> str:
    """What a reader must know of every lens on a causal model (`analyses.usable`).

    Of sentences, in which other words stand before the roles, only how many names share a token.
    """
    if "sharing_example" in ds:
        found = ds["sharing_example"].sel(target="answer").values
        least = found[found > 0].min(initial=ds.sizes["example"] + 1)
        return f"first tokens, of at least {least} names each" if 1 < least <= found.size else ""
    if "column_example" in ds:
        return ""
    return f"up to {words(_in_shorter_prompts(ds)[-1])}: as in the atomic prompt"


def comparison_mrr(
    ds: xr.Dataset, *, step: int | None = None, split: str | None = None, target: str | None = None
) -> Spec:
    """MRR of both values and of the label at every state, at one step."""
    spec = mrr(ds, step=step, split=split, target=target)
    return dataclasses.replace(spec, title="Where the two values and the label can be read")


def comparison_mrr_over_training(
    ds: xr.Dataset, *, step: int | None = None, split: str | None = None
) -> Spec:
    """MRR of each at its own position over training, one curve per layer."""
    spec = mrr_over_training(ds, step=step, split=split)
    return dataclasses.replace(spec, title="When the two values and the label become readable")


def read_at(ds: xr.Dataset, target: str) -> str:
    """The position at which a target is read: its own, the last one for any other target.

    In sentences that name the subject behind relation 1, the first hop ends at the subject.
    """
    positions = pick.names(ds, "position")
    wanted = READ_AT.get(target, positions[-1])
    if target == "bridge" and "column_example" in ds:
        first = ["subject", "relation_1"]
        column = ds["column_example"].sel(position=first).transpose(..., "position").values
        wanted = first[int(np.where(column < 0, 0, column).reshape(-1, 2).sum(0).argmax())]
    return wanted if wanted in positions else positions[-1]
