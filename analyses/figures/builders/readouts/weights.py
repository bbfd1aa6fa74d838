"""Figures over training: norms and ranks of the weights, and their angle to the gradient."""

from __future__ import annotations

import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.pick import interval, names
from analyses.figures.specs.charts import Lines, Panels, Series, Spec

MAIN = ("all", "embed.W_E", "unembed.W_U")


def weight_norms(
    ds: xr.Dataset, *, step: int | None = None, parameters: tuple[str, ...] | None = None
) -> Spec:
    """Norms of the weights over training: all of them, the embedding and the unembedding."""
    present = pick.names(ds, "parameter")
    wanted = parameters or tuple(p for p in MAIN if p in present)
    one = ds.isel(split=0)
    series = tuple(
        Series(
            label="all weights" if p == "all" else p,
            x=ds["step"].values.astype(float),
            y=one["norm"].sel(parameter=pick.chosen(ds, "parameter", p)).values.astype(float),
            colour=i,
        )
        for i, p in enumerate(wanted)
    )
    return Lines(
        name="weight_norms",
        title="Norm of the weights over training",
        series=series,
        y_label="Frobenius norm",
        cursor=None if step is None else float(pick.chosen_step(ds, step)),
        provenance=pick.provenance(ds, "weight_norms", step=step, parameters=parameters),
    )


def effective_ranks(ds: xr.Dataset, *, step: int | None = None) -> Spec:
    """Effective rank of every matrix over training, a panel per kind, a curve per block."""
    cursor = None if step is None else pick.chosen_step(ds, step)
    kinds: dict[str, list[str]] = {}
    for matrix in names(ds, "matrix"):
        kinds.setdefault(matrix.rpartition(".")[2], []).append(matrix)
    one = ds.isel(split=0)
    return Panels(
        name="effective_ranks",
        title="Effective rank of the weights over training",
        subtitle="exp of the entropy of the singular values",
        panels=tuple(_ranks(one, kind, of, cursor) for kind, of in kinds.items()),
        columns=4,
        provenance=pick.provenance(ds, "effective_ranks"),
    )


def _ranks(ds: xr.Dataset, kind: str, matrices: list[str], cursor: float | None) -> Lines:
    highest = float(ds["full_rank"].sel(matrix=matrices).max())
    return Lines(
        name=kind,
        title=kind,
        subtitle=f"of at most {highest:.0f}",
        series=tuple(
            Series(
                label=label,
                x=ds["step"].values.astype(float),
                y=ds["effective_rank"].sel(matrix=matrix).values.astype(float),
                colour=colour,
            )
            for matrix in matrices
            for label, colour in [_owner(matrix, len(matrices))]
        ),
        y_label="effective rank",
        cursor=cursor,
    )


def _owner(matrix: str, n_blocks: int) -> tuple[str, float | int]:
    """Label and colour of what a matrix belongs to, the same in every panel of the figure."""
    part, _, rest = matrix.partition(".")
    if part != "blocks":
        return "outside of blocks", 1
    block = int(rest.partition(".")[0])
    return f"block {block}", block / max(1, n_blocks - 1)


def gradient_cosines(
    ds: xr.Dataset, *, step: int | None = None, parameters: tuple[str, ...] | None = None
) -> Spec:
    """Cosine of the loss's gradient and the weights over training; -1 only scales weights up."""
    present = names(ds, "parameter")
    wanted = parameters or tuple(p for p in MAIN if p in present)
    one = ds.isel(split=0)
    series = []
    for i, parameter in enumerate(wanted):
        of = one.sel(parameter=pick.chosen(ds, "parameter", parameter))
        found = interval(of.transpose("step", ...), "gradient_cosine")
        label = "all weights" if parameter == "all" else parameter
        x = ds["step"].values.astype(float)
        series.append(
            Series(label=label, x=x, y=found.value, low=found.low, high=found.high, colour=i)
        )
    return Lines(
        name="gradient_cosines",
        title="Cosine of gradient and weights over training",
        subtitle=pick.subtitle(pick.number_of_examples(ds), "bands: 95% intervals, jackknife"),
        series=tuple(series),
        y_label="cosine",
        cursor=None if step is None else pick.chosen_step(ds, step),
        provenance=pick.provenance(ds, "gradient_cosines", parameters=parameters),
    )
