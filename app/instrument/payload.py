"""The JSON that the instrument gets of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
import xarray as xr

from app.instrument.discovered import discovered, discovered_measures
from app.instrument.measures import Datasets, example_rows, split_measures
from app.instrument.packing import curve
from app.instrument.palette import COLOURS
from app.instrument.phases import phases
from circuits.runs.run import Run

SPLITS = {
    "train_inferred": ("Trained", "compositions the model is trained on"),
    "id_test": ("ID test", "unseen compositions of facts that occur in trained compositions"),
    "ood_test": ("OOD test", "compositions of two facts that never occur in trained ones"),
}
"""The splits that analyses and curves show, with label and meaning."""

OTHER_SPLITS = {
    "io_test": "First hop ID, second OOD",
    "oi_test": "First hop OOD, second ID",
    "atomic_id": "ID facts",
    "atomic_ood": "OOD facts",
    "heldout_real": "Held-out real",
    "heldout_derived": "Held-out derived",
}
"""Labels of the splits that only tables name."""

POSITIONS = {
    "subject": ("subject", "subject"),
    "relation_1": ("first relation", "relation 1"),
    "relation_2": ("second relation", "relation 2"),
    "relation_3": ("third relation", "relation 3"),
    "attribute": ("attribute", "attribute"),
    "entity_1": ("first entity", "entity 1"),
    "entity_2": ("second entity", "entity 2"),
}
"""Label and short form of each token position."""

TARGETS = {
    "bridge": ("the bridge", "b"),
    "relation_2": ("the second relation", "r2"),
    "value_1": ("the first value", "v1"),
    "value_2": ("the second value", "v2"),
    "answer": ("the answer", "t"),
}
"""What the logit lens looks for, with the short form written into a state."""
COMPOSITION_TARGETS = ("bridge", "relation_2", "answer")
COMPARISON_TARGETS = ("value_1", "value_2", "answer")


def label_of(split: str) -> str:
    """A split's name for people."""
    return SPLITS[split][0] if split in SPLITS else OTHER_SPLITS.get(split, split)


def timeline_payload(run: Run, datasets: Datasets) -> dict[str, Any]:
    """What every page's timeline needs: steps, accuracy and loss, phases, colours."""
    frame = run.metrics()
    return {
        "steps": list(run.steps),
        "metrics": metric_curves(frame),
        "splits": [
            {"name": name, "label": label, "about": about}
            for name, (label, about) in SPLITS.items()
            if name in run.corpus.splits
        ],
        "baselines": run.baselines,
        "phases": phases(run.grok, datasets),
        "colours": COLOURS,
        "measures": {},
    }


def formation_payload(run: Run, datasets: Datasets) -> bytes:
    """The whole first page as JSON bytes.

    Args:
        run: An opened run.
        datasets: Stored results by analysis name; those missing are left blank.
    """
    payload = timeline_payload(run, datasets)
    positions = list(run.queries("train_inferred").positions)
    depth = _depth(run, datasets)
    payload["positions"] = described(positions, POSITIONS)
    payload["layers"] = depth + 1
    lens = datasets.get("logit_lens")
    expected = COMPARISON_TARGETS if run.corpus.task == "comparison" else COMPOSITION_TARGETS
    targets = list(expected) if lens is None else [str(t) for t in lens.coords["target"].values]
    payload["targets"] = described(targets, TARGETS)
    circuit = datasets.get("circuit_discovery")
    if circuit is not None:
        payload["discovered"] = discovered(circuit)
    for split in payload["splits"]:
        measures = split_measures(datasets, split["name"], run.steps)
        if circuit is not None and split["name"] in circuit.coords["split"].values:
            measures["discovered"] = discovered_measures(circuit, split["name"], run.steps)
            measures["discovered"]["examples"] = _texts(run, circuit, split["name"])
        measures["examples"] = _texts(run, datasets.get("causal_tracing"), split["name"])
        payload["measures"][split["name"]] = measures
    return dump(payload)


def _texts(run: Run, result: xr.Dataset | None, split: str) -> list[str]:
    """The questions of a result, in the order of its packed examples."""
    queries = run.queries(split)
    return [queries[row].text for row in example_rows(result, split)]


def metric_curves(frame: pd.DataFrame) -> dict[str, Any]:
    """Accuracy and loss per split over the evaluated steps."""
    curves: dict[str, Any] = {"step": [], "accuracy": {}, "loss": {}}
    if frame.empty:
        return curves
    curves["step"] = [int(step) for step in frame["step"]]
    for column in frame.columns:
        kind, _, split = str(column).partition("/")
        if kind in ("accuracy", "loss") and split:
            curves[kind][split] = curve(frame[column])
    return curves


def described(names: Sequence[str], known: dict[str, tuple[str, str]]) -> list[dict[str, str]]:
    """Name, label and short form of each; a name that is not known speaks for itself."""
    rows = []
    for name in names:
        label, short = known.get(name, (name.replace("_", " "),) * 2)
        rows.append({"name": name, "label": label, "short": short})
    return rows


def dump(payload: dict[str, Any]) -> bytes:
    """Compact JSON; a value that is no number is refused rather than sent as text."""
    return json.dumps(payload, separators=(",", ":"), allow_nan=False).encode()


def _depth(run: Run, datasets: Datasets) -> int:
    for ds in datasets.values():
        if "layer" in ds.sizes:
            return int(ds.sizes["layer"]) - 1
    model = run.manifest["model"]
    return int(model["n_layers"]) * int(model.get("n_passes", 1))
