"""The whole model as one differentiable operation on a CPU, from tokens to logits.

It has the parameters and numbers of the hooked path; `circuits.model.cpu.block` says why it is
hand-written. Gradients can be taken once (no gradient of a gradient).
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from circuits.errors import HopscopeError
from circuits.model.config import ModelConfig
from circuits.model.cpu.block import BlockTape, Norms, block_backward, block_forward
from circuits.model.cpu.compiled_ops import ops_for
from circuits.model.cpu.prefix_sharing import PrefixTree, prefix_tree
from circuits.model.cpu.torch_ops import TorchOps
from circuits.model.cpu.weights import Workspace
from circuits.model.plain import PlainTransformer


def cpu_logits(
    model: PlainTransformer,
    tokens: Int[Tensor, "batch pos"],
    predict_at: Int[Tensor, " predictions"] | None,
    dtype: torch.dtype,
    of_row: Int[Tensor, " predictions"] | None = None,
) -> Float[Tensor, "predictions d_vocab"]:
    """Logits as in `fast_logits`, matrix products in dtype. Dropout is not applied."""
    names, parameters = zip(*model.named_parameters(), strict=True)
    if away := [parameter.device for parameter in parameters if not parameter.is_cpu]:
        # checked here, because the kernels would read a device address as one of the host
        raise HopscopeError(
            f"the tokens are on the CPU but the model is on {away[0]}; "
            "give tokens.to(model.device)."
        )
    ops = ops_for(model.cfg, dtype)
    tree = prefix_tree(tokens, predict_at, model.depth, ops.distinct, of_row)
    job = _Job(model.cfg, tree, _workspace(model, ops), names, model.b_U, ops)
    # the kernels read plain rows of fp32; the model may have been cast or loaded in another dtype
    plain = (parameter.float().contiguous() for parameter in parameters)
    return _Logits.apply(job, torch.is_grad_enabled(), *plain)


_workspaces: WeakKeyDictionary[nn.Module, dict[torch.dtype, Workspace]] = WeakKeyDictionary()


def _workspace(model: PlainTransformer, ops: TorchOps) -> Workspace:
    of_model = _workspaces.setdefault(model, {})
    if ops.dtype not in of_model:
        of_model[ops.dtype] = ops.workspace()
    return of_model[ops.dtype]


class _Job:
    """The forward pass of one batch and, if gradients are needed, its backward pass."""

    def __init__(
        self,
        cfg: ModelConfig,
        tree: PrefixTree,
        workspace: Workspace,
        names: tuple[str, ...],
        b_U: Tensor,
        ops: TorchOps,
    ) -> None:
        self.cfg, self.tree, self.workspace, self.names, self.b_U = cfg, tree, workspace, names, b_U
        self.ops = ops
        self.dtype = workspace.dtype
        self.tapes: list[BlockTape] = []

    def forward(self, parameters: tuple[Tensor, ...], keep: bool) -> Tensor:
        cfg, tree = self.cfg, self.tree
        p = dict(zip(self.names, parameters, strict=True))
        n_norms = {"LN": 2, "RMS": 1, None: 0}[cfg.normalization_type]
        self.workspace.fill(p)
        self.norms = [_norms(p, i, n_norms) for i in range(cfg.n_layers)]
        self.ln_final = tuple(p[f"ln_final.{kind}"] for kind in "wb"[:n_norms])
        unembedding = p["embed.W_E"].T if cfg.tied_unembedding else p["unembed.W_U"]
        self.W_U = unembedding.to(self.dtype)
        resid = p["embed.W_E"].index_select(0, tree.tokens)
        for rows, position in zip(
            resid.split(tree.token_sizes), p["pos_embed.W_pos"], strict=False
        ):
            rows += position
        delta = None
        for i in range(cfg.depth):
            queries = tree.of_block(i, cfg.depth)
            own = i % cfg.n_layers
            weights = self.workspace.blocks[own]
            resid, delta, tape = block_forward(
                resid, delta, weights, self.norms[own], queries, self.ops
            )
            if keep:
                self.tapes.append(tape)
        _, normed, self.norm = self.ops.add_norm(resid, slice(None), delta, self.ln_final)
        self.final = normed.index_select(0, tree.predicted)
        return torch.addmm(self.b_U.to(self.dtype), self.final, self.W_U).float()

    def backward(self, dlogits: Tensor) -> dict[str, Tensor]:
        cfg, tree = self.cfg, self.tree
        if not self.tapes:
            raise RuntimeError("gradients of the hook-free path can be taken once; run it again.")
        dlogits = dlogits.to(self.dtype)
        gradients = {"unembed.W_U": (self.final.T @ dlogits).float()}
        n_queries = len(self.tapes[-1].z)
        dnormed = dlogits.new_zeros(n_queries, cfg.d_model, dtype=torch.float32)
        dnormed.index_add_(0, tree.predicted, (dlogits @ self.W_U.T).float())
        dresid, dfinal = self.ops.norm_backward(dnormed, self.norm, self.ln_final)
        gradients |= {f"ln_final.{k}": g for k, g in zip("wb", dfinal, strict=False)}
        for i in reversed(range(cfg.depth)):
            own, space = i % cfg.n_layers, self.workspace
            weights, norms, tape = space.blocks[own], self.norms[own], self.tapes.pop()
            dresid, dnorms = block_backward(
                dresid, weights, norms, tape, self.ops, space.gradients[i]
            )
            for name, gradient in dnorms.items():
                full = f"blocks.{own}.{name}"
                gradients[full] = gradients[full] + gradient if full in gradients else gradient
        gradients |= self.workspace.parameter_gradients()
        return self._embedding_gradients(dresid, gradients)

    def _embedding_gradients(
        self, dresid: Tensor, gradients: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        cfg, tree = self.cfg, self.tree
        dW_E = dresid.new_zeros(cfg.d_vocab, cfg.d_model).index_add_(0, tree.tokens, dresid)
        if cfg.tied_unembedding:
            dW_E += gradients.pop("unembed.W_U").T
        dW_pos = dresid.new_zeros(cfg.n_ctx, cfg.d_model)
        for p, rows in enumerate(dresid.split(tree.token_sizes)):
            dW_pos[p] = rows.sum(0)
        return gradients | {"embed.W_E": dW_E, "pos_embed.W_pos": dW_pos}


class _Logits(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, job: _Job, keep: bool, *parameters: Tensor) -> Tensor:
        ctx.job = job
        with _given_dtypes():
            return job.forward(parameters, keep)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dlogits: Tensor) -> tuple[Tensor | None, ...]:
        with _given_dtypes():
            gradients = ctx.job.backward(dlogits)
        return (None, None, *(gradients[name] for name in ctx.job.names))


def _given_dtypes() -> torch.autocast:
    """Without autocast, which would pass the kernels dtypes that they cannot read."""
    return torch.autocast("cpu", enabled=False)


def _norms(parameters: dict[str, Tensor], i: int, n: int) -> Norms:
    ln1, ln2 = (
        tuple(parameters[f"blocks.{i}.{ln}.{kind}"] for kind in "wb"[:n]) for ln in ("ln1", "ln2")
    )
    return Norms(ln1, ln2)
