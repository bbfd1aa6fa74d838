"""Causal tracing by interchange (*Grokked Transformers*, arXiv 2405.15071, section 3).

1. Each question gets corrupted versions in which one token is replaced
   (`analyses.questions.corruptions`).
2. Noising: in the run of the clean question, S[layer, position] is overwritten by its value in the
   run of the corrupted question, at the position of the replaced token. `strength` is the share of
   questions whose top token is then not the answer t. `changed` is the share whose top token is not
   that of the clean run. (Before the model answers well, `strength` is high without any effect.)
3. Denoising: the clean state is written into the run of the corrupted question. `restored` is the
   share of questions whose top token is t again.
4. `logit_diff` is the logit of t minus that of the corrupted question's own answer, after noising.

`reference` follows the paper to the letter, with one corruption drawn by its rules. The default
draws several corruptions, all with an answer of their own that differs from t. With `target_layer`
below the depth, the effect is traced to the state S[target_layer, last] instead of the output: the
logit lens of that state gives the logits, and the clean run's top token takes the place of t.

In sentences answers are several tokens. `strength_name` counts whole answers, decoded greedily, and
`name_log_probability` is the answer's; all other numbers are about its first token. `span` says
which tokens of a role are overwritten (`circuits.corpus.role_spans`); only with `all` or `through`
is layer 0 the whole replaced name.

True by construction, and so no findings: writing S[0, p] is replacing the token at p, so layer 0
shows how often the corrupted question is answered otherwise; writing S[depth, p] before the last
position has no effect (`changed` is 0, and `strength` the share of wrong answers), and at the last
one it has all of it, for that state is the corrupted question's answer.

How to read: The subtitle has the share of right answers without a patch; strength beyond the share
of wrong ones is the patch's. In a circuit that composes the subject's strength falls with i, for
its work is done at relation_1, while relation_1 stays strong as long as a later block reads it, and
relation_2 stays strong throughout. The change over training says which part forms.

What misleads: A high strength says that the answer changes, not that it becomes the other bridge's
(`bridge_patching` asks that): an answer looked up from all three tokens depends on all of them.
Early in training strength is high because answers are wrong; read `changed` there. Layer 0 is the
replaced token, not a finding about the model's states.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from analyses.estimates import Variables, with_interval
from analyses.interventions.bridge_patching import both_written
from analyses.interventions.whole_names import WholeNames
from analyses.options.interventions import CausalTracingOptions as Options
from analyses.questions.corruptions import Corruptions, draw_corruptions
from analyses.questions.examples import Examples
from circuits.errors import HopscopeError
from circuits.model.protocol import Model
from circuits.patching.batched_runs import run_batch_after
from circuits.patching.engine import PatchEngine, Trace
from circuits.patching.engines import AnyTrace, Engine, engine_for, traced, with_roles
from circuits.patching.hooked_engine import HookedTrace
from circuits.patching.role_trace import RoleTrace

NOISE_SCALE = 3.0
"""Standard deviations of the token embeddings (Meng et al., arXiv 2202.05262, section 2.1)."""


@dataclass(frozen=True)
class _Outcome:
    """Effects on each example, averaged over its corruptions; NaN if it has none."""

    flipped: Float[np.ndarray, "n layer"]
    changed: Float[np.ndarray, "n layer"]
    probability: Float[np.ndarray, "n layer"]
    logit_diff: Float[np.ndarray, "n layer"]
    restored: Float[np.ndarray, "n layer"]
    flips: Int[np.ndarray, "n layer"]
    """Number of corruptions that flip the answer; -1 if none was drawn."""
    drawn: Int[np.ndarray, " n"]
    """Number of corruptions drawn."""
    own_answer: Float[np.ndarray, " n"]
    """Share of corrupted questions to which the model gives their own answer."""
    flipped_name: Float[np.ndarray, "n layer"] | None = None
    """As `flipped`, of whole answers; None where answers are tokens."""
    name_log_p: Float[np.ndarray, "n layer"] | None = None


def run(model: Model, examples: Examples, options: Options) -> xr.Dataset:
    """Effects of overwriting every state of one checkpoint."""
    engine = engine_for(model)
    stop = options.target_layer or model.depth
    if stop > model.depth:
        raise HopscopeError(
            f"target_layer = {stop} does not exist; this model's states are 1 to {model.depth}."
        )
    tracing = _Tracing(engine, examples, options, stop)
    found = [tracing.position(p) for p in range(examples.queries.asked_ids.shape[1])]
    return _dataset(found, tracing, model.depth, examples)


class _Tracing:
    """The clean run of one checkpoint, which all positions share, and the tracing from it."""

    def __init__(self, engine: Engine, examples: Examples, options: Options, stop: int) -> None:
        self.engine, self.examples, self.options, self.stop = engine, examples, options, stop
        self.queries = examples.queries
        self.tokens = self.queries.tokens.to(engine.device)
        self.answer = self.queries.answer.to(engine.device)
        self.last = self.tokens.shape[1] - 1
        self.clean = traced(engine, self.queries, options.span)
        self.clean_logits = self.read(self.clean)
        self.clean_top = self.clean_logits.argmax(-1)
        self.target = self.answer if stop == engine.depth else self.clean_top
        asked = (self.queries, self.clean, self.queries.answer_ids)
        named = self.queries.names is not None and stop == engine.depth
        self.whole = WholeNames.of(engine, *asked) if named else None

    def read(self, trace: AnyTrace) -> Float[Tensor, "n d_vocab"]:
        """Logits at the last position of the state that is traced to."""
        return self.engine.logits(trace.resid[self.stop][:, -1])

    def position(self, p: int) -> _Outcome:
        """Trace all states at position p."""
        drawn = self.examples.once(("corruptions", p, self.options), lambda: self._draw(p))
        n_drawn = len(drawn.tokens)
        corrupted = self._corrupted(p, drawn)
        if (written := both_written(self.clean, corrupted)) is not None:
            drawn = replace(drawn, valid=drawn.valid & written[..., p].T)
        alone = self.read(corrupted).unflatten(0, (n_drawn, -1))
        by_role = isinstance(self.clean, RoleTrace)
        noised = (self._entered if by_role else self._noised)(p, corrupted, alone)
        restored = self._restored(p, corrupted, alone) if self.options.denoise else None
        outcome = self._outcome(drawn, noised, alone, restored)
        return outcome if self.whole is None else self._of_names(outcome, p, corrupted, drawn)

    def _of_names(
        self, outcome: _Outcome, p: int, corrupted: AnyTrace, drawn: Corruptions
    ) -> _Outcome:
        assert self.whole is not None
        assert isinstance(corrupted, RoleTrace)
        found = self.whole.after(corrupted, p, range(self.stop + 1)).values()
        exact, log_p = (torch.from_numpy(np.stack(part, -1)) for part in zip(*found, strict=True))
        valid = torch.from_numpy(drawn.valid)
        return replace(outcome, flipped_name=_mean(~exact, valid), name_log_p=_mean(log_p, valid))

    def _draw(self, p: int) -> Corruptions:
        options, corpus = self.options, self.examples.corpus
        draws = 1 if options.reference else options.corruptions
        if options.corruption == "noise":
            own = np.repeat(self.examples.queries.asked_ids[None, :, p], draws, 0)
            return Corruptions(own, np.ones(own.shape, bool), np.full(own.shape, -1))
        return draw_corruptions(
            self.examples.queries,
            corpus.graph,
            corpus.in_distribution,
            p,
            draws=draws,
            reference=options.reference,
            seed=options.seed,
        )

    def _corrupted(self, p: int, drawn: Corruptions) -> AnyTrace:
        n_drawn = len(drawn.tokens)
        if isinstance(self.clean, RoleTrace):
            return self._corrupted_by_role(p, drawn)
        tokens = self.tokens.repeat(n_drawn, 1)
        tokens[:, p] = torch.from_numpy(drawn.tokens.astype(np.int64)).flatten().to(tokens.device)
        noise = None
        if self.options.corruption == "noise":
            generator = torch.Generator().manual_seed(self.options.seed * 1009 + p)
            drawn_noise = torch.randn(len(tokens), self.engine.cfg.d_model, generator=generator)
            noise = NOISE_SCALE * self.engine.embedding_std * drawn_noise.to(tokens.device)
        return self.engine.trace_changed(tokens, p, self.clean, noise)  # type: ignore[arg-type]

    def _corrupted_by_role(self, p: int, drawn: Corruptions) -> AnyTrace:
        """Whole runs of the questions with another name, or with noise on all of its tokens."""
        n_drawn, n = drawn.tokens.shape
        again = self.queries.take(np.tile(np.arange(n), n_drawn))
        if self.options.corruption != "noise":
            names = again.asked_ids.astype(np.int64)
            names[:, p] = drawn.tokens.reshape(-1)
            return traced(self.engine, again.asking(names), self.options.span)
        assert again.spans is not None
        column = np.arange(self.tokens.shape[1])
        inside = (column >= again.spans[:, p, :1]) & (column < again.spans[:, p, 1:])
        generator = torch.Generator().manual_seed(self.options.seed * 1009 + p)
        noise = torch.randn(*inside.shape, self.engine.cfg.d_model, generator=generator)
        noise *= NOISE_SCALE * self.engine.embedding_std * torch.from_numpy(inside)[..., None]
        tokens, noise = again.tokens.to(self.tokens.device), noise.to(self.tokens.device)
        if isinstance(self.engine, PatchEngine):
            whole: Trace | HookedTrace = self.engine.trace(self.engine.embed(tokens) + noise)
        else:
            whole = self.engine.trace(tokens, noise)
        return with_roles(whole, again, self.options.span)

    def _entered(
        self, p: int, corrupted: AnyTrace, alone: Float[Tensor, "draw n d_vocab"]
    ) -> list[Float[Tensor, "draw n d_vocab"]]:
        """`_noised` by role, where the prompt before it need not be the same."""
        layers = range(self.stop + 1)
        return [*run_batch_after(self.engine, self.clean, corrupted, p, layers, self.stop).values()]

    def _noised(
        self, p: int, corrupted: AnyTrace, alone: Float[Tensor, "draw n d_vocab"]
    ) -> list[Float[Tensor, "draw n d_vocab"]]:
        """Logits by layer, 0 to `stop`; a patch at S[0, p] is the whole corrupted prompt."""
        middle = self._swept(self.clean, corrupted, p) or [alone] * (self.stop - 1)
        at_stop = alone if p == self.last else self.clean_logits.expand_as(alone)
        return [alone, *middle, at_stop]

    def _swept(
        self, base: AnyTrace, source: AnyTrace, p: int
    ) -> list[Float[Tensor, "draw n d_vocab"]]:
        """Logits of `base` with S[layer, p] of `source` written in, for 0 < layer < stop.

        The prompts differ at p only. If p is the last position, nothing of base remains: the
        outcome is that of source at every layer, and the list is empty.
        """
        if p == self.last:
            return []
        found = run_batch_after(self.engine, base, source, p, range(1, self.stop), self.stop)
        return list(found.values())

    def _restored(
        self, p: int, corrupted: AnyTrace, alone: Float[Tensor, "draw n d_vocab"]
    ) -> Bool[Tensor, "layer n"]:
        """Whether the target is the top token again, by layer, for the first corruption only."""
        base = corrupted.rows(slice(0, len(self.tokens)))
        if isinstance(base, RoleTrace):
            layers = range(self.stop + 1)
            found = run_batch_after(self.engine, base, self.clean, p, layers, self.stop)
            return torch.cat(list(found.values())).argmax(-1) == self.target
        middle = [logits[0] for logits in self._swept(base, self.clean, p)]
        middle = middle or [self.clean_logits] * (self.stop - 1)
        at_stop = self.clean_logits if p == self.last else alone[0]
        logits = torch.stack([self.clean_logits, *middle, at_stop])
        return logits.argmax(-1) == self.target

    def _tokens(self, answer: Int[np.ndarray, "draw n"]) -> Int[np.ndarray, "draw n"]:
        """(First) tokens of answers; negative where there is none."""
        names, answer = self.queries.names, answer.astype(np.int64)
        return answer if names is None else np.where(answer < 0, answer, names.first[answer])

    def _outcome(
        self,
        drawn: Corruptions,
        noised: list[Tensor],
        alone: Tensor,
        restored: Bool[Tensor, "layer n"] | None,
    ) -> _Outcome:
        valid = torch.from_numpy(drawn.valid).to(alone.device)
        own = torch.from_numpy(self._tokens(drawn.answer)).to(alone.device)
        has_own = valid & (own >= 0)
        target = self.target.expand(len(own), -1)
        parts: dict[str, list[Tensor]] = {"flip": [], "changed": [], "p": [], "diff": []}
        for logits in noised:
            top = logits.argmax(-1)
            good = logits.gather(-1, target[..., None])[..., 0]
            bad = logits.gather(-1, own.clamp(min=0)[..., None])[..., 0]
            parts["flip"].append(top != target)
            parts["changed"].append(top != self.clean_top)
            parts["p"].append((good - logits.logsumexp(-1)).exp())
            parts["diff"].append(good - bad)
        flip, changed, probability, diff = (torch.stack(part, -1) for part in parts.values())
        counted = torch.where(valid[..., None], flip, False).sum(0)
        flips = torch.where(valid.any(0)[:, None], counted, -1)
        nothing = torch.full((len(self.target), len(noised)), torch.nan)
        answered = (alone.argmax(-1) == own).float()
        return _Outcome(
            flipped=_mean(flip, valid),
            changed=_mean(changed, valid),
            probability=_mean(probability, valid),
            logit_diff=_mean(diff, has_own),
            restored=nothing.numpy() if restored is None else _mean(restored.T[None], valid[:1]),
            flips=flips.cpu().numpy(),
            drawn=valid.sum(0).cpu().numpy(),
            own_answer=_mean(answered[..., None], has_own)[:, 0],
        )


def _mean(
    values: Shaped[Tensor, "draw n layer"], valid: Bool[Tensor, "draw n"]
) -> Float[np.ndarray, "n layer"]:
    """Mean over the valid draws; NaN where no draw is valid."""
    kept = torch.where(valid[..., None], values.float(), 0.0).sum(0)
    return (kept / valid.sum(0)[:, None]).cpu().numpy()  # 0 / 0 is NaN


def _dataset(
    found: list[_Outcome], tracing: _Tracing, depth: int, examples: Examples
) -> xr.Dataset:
    layers = len(found[0].flipped[0])

    def grid(name: str) -> np.ndarray:
        """[n, layer 0..depth, position]; NaN above the layer that is traced to."""
        whole = np.stack([getattr(outcome, name) for outcome in found], -1).astype(np.float32)
        return np.pad(whole, ((0, 0), (0, depth + 1 - layers), (0, 0)), constant_values=np.nan)

    dims = ("layer", "position")
    flips = np.stack([outcome.flips for outcome in found], -1)
    flips = np.pad(flips, ((0, 0), (0, depth + 1 - layers), (0, 0)), constant_values=-1)
    traced, wanted = "answer", "the answer"
    if tracing.stop < depth:
        traced = f"lens token at S[{tracing.stop}, last]"
        wanted = f"the clean run's {traced}"
    shares = {
        "strength": ("flipped", f"share whose top token is no longer {wanted}"),
        "changed": ("changed", "share whose top token is not the clean run's"),
        "restored": ("restored", f"share whose {traced} a clean state restores"),
    }
    means = {
        "probability": ("probability", f"mean probability of {wanted} after patching", "1"),
        "logit_diff": ("logit_diff", f"logit of {wanted} minus the corrupted answer's", "nats"),
    }
    if tracing.whole is not None:
        shares["strength_name"] = ("flipped_name", "share whose whole answer is no longer right")
        text = "mean log-probability of the whole answer after patching"
        means["name_log_probability"] = ("name_log_p", text, "nats")
    variables: Variables = {}
    for name, (source, text) in shares.items():
        attrs = {"long_name": text, "units": "share"}
        variables |= with_interval(name, dims, grid(source), attrs, shares=True)
    for name, (source, text, units) in means.items():
        attrs = {"long_name": text, "units": units}
        variables |= with_interval(name, dims, grid(source), attrs)
    right = (tracing.clean_top == tracing.answer).float().cpu().numpy()
    how = "answered rightly" if tracing.stop == depth else f"whose {traced} is the answer"
    attrs = {"long_name": f"share {how} without patching", "units": "share"}
    variables |= with_interval("clean_accuracy", (), right, attrs, shares=True)
    if tracing.whole is not None:
        attrs = {"long_name": "share of whole answers right without patching", "units": "share"}
        exact = tracing.whole.unpatched()[0].astype(np.float32)
        variables |= with_interval("clean_accuracy_name", (), exact, attrs, shares=True)
    own = np.stack([outcome.own_answer for outcome in found], -1)
    attrs = {"long_name": f"share of corrupted questions {how}", "units": "share"}
    variables |= with_interval("corrupted_accuracy", ("position",), own, attrs, shares=True)
    about = {"long_name": f"corruptions that flip the {traced}, -1: none drawn", "units": "1"}
    variables["flip_example"] = (("example", *dims), flips.astype(np.int8), about)
    variables |= _counts(np.stack([outcome.drawn for outcome in found], -1))
    coords = {"layer": np.arange(depth + 1), "position": list(examples.queries.named_roles)}
    return xr.Dataset(variables, coords)


def _counts(drawn: Int[np.ndarray, "n position"]) -> Variables:
    """Number of corruptions of each question, and of questions that have one."""
    once = {"units": "1", "per_step": False}
    each = {"long_name": "corruptions drawn for the question", **once}
    n_valid = (drawn > 0).sum(0).astype(np.int32)
    return {
        "drawn_example": (("example", "position"), drawn.astype(np.int8), each),
        "n_valid": (("position",), n_valid, {"long_name": "examples with a corruption", **once}),
    }
