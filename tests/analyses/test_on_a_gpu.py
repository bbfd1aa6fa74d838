"""Analyses of a model on a GPU, in so far as this can be known without one.

`pretend_gpu` says what it finds and what it does not. The answers are those of the CPU.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from pretend_gpu import pretend_gpu
from tiny_runs import tiny_recipe
from tiny_texts import tiny_text_recipe

from analyses.catalog import CATALOG
from analyses.questions.examples import draw_examples
from circuits import Run
from circuits.devices import chosen_device
from circuits.errors import HopscopeError
from train.loop import train

FEW: dict[str, dict[str, Any]] = {
    "probes": {"n_train": 40},
    "tuned_lens": {"n_train": 40, "adam_steps": 2},
    "component_patching": {"components": ("resid_mid", "mlp_out", "z", "pattern")},
    "bridge_subspace": {"train": 20, "learn_steps": 2},
    "interchange": {"train": 20, "epochs": 1, "rank": 2},
    "sparse_probes": {"bridges": 5, "k": (1,)},
    "jacobian_lens": {"prompts": 20},
    "edit_propagation": {"n_edits": 5, "max_steps": 2, "retained": 8},
}
OTHERS = ("learning_coefficient", "transfer")
"""One samples by devinterp, the other trains long enough for rounding to show."""
COMPOSITION = [name for name, entry in CATALOG.items() if "composition" in entry.tasks]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Runs of a few steps: questions of one token per role, and of sentences."""
    folder: Path = tmp_path_factory.mktemp("runs")
    few = {"training__steps": 4, "model__n_layers": 2, "checkpoints__every": 4}
    return {
        "names": train(tiny_recipe(**few), folder / "names"),
        "sentences": train(tiny_text_recipe(**few), folder / "sentences"),
    }


def analyzed(run: Run, name: str, device: str) -> xr.Dataset:
    """One checkpoint, a few trained questions."""
    entry = CATALOG[name]
    examples = draw_examples(run.corpus, "train_inferred", 6, 0)
    with torch.no_grad():
        return entry.run(run.model(4, device), examples, entry.options(FEW.get(name, {})))


def cases() -> list[tuple[str, str]]:
    """Every analysis of questions by name, and the one of sentences that gathers by role."""
    fitting = [CATALOG[name] for name in COMPOSITION if name not in OTHERS]
    names = [entry.name for entry in fitting if not (entry.joint or entry.needs_text)]
    return [*(("names", name) for name in names), ("sentences", "bridge_patching")]


@pytest.mark.parametrize(("kind", "name"), cases())
def test_an_analysis_gives_the_numbers_of_the_cpu(
    kind: str, name: str, runs: dict[str, Run]
) -> None:
    expected = analyzed(runs[kind], name, "cpu")
    with pretend_gpu() as gpu:
        found = analyzed(runs[kind], name, str(gpu))
    for key, values in expected.data_vars.items():
        numbers = found[key].values
        if values.dtype.kind == "f":
            assert np.allclose(numbers, values.values, rtol=1e-3, atol=1e-3, equal_nan=True), key
        else:
            assert (numbers == values.values).all(), key


def test_the_pretended_gpu_refuses_what_a_real_one_refuses() -> None:
    with pretend_gpu() as gpu:
        there = torch.ones(3, device=gpu)
        with pytest.raises(RuntimeError, match="same device"):
            there + torch.ones(3)
        with pytest.raises((RuntimeError, TypeError)):
            there.numpy()
        assert (there[[0, 2]] + 1).cpu().tolist() == [2.0, 2.0]


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(HopscopeError, match='--device is "cuda", but PyTorch sees no CUDA'):
        chosen_device("cuda", "--device")
    with pytest.raises(HopscopeError, match="tpu"):
        chosen_device("tpu", "--device")
