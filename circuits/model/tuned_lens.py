"""Tuned lens: the logit lens after an affine translator per layer (Belrose et al., 2303.08112).

The logit lens takes for granted that a middle state is in the final state's basis. The tuned lens
learns what each state would become: one translator per layer, S[l] -> S[l] A_l + c_l, shared by all
positions; first the ridge solution that predicts the last state S[depth], then a few Adam steps
that lower the KL divergence of the lens's distribution from the model's final one at that position.
At a position it reads what the model goes on to predict *there*.

A lens has its own copy of the final norm and the unembedding, so that it reads states without the
model. Its file is safetensors with the settings as JSON in the header; nothing in it is executed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from jaxtyping import Float
from torch import Tensor

from circuits.errors import HopscopeError
from circuits.files import write_atomically
from circuits.model.added_hooks import check_hook_free
from circuits.model.inputs import check_tokens
from circuits.model.protocol import Model
from circuits.model.readout import Readout

FORMAT, VERSION = "hopscope tuned lens", 1

States = Float[Tensor, "layer n pos d_model"]


@dataclass(frozen=True, eq=False)
class TunedLens:
    """One affine map per layer 0 to depth - 1; the last state does not need one.

    >>> import torch
    >>> from circuits import HookedTransformer, ModelConfig, TunedLens
    >>> model = HookedTransformer(ModelConfig(2, 8, n_ctx=3, d_vocab=9, n_heads=2)).eval()
    >>> tokens = torch.randint(9, (100, 3), generator=torch.manual_seed(0))
    >>> lens = TunedLens.fit(model, tokens)
    >>> resid = model(tokens, stop_at_layer=1)  # S[1]
    >>> lens(resid, 1).shape
    torch.Size([100, 3, 9])
    >>> torch.allclose(lens(model(tokens, stop_at_layer=2), 2), model(tokens), atol=1e-5)
    True
    """

    matrix: Float[Tensor, "layer d_model d_model"]
    shift: Float[Tensor, "layer 1 d_model"]
    readout: Readout

    @property
    def depth(self) -> int:
        """Number of blocks of the model; states are those of layers 0 to depth."""
        return len(self.matrix)

    @classmethod
    @torch.no_grad()
    def fit(cls, model: Model, tokens: Any, **settings: Any) -> TunedLens:
        """Learn from the states of prompts, at all positions.

        Args:
            model: In eval mode, without added hooks.
            tokens: Token ids [n, pos], or queries; use prompts other than those to be read.
            **settings: Settings of `fit_states`.
        """
        if isinstance(model, torch.nn.Module):  # hooks of a bridged model are run
            check_hook_free(model, "TunedLens.fit_states with the states of your own run")
        if model.training:
            raise HopscopeError("the model is in training mode; call model.eval() before fitting.")
        ids = check_tokens(model.cfg, tokens, model.device)
        resid = model(ids, stop_at_layer=0)
        states = [resid]
        for i in range(model.depth):
            resid = model(resid, start_at_layer=i, stop_at_layer=i + 1)
            states.append(resid)
        return cls.fit_states(model, torch.stack(states), **settings)

    @classmethod
    def fit_states(
        cls,
        model: Model,
        states: States,
        *,
        penalty: float = 1.0,
        adam_steps: int = 60,
        learning_rate: float = 1e-3,
        batch: int = 512,
        seed: int = 0,
    ) -> TunedLens:
        """Learn from given states, all layers at once.

        Args:
            model: The model that the states come from.
            states: S[0] to S[depth].
            penalty: Penalty of the ridge solution, for states scaled to unit variance.
            adam_steps: Steps after the ridge solution.
            learning_rate: Learning rate of Adam.
            batch: States per Adam step.
            seed: Seed of the draw of batches.
        """
        if states.shape[1] * states.shape[2] < 2:
            raise HopscopeError("a lens learns from several states; give more prompts.")
        x, last = states[:-1].flatten(1, 2), states[-1].flatten(0, 1)
        readout = Readout.of(model)
        start = _ridge(x, last, penalty)
        if not adam_steps:  # making an optimizer takes seconds the first time
            return cls(start[0].detach(), start[1].detach(), readout)
        final = readout(last).log_softmax(-1)
        with torch.enable_grad():
            moving = [part.clone().requires_grad_() for part in start]
            optimizer = torch.optim.Adam(moving, lr=learning_rate)
            draw = torch.Generator().manual_seed(seed)
            size = min(batch, len(last))
            for _ in range(adam_steps):
                rows = torch.randperm(len(last), generator=draw)[:size].to(last.device)
                logits = readout(x[:, rows] @ moving[0] + moving[1])
                loss = divergence(final[rows], logits).mean(1).sum()
                moving[0].grad, moving[1].grad = torch.autograd.grad(loss, moving)
                optimizer.step()
        matrix, shift = (part.detach() for part in moving)
        return cls(matrix, shift, readout)

    def translated(
        self, resid: Float[Tensor, "layer n d_model"]
    ) -> Float[Tensor, "layer n d_model"]:
        """The predicted final state for each state of every layer but the last."""
        return resid @ self.matrix + self.shift

    def __call__(
        self, resid: Float[Tensor, "*batch d_model"], layer: int
    ) -> Float[Tensor, "*batch d_vocab"]:
        """Logits that states S[layer] lead to; at layer = depth those of the model itself."""
        d_model = self.matrix.shape[-1]
        if not -self.depth - 1 <= layer <= self.depth:
            raise HopscopeError(f"layer {layer} does not exist; this lens reads 0 to {self.depth}.")
        if resid.shape[-1:] != (d_model,):
            raise HopscopeError(
                f"states of shape {list(resid.shape)} cannot be read; their last axis is {d_model}."
            )
        layer %= self.depth + 1
        if layer < self.depth:
            resid = resid @ self.matrix[layer] + self.shift[layer, 0]
        return self.readout(resid)

    def save(self, path: str | Path) -> None:
        """Write the lens as one safetensors file.

        Raises:
            CannotWrite: if the folder cannot be written.
        """
        about = {"format": FORMAT, "version": VERSION, "norm": self.readout.norm,
                 "eps": self.readout.eps}  # fmt: skip
        tensors = {name: part.detach().cpu().contiguous() for name, part in self._tensors().items()}
        content = safetensors.torch.save(tensors, {"hopscope": json.dumps(about)})
        write_atomically(Path(path), content)

    @classmethod
    def load(cls, path: str | Path) -> TunedLens:
        """Inverse of `save`, on the CPU.

        Raises:
            HopscopeError: if the file is missing, damaged or not a lens of this version.
        """
        try:
            with safetensors.safe_open(path, "pt") as file:
                about = json.loads((file.metadata() or {}).get("hopscope", "{}"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, ValueError, safetensors.SafetensorError) as error:
            raise HopscopeError(f"{path} cannot be read as a tuned lens: {error}.") from None
        _check_file(path, about, tensors)
        readout = Readout(
            about["norm"], about["eps"], *(tensors[n] for n in ("w", "b", "W_U", "b_U"))
        )
        return cls(tensors["matrix"], tensors["shift"], readout)

    def _tensors(self) -> dict[str, Tensor]:
        parts = ("w", "b", "W_U", "b_U")
        own = {"matrix": self.matrix, "shift": self.shift}
        return own | {name: getattr(self.readout, name) for name in parts}


def divergence(
    final: Float[Tensor, "... d_vocab"], logits: Float[Tensor, "layer ... d_vocab"]
) -> Float[Tensor, "layer ..."]:
    """KL(final || lens) in nats, given final log-probabilities."""
    return (final.exp() * (final - logits.log_softmax(-1))).sum(-1)


def _ridge(
    x: Float[Tensor, "layer n d_model"], last: Float[Tensor, "n d_model"], penalty: float
) -> tuple[Float[Tensor, "layer d_model d_model"], Float[Tensor, "layer 1 d_model"]]:
    """Predict the last state from each layer's, penalizing the change from the identity."""
    mean, centred = x.mean(1, keepdim=True), x - x.mean(1, keepdim=True)
    scale = centred.square().mean((1, 2), keepdim=True).sqrt().clamp_min(1e-12)
    eye = torch.eye(x.shape[-1], device=x.device)
    gram = centred.mT @ centred + penalty * scale**2 * eye
    residual = (last - last.mean(0)) - centred
    matrix = eye + torch.linalg.solve(gram, centred.mT @ residual)
    return matrix, last.mean(0) - mean @ matrix


def _check_file(path: str | Path, about: Any, tensors: dict[str, Tensor]) -> None:
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise HopscopeError(f"{path} is not a tuned lens; give a file that TunedLens.save wrote.")
    if about.get("version") != VERSION:
        raise HopscopeError(
            f"{path} has version {about.get('version')!r} and this Hopscope reads {VERSION}; read "
            "it with the Hopscope that wrote it."
        )
    depth, d_model = tensors["matrix"].shape[:2] if "matrix" in tensors else (0, 0)
    d_vocab = tensors["W_U"].shape[-1] if "W_U" in tensors else 0
    shapes = {
        "matrix": (depth, d_model, d_model), "shift": (depth, 1, d_model), "w": (d_model,),
        "b": (d_model,), "W_U": (d_model, d_vocab), "b_U": (d_vocab,),
    }  # fmt: skip
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    numbers = all(t.is_floating_point() and t.isfinite().all() for t in tensors.values())
    named = about.get("norm") in ("LN", "RMS", None) and isinstance(about.get("eps"), float)
    if found != shapes or not numbers or not named:
        raise HopscopeError(f"{path} is a damaged tuned lens: its tensors do not fit each other.")
