"""The subspace that carries the bridge, found by distributed alignment search (DAS).

Swapping a whole state swaps all that it holds. DAS (Geiger et al., arXiv 2303.02536) swaps only the
part of it in a learned subspace and leaves the rest, which is the finer test where a state carries
more than the bridge.

1. The state is S[layer, relation_1]; unless a layer is named, the usable one at which whole swaps
   succeed most often on trained questions.
2. Q (d_model x rank, orthonormal) is learned on trained questions B with donors A drawn as in
   `analyses.interventions.bridge_patching`: S_B + Q Q^T (S_A - S_B) should lead to the answer for
   A's bridge (cross-entropy, Adam, batches of 128; Q is the QR factor of a free matrix).
3. It is judged on the questions of the split, with their own donors and placebo donors.
4. Controls: a `random` subspace of the same rank; a `shuffled` one, learned towards the targets of
   other questions (a subspace that could be made to say anything, as in Makelov et al., arXiv
   2311.17030, would succeed at that); and the `rest`, everything but the learned subspace, which
   must not carry the bridge. `whole` is the swap of the whole state.

By construction: rank = d_model is the whole state.

How to read: The learned subspace should reach most of what swapping the whole state does, `rest`
next to nothing, and the controls far less. Then these `rank` dimensions carry the bridge, and the
others do not.

What misleads: A subspace learned by gradient can open a path that the model never uses; `shuffled`,
which reaches .19 in the demo, says how much of the success the method would find in anything. A
success below that of the whole state may be the rank's fault or the optimizer's. At rank = d_model
success is that of the whole state by construction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from analyses.estimates import with_interval
from analyses.interventions.bridge_patching import (
    asked,
    draw_donors,
    judged,
    swap_outcomes,
    target_tokens,
)
from analyses.options.interventions import CONTROLS
from analyses.options.interventions import BridgePatchingOptions as SwapOptions
from analyses.options.interventions import BridgeSubspaceOptions as Options
from analyses.outcomes import KEPT, NO_DONOR, SUCCESS
from analyses.questions.examples import Examples, draw_examples
from circuits.corpus.names import TRAIN
from circuits.errors import HopscopeError
from circuits.model.protocol import Model
from circuits.patching.engines import Engine, engine_for, traced

Kind = Literal["subspace", "random", "shuffled", "rest", "whole"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_BATCH = 128


@dataclass(frozen=True)
class Swaps:
    """Questions, their donors' states and what the swap should lead to."""

    state: Float[Tensor, "n pos d_model"]
    """S[layer, .] of the questions, at all their tokens."""
    at: Int[Tensor, " n"]
    """Column at which the first hop is complete."""
    end: Int[Tensor, " n"]
    """Column at which the answer is predicted."""
    donor: Float[Tensor, "control n d_model"]
    """S[layer, relation_1] of the donors."""
    answer: Int[Tensor, " n"]
    target: Int[Tensor, " n"]
    valid: Float[np.ndarray, "n control"]

    def rows(self, which: Int[Tensor, " k"]) -> Swaps:
        """Some of the questions."""
        own = (self.state[which], self.at[which], self.end[which], self.donor[:, which])
        return Swaps(*own, self.answer[which], self.target[which], self.valid[which.numpy()])


def run(model: Model, examples: Examples, options: Options) -> xr.Dataset:
    """Success of swaps within the learned subspace and of each control, for one checkpoint."""
    trained = examples.once(
        ("das", options),
        lambda: draw_examples(examples.corpus, TRAIN, options.train, options.seed + 1),
    )
    engine = engine_for(model)
    layer = state_layer(engine, trained, options)
    rank = min(options.rank, model.cfg.d_model)
    learn, test = (_swaps(engine, some, layer, options.seed) for some in (trained, examples))
    outcome = np.stack(
        [
            _outcome(model, layer, test, part)
            for part in _subspaces(model, layer, learn, rank, options)
        ],
        1,
    )
    outcome = np.where(test.valid[:, None] > 0, outcome, NO_DONOR)
    dims = ("kind", "control")
    success = np.where(outcome == NO_DONOR, np.nan, outcome == SUCCESS)
    kept = np.where(outcome == NO_DONOR, np.nan, outcome == KEPT)
    about = {"long_name": "share of answers that become the donor bridge's", "units": "share"}
    same = {"long_name": "share of answers that are the question's own", "units": "share"}
    variables = {
        **with_interval("success", dims, success, about, shares=True),
        **with_interval("kept", dims, kept, same, shares=True),
        "outcome_example": (
            ("example", *dims),
            outcome.astype(np.int8),
            {"long_name": "0 other answer, 1 the donor bridge's, 2 kept, -1 no donor"},
        ),
        "state_layer": ((), np.int16(layer), {"long_name": "layer of the state"}),
        "state_rank": ((), np.int16(rank), {"long_name": "rank of the subspace"}),
    }
    return xr.Dataset(variables, {"kind": list(KINDS), "control": list(CONTROLS)})


def state_layer(engine: Engine, trained: Examples, options: Any) -> int:
    """The layer of the state: named, or the best one with a block behind it and before it."""
    if engine.depth < 2 or (options.layer or 0) >= engine.depth:
        raise HopscopeError(
            f"layer {options.layer or 1} has no block behind it; this model has {engine.depth} "
            "block" + ("s." if engine.depth > 1 else ", so it has no state between two hops.")
        )
    if options.layer is not None:
        return options.layer
    donors = draw_donors(trained, SwapOptions(seed=options.seed, controls=("bridge",)))
    swapped = swap_outcomes(engine, trained, donors)[donors.rows[0] >= 0, 0]
    at = trained.queries.bridge_role
    return 1 + int((swapped[:, 1 : engine.depth, at] == SUCCESS).mean(0).argmax())


def _swaps(engine: Engine, examples: Examples, layer: int, seed: int) -> Swaps:
    donors = examples.once(
        ("das donors", seed), lambda: draw_donors(examples, SwapOptions(seed=seed))
    )
    queries = examples.queries
    given = traced(engine, asked(queries, donors)).resid[layer, :, queries.bridge_role]
    columns = torch.from_numpy(queries.role_columns.astype(np.int64)).to(engine.device)
    return Swaps(
        engine.trace(queries.tokens.to(engine.device)).resid[layer],
        columns[:, queries.bridge_role],
        columns[:, -1],
        given.unflatten(0, (len(CONTROLS), -1)),
        queries.answer.to(engine.device),
        target_tokens(queries, donors).to(engine.device),
        (donors.rows >= 0).T.astype(float),
    )


def _subspaces(
    model: Model, layer: int, learn: Swaps, rank: int, options: Options
) -> list[Float[Tensor, "d_model d_model"]]:
    """The projection that each kind of swap replaces."""
    rng = torch.Generator().manual_seed(options.seed)
    start = torch.randn(model.cfg.d_model, rank, generator=rng).to(model.device)
    rows = np.flatnonzero(learn.valid[:, 0])
    order = torch.randperm(len(rows), generator=rng)
    target = learn.target[rows]
    subspace = _learned(model, layer, learn, rows, target, start, options)
    shuffled = _learned(model, layer, learn, rows, target[order], start, options)
    whole = torch.eye(model.cfg.d_model, device=model.device)
    return [subspace, _projection(start), shuffled, whole - subspace, whole]


def _learned(
    model: Model,
    layer: int,
    learn: Swaps,
    rows: Int[np.ndarray, " k"],
    target: Int[Tensor, " k"],
    start: Float[Tensor, "d_model rank"],
    options: Options,
) -> Float[Tensor, "d_model d_model"]:
    free = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([free], options.learning_rate)
    draw = torch.Generator().manual_seed(options.seed)
    for _ in range(options.learn_steps if len(rows) else 0):
        some = torch.randperm(len(rows), generator=draw)[:_BATCH]
        at = torch.from_numpy(rows)[some]
        with torch.enable_grad():
            part = learn.rows(at)
            logits = _swapped(model, layer, part, part.donor[0], _projection(free))
            loss = cross_entropy(logits, target[some])
            (free.grad,) = torch.autograd.grad(loss, [free])
        optimizer.step()
    return _projection(free.detach())


def _projection(free: Float[Tensor, "d_model rank"]) -> Float[Tensor, "d_model d_model"]:
    basis = torch.linalg.qr(free).Q
    return basis @ basis.T


def _swapped(
    model: Model,
    layer: int,
    swaps: Swaps,
    donor: Float[Tensor, "n d_model"],
    projection: Float[Tensor, "d_model d_model"],
) -> Float[Tensor, "n d_vocab"]:
    rows = torch.arange(len(donor), device=donor.device)
    own = swaps.state[rows, swaps.at]
    mixed = own + (donor - own) @ projection
    patched = swaps.state.index_put((rows, swaps.at), mixed)
    return model(patched, start_at_layer=layer)[rows, swaps.end]


@torch.no_grad()
def _outcome(
    model: Model, layer: int, test: Swaps, projection: Float[Tensor, "d_model d_model"]
) -> Int[np.ndarray, "n control"]:
    top = [_swapped(model, layer, test, donor, projection).argmax(-1) for donor in test.donor]
    return judged(torch.stack(top), test.answer, test.target).T.cpu().numpy()
