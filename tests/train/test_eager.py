"""Optimizers without PyTorch's compiler: the same bits, and nothing heavy is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from import_graph import ROOT

from train.optimizers import eager

KINDS = {
    "AdamW": (torch.optim.AdamW, {"lr": 0.1, "weight_decay": 0.5, "fused": True}),
    "Muon": (torch.optim.Muon, {"lr": 0.1, "weight_decay": 0.5}),
}


def _steps(kind: type[torch.optim.Optimizer], options: dict) -> list[torch.Tensor]:
    """Weights after some steps, with the state saved and loaded between."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(8, 4, generator=generator))
    found = []
    optimizer = kind([{"params": [weight], "weight_decay": 0.1}], **options)
    for step in range(6):
        if step == 3:
            state = optimizer.state_dict()
            optimizer = kind([weight], **options)
            optimizer.load_state_dict(state)
        weight.grad = torch.randn(8, 4, generator=generator)
        optimizer.step()
        found.append(weight.detach().clone())
    return found


@pytest.mark.parametrize("name", KINDS)
def test_an_eager_optimizer_gives_pytorch_s_bits(name):
    kind, options = KINDS[name]
    for ours, theirs in zip(_steps(eager(kind), options), _steps(kind, options), strict=True):
        assert torch.equal(ours, theirs)


# PyTorch's compiler, TransformerLens and what it brings, and what analyses and figures need.
NOT_FOR_TRAINING = (
    *("torch._dynamo", "torch._inductor", "sympy", "transformer_lens", "transformers", "datasets"),
    *("sklearn", "xarray", "zarr", "pandas", "pyarrow", "matplotlib", "plotly", "streamlit"),
)
FIRST_STEPS = f"""
import sys
from app.cli.main import cli
import train.trainer

def advance(self, advance=train.trainer.Trainer.advance):
    advance(self)
    self.optimizer.state()
    heavy = [name for name in {NOT_FOR_TRAINING} if name in sys.modules]
    print("imported:", heavy, flush=True)
    sys.exit(0 if not heavy else 1)

train.trainer.Trainer.advance = advance
cli(["train", *sys.argv[1:], "--out", "run"])
"""


def test_training_reaches_its_first_step_without_importing_what_it_does_not_need(tmp_path):
    """With Muon, beside which AdamW steps the embeddings, so both optimizers are there."""
    command = [sys.executable, "-c", FIRST_STEPS, str(ROOT / "train" / "recipes" / "demo.toml")]
    settings = ("training.steps=2", "training.device=cpu", "training.optimizer=muon")
    for setting in settings:
        command += ["--set", setting]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "imported: []" in done.stdout, done.stdout + done.stderr[-2000:]
