"""A circuit that lacks something says so; a whole one says nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hand_wired import hand_wired, save_as_run
from typer.testing import CliRunner

from analyses.circuits.faithfulness import warnings_of
from analyses.figures import figure
from analyses.walk import analyze
from app.cli.main import cli


def result(alone: tuple[float, float, float], whole: tuple[float, float, float]) -> xr.Dataset:
    """Accuracy of the circuit alone and of the model, each with its bounds."""
    dims = ("step", "split", "ablation", "variant")
    variables = {
        f"{name}accuracy{end}": (dims[:k], np.full((1,) * k, value))
        for name, values, k in (("", alone, 4), ("full_", whole, 2))
        for end, value in zip(("", "_low", "_high"), values, strict=True)
    }
    coords = {"step": [50], "split": ["id_test"], "ablation": ["mean"], "variant": ["restricted"]}
    attrs = {"analysis": "circuit_discovery"}
    variables["measured"] = (("step", "split", "edge"), np.ones((1, 1, 2), np.int8))
    return xr.Dataset({**variables, "n": ("split", [300])}, coords, attrs)


def test_a_circuit_clearly_worse_than_the_model_is_called_incomplete() -> None:
    ds = result((0.79, 0.74, 0.83), (0.97, 0.95, 0.98))
    assert warnings_of(ds) == [
        "id_test, step 50: not the whole circuit: alone it answers 79%, the model 97%; weaker "
        "edges are found with --set examples=600."
    ]
    screened = ds.assign(measured=ds["measured"] * [1, 0])
    assert warnings_of(screened) == [
        "id_test, step 50: not the whole circuit: alone it answers 79%, the model 97%; 1 edges "
        "were not measured; weaker edges are found with --set examples=600 or a larger "
        "per_component."
    ]


def test_a_circuit_as_good_within_the_intervals_is_not() -> None:
    ds = result((0.95, 0.92, 0.97), (0.97, 0.95, 0.98))
    assert warnings_of(ds) == []
    assert warnings_of(ds.assign_attrs(analysis="route_ablation")) == []


def test_figures_of_an_incomplete_circuit_say_so(tmp_path: Path) -> None:
    wired = hand_wired()
    run = save_as_run(tmp_path / "run", wired.corpus, {0: wired.model})
    whole = analyze(run, "circuit_discovery", splits=["id_test"], examples=60, progress=False)
    assert warnings_of(whole) == []
    lacking = whole.assign({name: whole[name] * 0 + 0.5 for name in ("accuracy", "accuracy_high")})
    for name in ("found_circuit", "faithfulness"):
        assert "not the whole circuit" not in figure(whole, name).subtitle
        assert "alone it answers 50%, the model 100%" in figure(lacking, name).subtitle


def test_the_command_says_so_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wired = hand_wired()
    run = save_as_run(tmp_path / "run", wired.corpus, {0: wired.model})
    found = result((0.79, 0.74, 0.83), (0.97, 0.95, 0.98))
    monkeypatch.setattr("analyses.walk.analyze", lambda *_, **__: found)
    said = CliRunner().invoke(cli, ["analyze", str(run.path), "circuit_discovery"])
    assert "circuit_discovery: id_test, step 50: not the whole circuit: alone" in said.output
