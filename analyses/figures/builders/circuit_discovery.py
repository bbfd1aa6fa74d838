"""Figures of circuit discovery: the found circuit as a graph, and tests of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import xarray as xr

from analyses.circuits.faithfulness import unfaithful
from analyses.figures.builders import pick
from analyses.figures.builders.pieces import curves
from analyses.figures.specs.charts import (
    CircuitDiagram,
    DrawnEdge,
    DrawnNode,
    Lines,
    Panels,
    Series,
    Spec,
)
from analyses.figures.words import position_of, words
from circuits.circuit.nodes_and_edges import parsed_edge

ABLATIONS = {"mean": "mean-ablated", "interchange": "interchange-ablated"}
VARIANTS = {"restricted": "only the circuit", "excluded": "without the circuit"}


def found_circuit(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """The found circuit as a graph: components and the edges that carry the answer."""
    step = pick.chosen_step(ds, step)
    split = pick.chosen(ds, "split", split)
    now = ds.sel(step=step, split=split)
    positions = pick.names(ds, "corrupted")
    depth = 1 + max(parsed_edge(name)[0][1] for name in pick.names(ds, "edge"))
    edges = _edges(now, positions, depth)
    return CircuitDiagram(
        name="found_circuit",
        title=f"The circuit found at step {step:,}",
        subtitle=pick.subtitle(words(split), pick.number_of_examples(now), _summary(now),
            unfaithful(now), "in boxes: the tokens whose information leaves there",
        ),
        positions=positions,
        depth=2 * depth,
        rows=("token", *(f"{kind} {i}" for i in range(depth) for kind in ("attention", "MLP"))),
        nodes=tuple(_nodes(now, positions, depth, edges)),
        edges=tuple(edges),
        targets=(),
        strength_label="share of a token's effect that runs along the edge",
        provenance=pick.provenance(ds, "found_circuit", step=step, split=split),
    )  # fmt: skip


def _summary(now: xr.Dataset) -> str:
    kept = float(now["accuracy"].sel(ablation="mean", variant="restricted"))
    full = float(now["full_accuracy"])
    return f"{int(now['n_edges'])} edges of {now.sizes['edge']} keep {kept:.0%} right of {full:.0%}"


def _row(kind: str, layer: int) -> int:
    return 0 if kind == "embed" else 2 * layer + (1 if kind in ("attn", "head") else 2)


def _edges(now: xr.Dataset, positions: tuple[str, ...], depth: int) -> list[DrawnEdge]:
    """One edge per pair of places; heads of one layer are drawn as one, as wide as the widest."""
    found: dict[tuple, DrawnEdge] = {}
    for i, name in enumerate(pick.names(now, "edge")):
        sender, receiver = parsed_edge(name)
        strength = float(now["strength"].values[i])
        sign: Literal[1, -1] = -1 if strength < 0 else 1
        ends = sorted(sign * float(now[f"strength_{end}"].values[i]) for end in ("low", "high"))
        target = None
        if receiver[0] != "output":
            target = (_row(*receiver[:2]), positions.index(receiver[2]))
        edge = DrawnEdge(
            kind="path",
            source=(_row(*sender[:2]), positions.index(sender[2])),
            target=target,
            strength=abs(strength),
            low=ends[0],
            high=ends[1],
            sign=sign,
            shown=bool(now["in_circuit"].values[i]),
        )
        key = (edge.source, edge.target)
        if key not in found or (edge.shown, edge.strength) > (
            found[key].shown,
            found[key].strength,
        ):
            found[key] = edge
    return list(found.values())


def _nodes(
    now: xr.Dataset, positions: tuple[str, ...], depth: int, edges: list[DrawnEdge]
) -> list[DrawnNode]:
    carried: dict[tuple[int, int], set[str]] = {}
    kept = now["kept"].transpose("edge", "corrupted").values == 1
    for name, tokens in zip(pick.names(now, "edge"), kept, strict=True):
        kind, layer, position = parsed_edge(name)[0]
        place = (_row(kind, layer), positions.index(position))
        carried.setdefault(place, set()).update(np.array(positions)[tokens].tolist())
    reached = {edge.target for edge in edges if edge.shown}
    nodes = []
    for place in np.ndindex(2 * depth + 1, len(positions)):
        tokens = [position_of(p).symbol for p in positions if p in carried.get(place, ())]
        if tokens or place in reached:
            label = " · ".join(tokens) or "–"
            nodes.append(DrawnNode(layer=place[0], position=place[1], label=label))
        elif place in carried:
            nodes.append(DrawnNode(layer=place[0], position=place[1]))
    return nodes


def faithfulness(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """Accuracy and loss of the model with only its circuit, without it, and complete."""
    split = pick.chosen(ds, "split", split)
    one = ds.sel(split=split)
    cursor = None if step is None else float(pick.chosen_step(ds, step))
    return Panels(
        name="faithfulness",
        title="Is the found circuit the whole story?",
        subtitle=pick.subtitle(
            words(split), pick.number_of_examples(one), "each step with the circuit found there",
            "bands: 95% intervals", unfaithful(one.sel(step=pick.chosen_step(ds, step))),
        ),
        panels=(
            _ablated(one, "accuracy", "share right", (0.0, 1.0), cursor),
            _ablated(one, "loss", "cross-entropy (nats)", None, cursor),
        ),
        columns=2,
        provenance=pick.provenance(ds, "faithfulness", split=split),
    )  # fmt: skip


def faithfulness_of_route(
    ds: xr.Dataset, *, step: int | None = None, split: str | None = None
) -> Spec:
    """Accuracy and loss with only the two-hop route, and with its bridge cut, over training."""
    split = pick.chosen(ds, "split", split)
    one = ds.sel(split=split)
    cursor = None if step is None else float(pick.chosen_step(ds, step))
    labels = {"restricted": "only the two-hop route", "excluded": "bridge edges cut"}
    return Panels(
        name="route",
        title="How much of the answer composes",
        subtitle=pick.subtitle(
            words(split), pick.number_of_examples(one), "bands: 95% intervals",
        ),
        panels=(
            _ablated(one, "accuracy", "share right", (0.0, 1.0), cursor, labels),
            _ablated(one, "loss", "cross-entropy (nats)", None, cursor, labels),
        ),
        columns=2,
        provenance=pick.provenance(ds, "route", split=split),
    )  # fmt: skip


def _ablated(
    ds: xr.Dataset,
    variable: str,
    y_label: str,
    limits: tuple[float, float] | None,
    cursor: float | None,
    labels: Mapping[str, str] = VARIANTS,
) -> Lines:
    x = ds["step"].values.astype(float)
    whole = pick.interval(ds.transpose("step", ...), f"full_{variable}")
    series = [
        Series(label="whole model", x=x, y=whole.value, low=whole.low, high=whole.high, colour=2)
    ]
    for colour, (variant, text) in enumerate(labels.items()):
        for ablation, how in ABLATIONS.items():
            found = pick.interval(
                ds.sel(variant=variant, ablation=ablation).transpose("step", ...), variable
            )
            series.append(
                Series(
                    label=f"{text}, {how}", x=x, y=found.value, low=found.low, high=found.high,
                    colour=colour, dash="solid" if ablation == "mean" else "dash",
                )
            )  # fmt: skip
    return Lines(
        name=variable, title=variable.capitalize(), series=tuple(series), y_label=y_label,
        y_limits=limits, y_log=variable == "loss", cursor=cursor,
    )  # fmt: skip


def edges_over_training(
    ds: xr.Dataset, *, step: int | None = None, split: str | None = None
) -> Spec:
    """Strength over training of the edges that end up strongest and of those that fade most."""
    split = pick.chosen(ds, "split", split)
    one = ds.sel(split=split).transpose("step", "edge", ...)
    measured = one["n_edges"].values > 0  # no share can be given before there is a circuit
    strength, low, high = (
        np.where(measured[:, None], one[f"strength{end}"].values.astype(float), np.nan)
        for end in ("", "_low", "_high")
    )
    vague = high - low > 1  # the share of a value near zero
    low, high = np.where(vague, np.nan, low), np.where(vague, np.nan, high)
    strongest, fading = _most_telling(np.nan_to_num(strength), one["in_circuit"].values == 1)
    x = one["step"].values.astype(float)
    series = tuple(
        Series(
            label=edge_in_words(str(one["edge"].values[i])), x=x,
            y=strength[:, i], low=low[:, i], high=high[:, i],
            colour=place, dash="dash" if i in fading else "solid",
        )
        for place, i in enumerate([*strongest, *fading])
    )  # fmt: skip
    return Lines(
        name="edges_over_training",
        title="How the circuit's edges form and fade",
        subtitle=pick.subtitle(
            words(split), pick.number_of_examples(one), "dashed: the edges that fade most",
            "bands: 95% intervals",
        ),
        series=series,
        y_label="share of a token's effect",
        y_limits=(0.0, 1.0),
        cursor=None if step is None else float(pick.chosen_step(ds, step)),
        provenance=pick.provenance(ds, "edges_over_training", split=split),
    )  # fmt: skip


def _most_telling(strength: np.ndarray, kept: np.ndarray) -> tuple[list[int], list[int]]:
    """Columns of the five strongest edges of the last circuit, and of three that fell."""
    end = np.where(kept[-1], strength[-1], 0.0)
    strongest = [int(i) for i in np.argsort(-end)[:5] if end[i] > 0]
    once = np.where(kept, strength, 0.0)
    half = once[len(once) // 10 :].max(0) if len(once) > 1 else once[0]
    lost = half - strength[-1]
    lost[strongest] = 0.0
    return strongest, [int(i) for i in np.argsort(-lost)[:3] if lost[i] > 0.02]


def stability(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Spec:
    """How much of the circuit is recovered from other questions of the split, over training."""
    split = pick.chosen(ds, "split", split)
    return curves(
        ds.sel(split=split),
        {"stability": "mean Jaccard index"},
        name="stability",
        title="Stability of the circuit over resampled questions",
        subtitle=pick.subtitle(words(split), "band: 95% of the resamples"),
        y_label="Jaccard index",
        y_limits=(0.0, 1.0),
        cursor=None if step is None else float(pick.chosen_step(ds, step)),
        provenance=pick.provenance(ds, "stability", split=split),
    )


def edge_in_words(name: str) -> str:
    """ "MLP 0 at r1 to attention 1 at r2"."""
    sender, receiver = name.split(">")
    return f"{_component(sender)} to {_component(receiver)}"


def _component(name: str) -> str:
    kind, _, rest = name.partition("[")
    if kind == "output":
        return "answer"
    position, _, part = rest.partition("]")
    block, *head = kind.split(".")[1:] or [""]
    names = {"embed": "token", "attn": "attention", "mlp": "MLP", "head": "head"}
    text = " ".join(filter(None, [names[kind.split(".")[0]], ".".join([block, *head])]))
    where = position_of(position).symbol
    into = f" ({part[1:]})" if part else ""
    return f"{text} at {where}{into}" if kind != "embed" else f"{text} {where}"
