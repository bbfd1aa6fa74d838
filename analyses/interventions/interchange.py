"""Interchange of the bridge entity in a subspace, by TransformerLens's own tools.

The same question as `analyses.interventions.bridge_subspace`, answered by
`transformer_lens.tools.analysis.interchange` (DAS: Geiger et al., arXiv 2303.02536) with the
controls of Arora et al. (2024): the two agree on the same weights (the tests compare them).

1. Questions, donors and the state S[layer, relation_1] are those of `bridge_subspace`.
2. `learned`: `fit_das` on trained questions towards the answer for the donor's bridge.
3. `placebo`: each state is moved exactly as far, but inside a random subspace of the same rank.
4. `arbitrary`: `fit_das` towards an arbitrary answer for each pair of donor bridge and second
   relation. What it reaches on questions of other donors is what the method finds in anything.
5. `random`: a random subspace of the same rank; `mean_difference`: the span of the differences
   between the mean states of the donors' bridges, without any training; `whole`: the whole state.

`success` counts the same event for all: the top token is the answer for the donor's bridge.

How to read: Blue bars are answers for the donor's bridge, the others the question's own answer.
`learned` beyond `arbitrary` and beyond the move of equal length is what speaks for the bridge;
`mean_difference` needs no learning and should come near it.

What misleads: `arbitrary` (.19 in the demo) is what the same method reaches for answers that have
nothing to do with the bridge: success is to be read from there, not from 0. `learned` above `whole`
would be a warning, for no part of a state holds more than all of it.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import torch
import xarray as xr
from jaxtyping import Int
from torch import Tensor

from analyses.estimates import with_interval
from analyses.interventions.bridge_patching import draw_donors, judged
from analyses.interventions.bridge_subspace import state_layer
from analyses.options.interventions import BridgePatchingOptions as SwapOptions
from analyses.options.interventions import InterchangeOptions as Options
from analyses.outcomes import KEPT, SUCCESS
from analyses.questions.examples import Examples, draw_examples
from circuits.corpus.names import TRAIN
from circuits.errors import HopscopeError
from circuits.model.bridged import BridgedModel
from circuits.model.protocol import Model, resid_name
from circuits.patching.engines import engine_for

Kind = Literal["learned", "placebo", "arbitrary", "random", "mean_difference", "whole"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_POSITION = 1  # relation_1


def run(model: Model, examples: Examples, options: Options) -> xr.Dataset:
    """Success of interchanges within each subspace, for one checkpoint.

    Returns:
        success, kept (kind) with intervals; success_example (example, kind), NaN without a donor;
        loss_start, loss_end: of `fit_das`, in nats; state_layer, state_rank.
    """
    trained = examples.once(
        ("das", options),
        lambda: draw_examples(examples.corpus, TRAIN, options.train, options.seed + 1),
    )
    layer = state_layer(engine_for(model), trained, options)
    learn, test = (_Pairs(some, model, options.seed) for some in (trained, examples))
    if not len(learn.rows):
        raise HopscopeError("no trained question has a donor; use a run with more inferred facts.")
    tool = _Tool(model, layer, options)
    bases, losses = tool.bases(learn)
    outcome = np.full((len(examples), len(KINDS)), -1)
    if len(test.rows):
        found = [tool.outcome(test, intervention) for intervention in tool.kinds(bases)]
        outcome[test.rows] = np.stack(found, 1)
    success, kept = (np.where(outcome < 0, np.nan, outcome == k) for k in (SUCCESS, KEPT))
    about = {"long_name": "share of answers that become the donor bridge's", "units": "share"}
    same = {"long_name": "share of answers that are the question's own", "units": "share"}
    nats = {"long_name": "loss of fit_das, first and last epoch", "units": "nat"}
    return xr.Dataset(
        {
            **with_interval("success", ("kind",), success, about, shares=True),
            **with_interval("kept", ("kind",), kept, same, shares=True),
            "success_example": (("example", "kind"), success.astype(np.float32), about),
            "loss_start": ((), np.float32(losses[0]), nats),
            "loss_end": ((), np.float32(losses[-1]), nats),
            "state_layer": ((), np.int16(layer), {"long_name": "layer of the state"}),
            "state_rank": ((), np.int16(tool.rank), {"long_name": "rank of the subspace"}),
        },
        {"kind": list(KINDS)},
    )


class _Pairs:
    """Questions that have a donor, and the donors."""

    def __init__(self, examples: Examples, model: Model, seed: int) -> None:
        donors = examples.once(
            ("interchange donors", seed),
            lambda: draw_donors(examples, SwapOptions(seed=seed, controls=("bridge",))),
        )
        queries = examples.queries
        self.rows = np.flatnonzero(donors.rows[0] >= 0)
        self.base = queries.tokens[self.rows].to(model.device)
        self.source = torch.from_numpy(donors.tokens[0][self.rows].astype(np.int64)).to(
            model.device
        )
        self.answer = queries.answer[self.rows].to(model.device)
        self.target = torch.from_numpy(donors.target[self.rows].astype(np.int64)).to(model.device)
        pool = examples.corpus.queries(examples.split)
        self.donor_bridge = pool.bridge_ids[donors.rows[0][self.rows], 0]
        self.keys = list(zip(self.donor_bridge, queries.asked_ids[self.rows, 2], strict=True))

    def at(self) -> Int[Tensor, " n"]:
        """The position of the state, one per pair."""
        return torch.full((len(self.rows),), _POSITION)


class _Tool:
    """`transformer_lens.tools.analysis.interchange` at one state of one model."""

    def __init__(self, model: Model, layer: int, options: Options) -> None:
        from transformer_lens.tools.analysis import interchange

        self.tl, self.model, self.options = interchange, model, options
        self.hooked: Any = model.bridge if isinstance(model, BridgedModel) else model
        self.name = resid_name(model, layer)
        self.rank = min(options.rank, model.cfg.d_model)

    def logits(self, tokens: Tensor) -> Tensor:
        """Logits at the last position."""
        return self.model(tokens)[:, -1]

    def bases(self, learn: _Pairs) -> tuple[dict[Kind, Tensor], tuple[float, ...]]:
        """The subspace of every kind, and the losses of the learned one."""
        n_classes = len(learn.target.unique())
        drawn = self.tl.arbitrary_targets(learn.keys, n_classes, self.options.seed)
        arbitrary = learn.target.unique()[drawn.to(learn.target.device)]
        das = self._fit(learn, learn.target)
        states = self._states(learn)
        device = self.model.device
        found: dict[Kind, Tensor] = {
            "learned": das.basis,
            "arbitrary": self._fit(learn, arbitrary).basis,
            "random": self.tl.random_basis(self.model.cfg.d_model, self.rank, self.options.seed),
            "mean_difference": self._mean_difference(states, learn.donor_bridge),
            "whole": torch.eye(self.model.cfg.d_model),
        }
        return {kind: basis.detach().to(device) for kind, basis in found.items()}, das.losses

    def _fit(self, learn: _Pairs, targets: Tensor) -> Any:
        with torch.enable_grad():
            return self.tl.fit_das(
                self.hooked, self.name, learn.base, learn.source, targets, self.logits,
                rank=self.rank, base_positions=learn.at(), source_positions=learn.at(),
                epochs=self.options.epochs, lr=self.options.learning_rate, seed=self.options.seed,
            )  # fmt: skip

    def _mean_difference(self, states: Tensor, bridges: np.ndarray) -> Tensor:
        """The leading directions among the class means, as many as the other subspaces have."""
        values = np.unique(bridges)
        means = torch.stack([states[torch.from_numpy(bridges == v)].mean(0) for v in values])
        centred = (means - means.mean(0)).float()
        return torch.linalg.svd(centred, full_matrices=False).Vh[: self.rank].T

    def _states(self, pairs: _Pairs) -> Tensor:
        return self.tl.collect_activations(
            self.hooked, self.name, pairs.source, self.logits, positions=pairs.at()
        )

    def kinds(self, bases: dict[Kind, Tensor]) -> list[Any]:
        """The intervention of every kind, in the order of `KINDS`."""
        learned = self.tl.SubspaceInterchange(bases["learned"])
        placebo = self.tl.NormMatchedPlacebo(learned, bases["random"])
        swaps = {kind: self.tl.SubspaceInterchange(basis) for kind, basis in bases.items()}
        return [placebo if kind == "placebo" else swaps[kind] for kind in KINDS]

    def outcome(self, test: _Pairs, intervention: Any) -> Int[np.ndarray, " n"]:
        """`SUCCESS`, `KEPT` or `OTHER` of each pair."""
        logits = self.tl.intervened_logits(
            self.hooked, self.name, intervention, test.base, self._states(test), self.logits,
            positions=test.at(),
        )  # fmt: skip
        top = logits.argmax(-1).to(test.answer.device)
        return judged(top[None], test.answer, test.target)[0].cpu().numpy()
