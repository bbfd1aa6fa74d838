"""Weights and gradients: norms, effective ranks, and the angle between gradients and weights.

1. Norm: the Frobenius norm of each named parameter, and of all parameters together.
2. Rank of every matrix, from its singular values s: effective rank exp(H(s / sum s)) (Roy and
   Vetterli 2007) and stable rank sum s^2 / max s^2. The heads of a block form one matrix: side by
   side for queries, keys and values, stacked for W_O.
3. Gradient-weight cosine (Prieto et al., arXiv 2501.04697): the cosine between the weights and the
   gradient of the examples' mean loss, by parameter and for all together. Near -1 the update only
   scales the weights up, which raises the model's confidence but teaches it nothing.

Norms and ranks are exact, so they have no interval. The cosine's interval is a delete-one-batch
jackknife over `batches` parts of the examples.

How to read: Norms that first fall under weight decay and then settle, and effective ranks that fall
as accuracy on held-out questions rises, accompany the move to a simpler solution. A gradient-weight
cosine near -1 warns that training only raises confidence.

What misleads: These are correlates, not causes: norms follow the optimizer's settings whether or
not a model generalizes, and runs of other widths or initial sizes cannot be compared by them. Rows
of tokens that never occur add to the norms and ranks of the embeddings. When the loss is nearly 0,
the cosine is that of a tiny gradient, and its interval wide.
"""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor, nn

from analyses.estimates import Variables
from analyses.options.readouts import WeightOptions as Options
from analyses.questions.examples import Examples
from circuits.model.hook_free import fast_logits
from circuits.model.transformer import HookedTransformer

ALL = "all"
_HEADS_SIDE_BY_SIDE = ("W_Q", "W_K", "W_V")


def run(model: HookedTransformer, examples: Examples, options: Options) -> xr.Dataset:
    """Norm, effective rank, stable rank and gradient-weight cosine by parameter.

    Returns:
        norm, gradient_cosine (with interval) (parameter), the last parameter being "all";
        effective_rank, stable_rank, full_rank (matrix).
    """
    parameters = dict(model.named_parameters())
    norms = [p.detach().norm().item() for p in parameters.values()]
    matrices = {name: _matrix(name, p) for name, p in parameters.items() if _is_matrix(name)}
    ranks = np.array([_ranks(m) for m in matrices.values()])
    label = {"units": "1"}
    variables: Variables = {
        "norm": (
            ("parameter",),
            np.array([*norms, np.linalg.norm(norms)]),
            {"long_name": "Frobenius norm", **label},
        ),
        "effective_rank": (("matrix",), ranks[:, 0], {"long_name": "effective rank", **label}),
        "stable_rank": (("matrix",), ranks[:, 1], {"long_name": "stable rank", **label}),
        "full_rank": (
            ("matrix",),
            np.array([min(m.shape) for m in matrices.values()]),
            {"long_name": "highest possible rank", **label},
        ),
    }
    if options.gradients:
        variables |= _gradient_cosines(model, examples, parameters, options.batches)
    return xr.Dataset(variables, {"parameter": [*parameters, ALL], "matrix": list(matrices)})


def _is_matrix(name: str) -> bool:
    return name.rpartition(".")[2].startswith("W_")


def _matrix(name: str, parameter: Tensor) -> Float[Tensor, "rows columns"]:
    if parameter.ndim == 2:
        return parameter.detach()
    if name.rpartition(".")[2] in _HEADS_SIDE_BY_SIDE:
        return parameter.detach().transpose(0, 1).flatten(1)
    return parameter.detach().flatten(0, 1)


def _ranks(matrix: Float[Tensor, "rows columns"]) -> tuple[float, float]:
    """Effective and stable rank; 0 for a zero matrix."""
    short = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    squares = torch.linalg.eigvalsh(short.double() @ short.double().T).clamp_min(0)
    if squares[-1] <= 0:
        return 0.0, 0.0
    squares = squares * (squares > squares[-1] * 1e-14)  # rounding, not rank
    share = squares.sqrt() / squares.sqrt().sum()
    return torch.special.entr(share).sum().exp().item(), (squares.sum() / squares[-1]).item()


def _gradient_cosines(
    model: HookedTransformer,
    examples: Examples,
    parameters: dict[str, nn.Parameter],
    batches: int,
) -> Variables:
    """Cosine between the mean loss's gradient and the weights, with a jackknife over batches.

    Only inner products are kept: those of each batch's gradient with the weights, with itself and
    with the total gradient. So memory holds two sets of gradients, not one per batch.
    """
    parts = np.array_split(np.arange(len(examples.queries)), min(batches, len(examples.queries)))
    shares = np.array([len(part) for part in parts]) / len(examples.queries)
    total = {name: torch.zeros_like(p) for name, p in parameters.items()}
    gradients = []
    for part, share in zip(parts, shares, strict=True):
        found = _gradient(model, examples, part, parameters)
        for name, g in found.items():
            total[name] += share * g
        gradients.append({n: (_dot(g, parameters[n]), _dot(g, g)) for n, g in found.items()})
    crossed = [
        {n: _dot(g, total[n]) for n, g in _gradient(model, examples, part, parameters).items()}
        for part in parts
    ]
    names = list(parameters)
    to_weight = np.array([[g[n][0] for n in names] for g in gradients])
    own = np.array([[g[n][1] for n in names] for g in gradients])
    cross = np.array([[c[n] for n in names] for c in crossed])
    of_weight = np.array([_dot(p, p) for p in parameters.values()])
    of_total = np.array([_dot(t, t) for t in total.values()])
    share = shares[:, None]
    every = _with_all(share.T @ to_weight, of_total, of_weight)
    # without batch k the gradient is (total - share_k g_k) / (1 - share_k); the factor cancels
    left_out = _with_all(
        (share.T @ to_weight) - share * to_weight,
        of_total - 2 * share * cross + share**2 * own,
        of_weight,
    )
    error = np.sqrt((len(parts) - 1) / len(parts) * ((left_out - left_out.mean(0)) ** 2).sum(0))
    name, words = "gradient_cosine", "cosine of gradient and weights"
    bound = {"long_name": f"{words}: 95% interval, jackknife over batches", "units": "1"}
    return {
        name: (("parameter",), every[0], {"long_name": words, "units": "1"}),
        f"{name}_low": (("parameter",), every[0] - 1.959964 * error, bound),
        f"{name}_high": (("parameter",), every[0] + 1.959964 * error, bound),
    }


def _gradient(
    model: HookedTransformer,
    examples: Examples,
    rows: np.ndarray,
    parameters: dict[str, nn.Parameter],
) -> dict[str, Tensor]:
    some = examples.queries.take(rows)
    with torch.enable_grad():
        at = torch.from_numpy(some.lengths - 1).to(model.device) if some.ragged else None
        logits = fast_logits(model, some.tokens.to(model.device), at)
        loss = nn.functional.cross_entropy(logits, some.answer.to(model.device))
        found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    return {
        name: torch.zeros_like(p) if g is None else g
        for (name, p), g in zip(parameters.items(), found, strict=True)
    }


def _dot(a: Tensor, b: Tensor) -> float:
    return (a.detach().double() * b.detach().double()).sum().item()


def _with_all(
    inner: Float[np.ndarray, "k groups"],
    of_gradient: Float[np.ndarray, "*k groups"],
    of_weight: Float[np.ndarray, " groups"],
) -> Float[np.ndarray, "k groups_and_all"]:
    """Cosines by group and, last, over all groups together; NaN if gradient or weight is zero.

    A group's gradient counts as zero if it is negligible beside the total one. Such gradients are
    rounding errors: key biases, for example, do not change the softmax.
    """
    add = [
        np.concatenate([x, x.sum(-1, keepdims=True)], -1) for x in (inner, of_gradient, of_weight)
    ]
    rounding = add[1] <= np.finfo(np.float32).eps ** 2 * add[1][..., -1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = add[0] / np.sqrt(np.maximum(add[1], 0) * add[2])
    return np.where(rounding, np.nan, cosine)
