"""The clean run of some prompts beside their corrupted and placebo runs.

A circuit is found by comparing pairs of prompts: a clean one with answer t, and a corrupted one
with another answer t'. A *placebo* also differs from the clean prompt but has the same answer:
writing its activations does everything that patching does, except changing what the answer depends
on. `ContrastRuns` holds what every measurement between them needs: the model, all these runs, and
the metric that is read from their logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuits.errors import HopscopeError, unknown_name
from circuits.model.protocol import Model
from circuits.patching.engines import AnyTrace, engine_for
from circuits.patching.prompts import check_pair, token_ids

Metric = Literal["logit_difference", "log_probability"]
METRICS: tuple[Metric, ...] = get_args(Metric)


@dataclass(frozen=True)
class Contrast:
    """One way to corrupt the prompts, a row per prompt."""

    changed: tuple[int, ...]
    """Positions at which a corrupted prompt or a placebo may differ from its clean prompt."""
    tokens: Int[np.ndarray, "n pos"]
    """Corrupted prompts."""
    other: Int[np.ndarray, " n"]
    """Token t', the corrupted prompt's own answer; t itself where not valid."""
    valid: Bool[np.ndarray, " n"]
    """Which prompts have a corrupted version."""
    placebo: Int[np.ndarray, "n pos"]
    """Prompts with the same answer."""
    placebo_valid: Bool[np.ndarray, " n"]
    """Which prompts have a placebo."""

    @property
    def position(self) -> int:
        """First position that the corruption reaches."""
        return min(self.changed)

    def logit_difference(
        self, logits: Float[Tensor, "*cells n d_vocab"], answer: Int[Tensor, " n"]
    ) -> Float[Tensor, "*cells n"]:
        """Logit of t minus that of t', nats."""
        other = torch.from_numpy(self.other.astype(np.int64)).to(logits.device)
        return _of_token(logits, answer) - _of_token(logits, other)


@dataclass(frozen=True, eq=False)
class ContrastRuns:
    """The clean run of some prompts, and for each contrast the corrupted and the placebo run.

    >>> import torch
    >>> from circuits import HookedTransformer, ModelConfig
    >>> model = HookedTransformer(ModelConfig(2, 8, n_ctx=3, d_vocab=9, n_heads=2)).eval()
    >>> clean, corrupted = torch.randint(9, (2, 20, 3), generator=torch.manual_seed(0))
    >>> runs = ContrastRuns.between(model, clean, corrupted, metric="log_probability")
    >>> runs.clean.resid.shape  # states S[0, .] to S[depth, .]
    torch.Size([3, 20, 3, 8])
    >>> runs.totals().shape  # fall of the metric on the corrupted prompt, per prompt and contrast
    (20, 1)
    """

    model: Any
    """A `Model`; only ours has paths that can be patched."""
    engine: Any
    """Its engine: a `PatchEngine`, or a `HookedEngine` if the model is a bridged one."""
    contrasts: tuple[Contrast, ...]
    answer: Int[Tensor, " n"]
    """Token t of each clean prompt, on the model's device."""
    clean: Any
    corrupted: tuple[Any, ...]
    """One run per contrast."""
    placebo: tuple[Any, ...]
    metric: Metric = "logit_difference"
    """What is read from logits, in nats: the logit of t minus that of t', or the log-probability
    of t."""

    @classmethod
    def of(
        cls,
        model: Model,
        tokens: Int[Tensor, "n pos"],
        answer: Int[Tensor, " n"],
        contrasts: Sequence[Contrast],
        metric: Metric = "logit_difference",
    ) -> ContrastRuns:
        """Run the clean prompts and, for each contrast, the corrupted prompts and the placebos."""
        engine = engine_for(model)

        def traced(rows: Int[np.ndarray, "n pos"]) -> AnyTrace:
            return engine.trace(torch.from_numpy(rows).to(engine.device))

        return cls(
            model,
            engine,
            tuple(contrasts),
            answer.to(engine.device),
            engine.trace(tokens.to(engine.device)),
            tuple(traced(contrast.tokens) for contrast in contrasts),
            tuple(traced(contrast.placebo) for contrast in contrasts),
            metric,
        )

    @classmethod
    def between(
        cls,
        model: Model,
        clean: Any,
        corrupted: Any,
        placebo: Any = None,
        *,
        answer: Any = None,
        other: Any = None,
        metric: Metric = "logit_difference",
    ) -> ContrastRuns:
        """The runs of two sets of prompts, row by row, without a corpus.

        Args:
            model: In eval mode, without added hooks.
            clean: Token ids [n, pos], or queries.
            corrupted: Token ids of the same shape; rows equal to the clean ones are left out.
            placebo: Token ids of the same shape that lead to the same answer; rows equal to the
                clean ones are left out. None: there are none.
            answer: Token t of each clean prompt [n]; None: the model's own top token.
            other: Token t' of each corrupted prompt [n]; None: the model's own top token there.
                Rows with t' = t have no logit difference and are left out.
            metric: "logit_difference" or "log_probability", which needs no t'.

        Raises:
            HopscopeError: for tokens that do not pair up or do not fit the model, and where no row
                is left.
        """
        if metric not in METRICS:
            raise unknown_name("metric", str(metric), METRICS)
        prompts, corrupt, same = (
            token_ids(model, clean if given is None else given)
            for given in (clean, corrupted, placebo)
        )
        check_pair(prompts, corrupt)
        check_pair(prompts, same)
        engine = engine_for(model)
        traces = [engine.trace(ids) for ids in (prompts, corrupt, same)]
        tops = [engine.logits(trace.resid[-1][:, -1]).argmax(-1) for trace in traces[:2]]
        own, theirs = (
            top if given is None else _answers(model, given, len(top), name)
            for given, top, name in zip((answer, other), tops, ("answer", "other"), strict=True)
        )
        contrast = _contrast(prompts, corrupt, same, own, theirs, metric)
        return cls(model, engine, (contrast,), own, traces[0], (traces[1],), (traces[2],), metric)

    def __len__(self) -> int:
        """Number of prompts."""
        return self.clean.n

    @property
    def sources(self) -> tuple[Any, ...]:
        """The corrupted runs, then the placebos."""
        return (*self.corrupted, *self.placebo)

    @cached_property
    def clean_logits(self) -> Float[Tensor, "n d_vocab"]:
        """Logits of the clean run at the last position."""
        return self.engine.logits(self.clean.resid[-1][:, -1])

    def score(
        self, contrast: int, logits: Float[Tensor, "*cells n d_vocab"]
    ) -> Float[Tensor, "*cells n"]:
        """The metric of some logits of all prompts under one contrast, nats."""
        if self.metric == "log_probability":
            return _of_token(logits, self.answer) - logits.logsumexp(-1)
        return self.contrasts[contrast].logit_difference(logits, self.answer)

    def totals(self) -> Float[np.ndarray, "n corrupted"]:
        """Fall of the metric on the corrupted prompt itself; NaN where there is none."""
        falls = []
        for i, trace in enumerate(self.corrupted):
            after = self.engine.logits(trace.resid[-1][:, -1])
            falls.append(self.score(i, self.clean_logits) - self.score(i, after))
        valid = np.stack([contrast.valid for contrast in self.contrasts], -1)
        return np.where(valid, torch.stack(falls, -1).cpu().numpy(), np.nan)


def _of_token(logits: Tensor, token: Int[Tensor, " n"]) -> Tensor:
    return logits.gather(-1, token.expand(logits.shape[:-1])[..., None])[..., 0]


def _answers(model: Model, given: Any, n: int, name: str) -> Int[Tensor, " n"]:
    ids = torch.as_tensor(given)
    if ids.shape != (n,) or ids.is_floating_point():
        raise HopscopeError(
            f"{name} of shape {list(ids.shape)} and type {str(ids.dtype).removeprefix('torch.')} "
            f"is refused; give one token id for each of the {n} prompts."
        )
    outside = (ids < 0) | (ids >= model.cfg.d_vocab)
    if outside.any():
        raise HopscopeError(
            f"{name} has token id {int(ids[outside][0])}, which is outside the vocabulary; ids are "
            f"0 to {model.cfg.d_vocab - 1}."
        )
    return ids.to(model.device, torch.int64)


def _contrast(
    clean: Tensor, corrupted: Tensor, placebo: Tensor, own: Tensor, other: Tensor, metric: Metric
) -> Contrast:
    differs, differs_placebo = (given != clean for given in (corrupted, placebo))
    valid = differs.any(1)
    if metric == "logit_difference":
        valid &= own != other
    if not valid.any():
        raise HopscopeError(
            "no corrupted prompt differs from its clean prompt and has another answer; give other "
            "prompts or `other`, the answers to the corrupted ones, or take "
            "metric='log_probability', which needs none."
        )
    changed = (differs | differs_placebo).any(0).nonzero()[:, 0]
    return Contrast(
        changed=tuple(changed.tolist()),
        tokens=corrupted.cpu().numpy(),
        other=torch.where(valid, other, own).cpu().numpy(),
        valid=valid.cpu().numpy(),
        placebo=placebo.cpu().numpy(),
        placebo_valid=(valid & differs_placebo.any(1)).cpu().numpy(),
    )
