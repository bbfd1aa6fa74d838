"""Final norm and unembedding of a model as tensors, for what reads states without the model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from circuits.errors import HopscopeError
from circuits.model.components import LayerNorm, RMSNorm
from circuits.model.plain import PlainTransformer
from circuits.model.protocol import Model


@dataclass(frozen=True, eq=False)
class Readout:
    """Final norm and unembedding of a model, as tensors."""

    norm: Literal["LN", "RMS"] | None
    eps: float
    w: Float[Tensor, " d_model"]
    b: Float[Tensor, " d_model"]
    W_U: Float[Tensor, "d_model d_vocab"]
    b_U: Float[Tensor, " d_vocab"]

    @classmethod
    def of(cls, model: Model) -> Readout:
        """A copy of the model's own.

        Raises:
            HopscopeError: if a bridged model's logits are not those of such a norm and unembedding
                (with a cap on logits, for example).
        """
        return _own(model) if isinstance(model, PlainTransformer) else _bridged(model)

    def __call__(self, resid: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_vocab"]:
        """Logits of final states."""
        shape = resid.shape[-1:]
        if self.norm == "LN":
            resid = F.layer_norm(resid, shape, self.w, self.b, self.eps)
        elif self.norm == "RMS":
            resid = F.rms_norm(resid, shape, self.w, self.eps)
        return F.linear(resid, self.W_U.T, self.b_U)

    @cached_property
    def directions(self) -> Float[Tensor, "d_vocab d_model"]:
        """Unembedding directions relative to their mean: one that all tokens share favours none."""
        return self.W_U.T - self.W_U.T.mean(0)

    def scaled_as(
        self, part: Float[Tensor, "*batch d_model"], whole: Float[Tensor, "*whole d_model"]
    ) -> Float[Tensor, "*batch d_model"]:
        """A part of a final state after the norm, with the scale held at that of the whole."""
        if self.norm is None:
            return part
        if self.norm == "LN":
            part = part - part.mean(-1, keepdim=True)
            whole = whole - whole.mean(-1, keepdim=True)
        return part / (whole.square().mean(-1, keepdim=True) + self.eps).sqrt() * self.w


def _own(model: Any) -> Readout:
    ln: Any = model.ln_final
    blank = model.W_U.new_ones(model.cfg.d_model).detach()
    kept = isinstance(ln, LayerNorm | RMSNorm)
    w = ln.w.detach().clone() if kept else blank
    b = ln.b.detach().clone() if isinstance(ln, LayerNorm) else torch.zeros_like(blank)
    W_U = model.W_U.detach().clone(memory_format=torch.contiguous_format)
    return Readout(
        model.cfg.normalization_type, model.cfg.eps, w, b, W_U, model.b_U.detach().clone()
    )


@torch.no_grad()
def _bridged(model: Any) -> Readout:
    """The same of a bridge, held against its own logits of two drawn states."""
    ln, blank = model.bridge.ln_final, model.W_U.new_ones(model.cfg.d_model)
    w = _parameter(ln, ("weight", "w"), blank)
    b = _parameter(ln, ("bias", "b"), torch.zeros_like(blank))
    drawn = torch.randn(2, model.cfg.d_model, generator=torch.Generator().manual_seed(0)).to(blank)
    wanted = model.logits_of(drawn[None])[0]
    for norm in ("LN", "RMS", None):
        readout = Readout(norm, model.cfg.eps, w, b, model.W_U.detach(), model.b_U.detach())
        if (readout(drawn) - wanted).abs().max() <= 1e-4 * wanted.abs().max():
            return readout
    raise HopscopeError(
        "the logits of this model are not those of a LayerNorm or RMSNorm and an unembedding, so a "
        "tuned lens and scores of heads cannot be had; the logit lens can."
    )


def _parameter(ln: Any, names: tuple[str, ...], otherwise: Tensor) -> Float[Tensor, " d_model"]:
    found = (getattr(ln, name, None) for name in names)
    return next((part.detach().clone() for part in found if part is not None), otherwise)
