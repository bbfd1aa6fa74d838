"""The JSON that the instrument gets of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from analyses.bridge_swaps import FIRST_HOP, first_hop_role
from analyses.figures.words import position_of, split_of, target_of, vocabulary
from analyses.usable import usable_states
from app.instrument.accuracies import evaluated, with_interval
from app.instrument.around_fields import AroundPayload
from app.instrument.discovered import discovered, discovered_measures
from app.instrument.fields import (
    CheckMark,
    ComparedSeries,
    Metrics,
    NamedPosition,
    Payload,
    Sliced,
    SplitMeasures,
    Tour,
    Vocabulary,
)
from app.instrument.further import further_panels, further_results
from app.instrument.measures import Datasets, example_rows, split_measures
from app.instrument.packing import curve
from app.instrument.palette import COLOURS
from app.instrument.phases import phases
from circuits.errors import HopscopeError
from circuits.runs.run import Run
from circuits.series.record import kept_check

DASHES = {"solid": "", "dash": "9 3", "dot": "2 3"}
"""Dashes of lines in pixels."""
TRAINED = "train_inferred"
DRAWN_SPLITS = (TRAINED, "id_test", "ood_test", "asked")
"""The splits that can be chosen on the first page."""
LENS_TARGETS = {
    "composition": ("bridge", "relation_2", "answer"),
    "comparison": ("value_1", "value_2", "answer"),
}
"""The names that the logit lens of a task looks for."""


def timeline_payload(run: Run, datasets: Datasets) -> Payload:
    """The timeline's part of every page: steps, accuracy and loss, phases, colours."""
    frame = run.metrics()
    return {
        "steps": list(run.steps),
        "metrics": metric_curves(run, frame),
        "splits": [
            {
                "name": name,
                "label": split_of(name).short,
                "about": split_of(name).about,
                "dash": DASHES[split_of(name).dash],
            }
            for name in DRAWN_SPLITS
            if len(run.corpus.splits.get(name, ()))
        ],
        "vocabulary": spoken_names(),
        "baselines": run.baselines,
        "phases": phases(
            run.grok, datasets, frame, evaluated(run, TRAINED), _first_hop(run), run.steps
        ),
        "checked": check_marks(run),
        "colours": COLOURS,
        "measures": {},
    }


def _first_hop(run: Run) -> str:
    asked = next((name for name in DRAWN_SPLITS if len(run.corpus.splits.get(name, ()))), None)
    return FIRST_HOP if asked is None else first_hop_role(run, asked)


def formation_payload(run: Run, datasets: Datasets, tour: Tour | None = None) -> bytes:
    """The whole first page as JSON bytes.

    Args:
        run: An opened run.
        datasets: Stored results by analysis name; those missing are left blank.
        tour: The guided tour of the run, if there is one.
    """
    parts = formation_parts(run, datasets, timeline_payload(run, datasets))
    return dump({**parts, "tour": tour} if tour else parts)


def sliced_payload(run: Run, datasets: Datasets, accuracy: Mapping[str, ComparedSeries]) -> bytes:
    """What the first page shows on a slice instead of all questions, as JSON bytes.

    Args:
        run: An opened run.
        datasets: Results on the slice.
        accuracy: The accuracy on the slice by split.
    """
    measures: dict[str, SplitMeasures] = {}
    for split in (name for name in DRAWN_SPLITS if len(run.corpus.splits.get(name, ()))):
        found = split_measures(datasets, split, run.steps, roles_of(run))
        found["examples"] = _texts(run, datasets.get("causal_tracing"), split)
        asked = len(example_rows(datasets.get("logit_lens"), split))
        words = SLICED_ABOUT.format(n=f"{asked:,}")
        found["about"] = words if asked else asked_in_words(run, 0, split)
        if split in accuracy:
            found["sliced"] = accuracy[split]
        measures[split] = found
    return dump({"measures": measures})


def lens_targets(run: Run, lens: xr.Dataset | None) -> list[str]:
    """The names that the logit lens of a run looks for: those of its result, if it has one."""
    if lens is None:
        return list(LENS_TARGETS[run.corpus.task])
    return [str(name) for name in lens.coords["target"].values]


def formation_parts(run: Run, datasets: Datasets, timeline: Payload) -> Payload:
    """What the first page is sent, beside what its timeline needs."""
    payload: Payload = {**timeline, "measures": {}}
    positions = roles_of(run) or list(run.queries("train_inferred").positions)
    depth = _depth(run, datasets)
    payload["positions"] = described_positions(positions)
    payload["layers"] = depth + 1
    payload["usable"] = usable_states(depth, len(positions)).tolist()
    payload["targets"] = [
        {"name": name, "label": target_of(name).spoken, "short": target_of(name).symbol}
        for name in lens_targets(run, datasets.get("logit_lens"))
    ]
    circuit = datasets.get("circuit_discovery")
    if circuit is not None:
        payload["discovered"] = discovered(circuit)
    derived = further_results(datasets)
    for split in payload["splits"]:
        measures = split_measures(datasets, split["name"], run.steps, roles_of(run))
        if circuit is not None and split["name"] in circuit.coords["split"].values:
            measures["discovered"] = discovered_measures(circuit, split["name"], run.steps)
            measures["discovered"]["examples"] = _texts(run, circuit, split["name"])
        measures["examples"] = _texts(run, datasets.get("causal_tracing"), split["name"])
        measures["further"] = further_panels(derived, split["name"])
        asked = len(example_rows(datasets.get("logit_lens"), split["name"]))
        measures["about"] = asked_in_words(run, asked, split["name"])
        payload["measures"][split["name"]] = measures
    return payload


def check_marks(run: Run) -> list[CheckMark]:
    """What the run's stored check found, for each step that is wrong; none if it has no check."""
    try:
        check = kept_check(run.path)
    except HopscopeError:  # no file of ours: the run is whole without it
        return []
    found = check.findings if check else ()
    said = {step: [one.sentence for one in found if step in one.steps] for step in run.steps}
    return [{"step": step, "text": "; ".join(texts)} for step, texts in said.items() if texts]


SLICED_ABOUT = (
    "Maps, states, curves of a state and the slice's own: its {n} measured questions; tracing: "
    "those answered correctly at the step. Other curves and discovered edges: all questions."
)


def asked_in_words(run: Run, asked: int, split: str) -> str:
    """How many questions are behind the curves, and why fewer are behind the maps.

    Args:
        run: An opened run.
        asked: The questions of the split that are behind the maps.
        split: The split.
    """
    every, trained = len(run.corpus.splits.get(split, ())), evaluated(run, split)
    when = "at import" if "imported" in run.manifest else "while training"
    name = split_of(split).short
    words = f"Accuracy and loss on {name}: n = {trained:,} of {every:,} questions, asked {when}."
    if run.corpus.text:
        words = f"Accuracy: whole answers; maps: first tokens of names. {words}"
    if not asked:
        return words
    words = f"{words} Maps and circuit: n = {asked:,}, the same ones at every checkpoint"
    fewer = "; fewer, since each is run again for every cell of a map" if asked < trained else ""
    return f"{words}{fewer}. Lens maps are mean reciprocal ranks, the others shares of answers."


def _texts(run: Run, result: xr.Dataset | None, split: str) -> list[str]:
    """The questions of a result, in the order of its packed examples."""
    queries = run.queries(split)
    return [queries[row].text for row in example_rows(result, split)]


def roles_of(run: Run) -> list[str] | None:
    """Roles of sentences in the order in which most of them are read; None: roles are columns.

    What a model knows goes from a role to later ones only: "The currency of the country of Lyon is"
    has its second relation first.
    """
    asked = [run.queries(name) for name in DRAWN_SPLITS if len(run.corpus.splits.get(name, ()))]
    if not asked or not asked[0].ragged:
        return None
    orders = np.argsort(asked[0].role_columns, axis=1, kind="stable")
    found, n = np.unique(orders, axis=0, return_counts=True)
    return [asked[0].positions[i] for i in found[n.argmax()]]


def spoken_names() -> Vocabulary:
    """Names of splits and shortcuts."""
    names = vocabulary()
    return {"splits": names["splits"], "shortcuts": names["shortcuts"]}


def metric_curves(run: Run, frame: pd.DataFrame) -> Metrics:
    """Accuracy and loss per split over the evaluated steps, accuracies with n and intervals."""
    curves: Metrics = {"step": [], "accuracy": {}, "loss": {}, "low": {}, "high": {}, "n": {}}
    if frame.empty:
        return curves
    curves["step"] = [int(step) for step in frame["step"]]
    for column in frame.columns:
        kind, _, split = str(column).partition("/")
        if kind == "accuracy" and split:
            n = evaluated(run, split)
            found = with_interval(frame[column].to_numpy(float), n)
            curves["accuracy"][split], curves["n"][split] = curve(found.share), n
            curves["low"][split], curves["high"][split] = curve(found.low), curve(found.high)
        elif kind == "loss" and split:
            curves["loss"][split] = curve(frame[column])
    return curves


def described_positions(names: Sequence[str]) -> list[NamedPosition]:
    """Name, label for sentences, short form and symbol of each token position."""
    known = ((name, position_of(name)) for name in names)
    return [{"name": n, "label": p.spoken, "short": p.words, "symbol": p.symbol} for n, p in known]


def dump(payload: Payload | AroundPayload | Sliced) -> bytes:
    """Compact JSON; NaN and infinity are refused, because JSON has no such numbers."""
    return json.dumps(payload, separators=(",", ":"), allow_nan=False).encode()


def _depth(run: Run, datasets: Datasets) -> int:
    for ds in datasets.values():
        if "layer" in ds.sizes:
            return int(ds.sizes["layer"]) - 1
    model = run.manifest["model"]
    return int(model["n_layers"]) * int(model.get("n_passes", 1))
