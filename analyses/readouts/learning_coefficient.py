"""Local learning coefficient: how many directions of weight space the loss feels (2308.12108).

The coefficient of a point `w*` of weight space is estimated from a posterior that is tied to it:

1. Draw weights w by stochastic gradient Langevin dynamics (SGLD) from `exp(-n_beta L(w) -
   localization |w - w*|^2 / 2)`, starting at the checkpoint `w*`. L is the loss that training
   lowers: cross-entropy at the answer (of text runs at each of its tokens, facts and
   questions in one of their wordings), over the whole training set, atomic facts included. By
   default n_beta is n / log n of its n examples.
2. The coefficient of a chain is n_beta (mean of L(w) over the chain after its burn-in - L(`w*`)).
   (Lau et al., arXiv 2308.12108, definition 4 and appendix; the sampler is devinterp's.) A regular
   model of d weights has d / 2, a singular one less.
3. The same is done with all weights but one head's held at `w*` (restricted coefficients, Wang et
   al., arXiv 2410.02984).
4. Each chain is reported; the interval is Student's over chains, for noise of sampling alone.

With the default pull weights move by about 0.003 each, and the demo's loss stays near 0.01. With a
tenth of it the chains leave for losses as high as chance, and measure that. A head has few
weights, and moved so little they change nothing (0.01 each): give heads a weaker pull in a run of
their own, and look at `drift`.

The number depends on `lr`, `n_beta`, `localization` and the length of the chains: compare it
between checkpoints at equal options, never with another paper's. It is meant for points where
training has settled. A negative estimate says that the chain found lower loss than `w*`, which is
no minimum then, or that lr is too large. `drift`, the rise of L from the first to the second half
of the draws over the rise over `w*`, tells a chain that has not settled (near 0: it has).

Needs the optional package devinterp: `pip install "hopscope[llc]"`.

How to read: Follow the coefficient over the checkpoints of one run at equal options: a fall at
equal loss is a simpler solution. First look at `drift` (near 0: the chains have settled) and at the
spread over chains.

What misleads: The number means nothing by itself, and less at early checkpoints, which are no
minima. Intervals are of sampling alone and say nothing about the choice of step size and pull,
which moves the coefficient more than training does. Heads with the default pull hardly move.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from contextlib import redirect_stderr
from dataclasses import replace
from io import StringIO
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor, nn

from analyses.estimates import Variables
from analyses.options.readouts import LearningCoefficientOptions as Options
from analyses.questions.examples import Examples
from circuits.corpus.corpus import TrainingSet
from circuits.errors import HopscopeError
from circuits.model.hook_free import fast_logits
from circuits.model.plain import PlainTransformer
from circuits.model.transformer import HookedTransformer
from circuits.statistics import over_runs

WHOLE = "all weights"
OF_A_HEAD = ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V")
Masks = dict[str, Tensor | None]
"""By parameter: which of its entries are sampled (None: all); others are held."""


def run(model: HookedTransformer, examples: Examples, options: Options) -> xr.Dataset:
    """Local learning coefficients of all weights and of each head.

    Returns:
        coefficient (part) with the interval over chains; coefficient_chain, drift_chain (part,
        chain); loss_trace (part, chain, draw): loss of the batch at each step, the burn-in first;
        loss: L(w*) on the whole training set.
    """
    _devinterp()
    data = examples.corpus.training_set()
    n_beta = options.n_beta or len(data) / math.log(len(data))
    options = options.model_copy(update={"n_beta": n_beta})
    point = PlainTransformer(replace(model.cfg, dropout=0.0))  # the sampler trains its copies
    point.load_state_dict(model.state_dict())
    answering = _Answering(point, data)
    parts = {WHOLE: every_weight(answering)}
    if options.heads:
        parts |= {
            f"head {layer}.{head}": head_weights(point, layer, head, "model.")
            for layer in range(model.cfg.n_layers)
            for head in range(model.cfg.n_heads)
        }
    loss = _whole_loss(answering)
    traces = np.stack(
        [
            loss_traces(answering, _Rows(len(data)), _loss_of, masks, options)
            for masks in parts.values()
        ]
    )
    variables = estimate(traces, loss, options)
    words = {"long_name": "loss of the training set at the checkpoint", "units": "nat"}
    variables["loss"] = ((), np.float32(loss), words)
    coords = {
        "part": list(parts),
        "chain": np.arange(options.chains),
        "draw": np.arange(traces.shape[-1]),
    }
    return xr.Dataset(variables, coords)


def estimate(
    traces: Float[np.ndarray, "part chain draw"], start: float, options: Options
) -> Variables:
    """Coefficients from the losses of chains; `start` is the loss of the point itself."""
    assert options.n_beta is not None
    kept = traces[..., options.burn_in :].astype(float)
    by_chain = options.n_beta * (kept.mean(-1) - start)
    half = kept.shape[-1] // 2
    rise = kept[..., half:].mean(-1) - kept[..., :half].mean(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        drift = rise / np.abs(kept.mean(-1) - start)
    found = over_runs(by_chain.T)
    name, attrs = "local learning coefficient", {"units": "1", "n_beta": options.n_beta}
    variables: Variables = {
        f"coefficient{end}": (
            ("part",), values.astype(np.float32),
            {**attrs, "long_name": f"{name}{' (95% interval over chains)' if end else ''}"},
        )
        for end, values in (("", found.mean), ("_low", found.low), ("_high", found.high))
    }  # fmt: skip
    variables["coefficient_chain"] = (
        ("part", "chain"), by_chain.astype(np.float32),
        {**attrs, "long_name": f"{name} of a chain, NaN if it diverged"},
    )  # fmt: skip
    variables["drift_chain"] = (
        ("part", "chain"), drift.astype(np.float32),
        {**attrs, "long_name": "rise of the loss from half to half, over its rise above the point"},
    )  # fmt: skip
    variables["loss_trace"] = (
        ("part", "chain", "draw"), traces.astype(np.float32),
        {"long_name": "loss of the batch of each step, the burn-in first", "units": "nat"},
    )  # fmt: skip
    return variables


@torch.enable_grad()
def loss_traces(
    point: nn.Module,
    data: torch.utils.data.Dataset[Any],
    loss_of: Any,
    masks: Masks,
    options: Options,
) -> Float[np.ndarray, "chain draw"]:
    """The loss at each step of each chain; NaN from where a chain diverged. Needs n_beta.

    Args:
        point: The module at whose weights the chains start; it is copied.
        data: Items {"input_ids": tensor}.
        loss_of: (module, batch of input_ids) -> loss of each item.
        masks: The weights that are sampled.
        options: Settings of the sampler.
    """
    sample_single_chain = _devinterp()
    steps = options.burn_in + options.draws
    traces = np.full((options.chains, steps), np.nan)

    def kept(loss: Tensor, chain: int, step: int, **_: Any) -> None:
        traces[chain, step] = loss.double().mean().item()

    sgld = {"lr": options.lr, "nbeta": options.n_beta, "localization": options.localization}
    for chain in range(options.chains):
        with redirect_stderr(StringIO()), warnings.catch_warnings():  # progress, and divergence
            warnings.simplefilter("ignore")
            sample_single_chain(
                point, data, lambda module, batch: (loss_of(module, batch["input_ids"]), {}),
                masks, num_draws=options.draws, num_burnin_steps=options.burn_in, chain=chain,
                seed=options.seed + chain, dataloader_seed=options.seed + chain,
                batch_size=min(options.batch, len(data)),  # type: ignore[arg-type]
                sampling_method=_sgld(), sampling_method_kwargs=sgld, micro_callback=kept,
            )  # fmt: skip
    return traces


def every_weight(model: nn.Module) -> Masks:
    """Masks that sample all parameters."""
    return {name: None for name, _ in model.named_parameters()}


def head_weights(model: PlainTransformer, layer: int, head: int, prefix: str = "") -> Masks:
    """Masks that sample one head: its queries, keys, values and output.

    Args:
        model: The model.
        layer: Its block.
        head: Its number there.
        prefix: What parameters are called by before their name in the model.
    """
    masks: Masks = {}
    for name in OF_A_HEAD:
        full = f"blocks.{layer}.attn.{name}"
        mask = torch.zeros_like(model.get_parameter(full), dtype=torch.bool)
        mask[head] = True
        masks[prefix + full] = mask
    return masks


class _Answering(nn.Module):
    """A model and its training set: from rows of the set to the loss of their answers.

    Without a `cfg` of its own, by which devinterp would take it for another library's model.
    """

    tokens: Tensor
    predict_at: Tensor
    answer: Tensor

    def __init__(self, model: PlainTransformer, data: TrainingSet) -> None:
        super().__init__()
        self.model = model
        for name in ("tokens", "predict_at", "answer"):
            self.register_buffer(name, getattr(data, name), persistent=False)

    def forward(self, rows: Int[Tensor, "batch 1"]) -> Float[Tensor, "batch 1"]:
        """Cross-entropy at the answer, in nats."""
        at = rows[:, 0]
        logits = fast_logits(self.model, self.tokens[at], self.predict_at[at])
        return nn.functional.cross_entropy(logits, self.answer[at], reduction="none")[:, None]


class _Rows(torch.utils.data.Dataset):
    """The numbers of the training examples, in the form in which the sampler takes data."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, row: int) -> Mapping[str, Tensor]:
        return {"input_ids": torch.tensor([row])}


def _loss_of(module: nn.Module, rows: Tensor) -> Tensor:
    return module(rows)


@torch.no_grad()
def _whole_loss(answering: _Answering) -> float:
    """L(w*): the mean over the whole training set."""
    rows = torch.arange(len(answering.answer))[:, None]
    return torch.cat([answering(some) for some in rows.split(4096)]).double().mean().item()


def _devinterp() -> Any:
    """The sampler of one chain."""
    try:
        from devinterp.slt.sampler import sample_single_chain
    except ImportError as error:
        raise HopscopeError(
            "learning_coefficient needs devinterp 2, which is not installed; run "
            '`pip install "hopscope[llc]"`, or `pip install "devinterp>=2"`.'
        ) from error
    return sample_single_chain


def _sgld() -> Any:
    from devinterp.optim import SGMCMC

    return SGMCMC.sgld
