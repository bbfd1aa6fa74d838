"""The models of a run's steps, from wherever its weights are.

A run of ours has them in checkpoints/. An imported one has them there as well, or refers to them
(`link`), or keeps another architecture as it is (`bridged`), or has none (`given`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from circuits.errors import HopscopeError
from circuits.model.config import ModelConfig
from circuits.model.transformer import HookedTransformer
from circuits.remote.mirror import fetch_below
from circuits.runs.checkpoints import load_checkpoint, refuse_larger
from circuits.runs.reading import checkpoint_name, file_sha256
from circuits.runs.remote import is_only_remote

if TYPE_CHECKING:
    from circuits.runs.run import Run


def load_model(run: Run, step: int | None, device: str) -> Any:
    """The model at a step (None: the last one), in eval mode and fp32; see `Run.model`."""
    if not run.steps:
        raise HopscopeError(f"{run.path} has no checkpoint yet; wait, or train it again.")
    step = run.steps[-1] if step is None else run.checked_step(step)
    if run.given:
        raise HopscopeError(
            f"{run.path} has results but no weights, since a function loaded its models; open "
            "it with open_series(steps, load, corpus, out=...)."
        )
    if run.bridged:
        from circuits.series.bridges import bridge_of_run

        digest = run.digest(step)
        fetch_below(run.path / "checkpoints" / Path(checkpoint_name(step)).stem)
        return bridge_of_run(run.path, run.manifest, step, sha256=digest, device=device)
    config = ModelConfig.from_json(run.manifest["model"])
    if not run.link:
        refuse_larger(run.path, step, run.checkpoint_path(step), config.n_matrix_weights)
    model = HookedTransformer(config)
    run.load_weights(model, step)
    return model.to(device).eval()


def step_weights(run: Run, model: HookedTransformer, step: int) -> dict[str, Tensor]:
    """Weights of a step in fp32, under the names and with the shapes of the model's."""
    if run.link:
        from circuits.series.linked import linked_weights

        return linked_weights(run.manifest, step, sha256=run.digest(step))
    shapes = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    return load_checkpoint(run.checkpoint_path(step), shapes, sha256=run.digest(step))


def digests_on_disk(run: Run) -> Mapping[int, str | None]:
    """SHA-256 of each step's file as it is now; None where it cannot be read."""
    if run.given:
        return {step: run.digest(step) for step in run.steps}
    if run.link or run.bridged:
        from circuits.series.linked import folder_of, imported_digests

        return imported_digests(folder_of(run.path, run.manifest))
    folder = run.path / "checkpoints"
    files = {step: folder / checkpoint_name(step) for step in run.steps}
    return {  # what was not copied from a bucket yet is checked when it is
        step: run.digest(step) if is_only_remote(path) else file_sha256(path)
        for step, path in files.items()
    }
