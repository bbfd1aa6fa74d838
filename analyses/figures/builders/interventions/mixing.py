"""Figures of mixing: whether the bridge's embedding helps, where, and from when on."""

from __future__ import annotations

import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.pick import interval
from analyses.figures.builders.pieces import two_way_map
from analyses.figures.specs.charts import Lines, Panels, Series, Spec
from analyses.figures.words import capital, words

MIXED_IN = {
    "decoded": "decoded entity",
    "true_bridge": "true bridge",
    "random": "control: random entity",
}


def mixed_accuracy(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """Accuracy with an embedding mixed into each layer at relation 1, by mixing strength."""
    step, split = pick.chosen_step(ds, step), pick.chosen(ds, "split", split)
    now = ds.sel(step=step, split=split)
    return Panels(
        name="mixed_accuracy",
        title="Accuracy with the bridge mixed back in",
        subtitle=pick.subtitle(words(split), pick.at_step(step), pick.number_of_examples(now)),
        panels=tuple(
            two_way_map(
                now.sel(mixed_in=m),
                "accuracy",
                "layer",
                "strength",
                name=m,
                title=MIXED_IN.get(m, capital(words(m))),
                value_label="accuracy",
                column_label="share mixed in",
            )
            for m in pick.names(ds, "mixed_in")
        ),
        columns=3,
        provenance=pick.provenance(ds, "mixed_accuracy", step=step, split=split),
    )


def gain_over_training(
    ds: xr.Dataset,
    *,
    step: int | None = None,
    split: str | None = None,
    layer: int | None = None,
    strength: float = 0.5,
) -> Spec:
    """Accuracy with and without mixing over training, at one layer and strength."""
    split = pick.chosen(ds, "split", split)
    strength = pick.chosen(ds, "strength", strength)
    layer = int(pick.chosen(ds, "layer", layer))
    one = ds.sel(split=split, layer=layer)
    x = ds["step"].values.astype(float)
    series = []
    curves = []
    if 0.0 in ds["strength"].values:
        curves = [("decoded", 0.0, "without mixing", 3, "dot")]
    curves += [
        (source, strength, label, i, "dash" if source == "random" else "solid")
        for i, (source, label) in enumerate(MIXED_IN.items())
    ]
    for source, at, label, colour, dash in curves:
        found = interval(one.sel(mixed_in=source, strength=at).transpose("step", ...), "accuracy")
        series.append(
            Series(
                label=label, x=x, y=found.value, low=found.low, high=found.high, colour=colour,
                dash=dash,  # type: ignore[arg-type]
            )
        )  # fmt: skip
    return Lines(
        name="gain_over_training",
        title=f"Mixing at strength {strength:g} into layer {layer}",
        subtitle=pick.subtitle(
            words(split), pick.number_of_examples(one), "bands: 95% intervals over examples"
        ),
        series=tuple(series),
        y_label="accuracy",
        y_limits=(0.0, 1.0),
        cursor=None if step is None else pick.chosen_step(ds, step),
        provenance=pick.provenance(
            ds, "gain_over_training", split=split, layer=layer, strength=strength
        ),
    )
