"""One question through every checkpoint: answers, lens, attention, and swaps with a donor.

At each checkpoint the question and its donor are run once; S[l, p] of the donor is then written
into the question's run, one cell (layer l, position p) at a time, all positions of a layer in one
batch that starts at that layer. A swap of the bridge succeeds if the top answer becomes the one
that the question's second relation gives for the donor's bridge.

In a text run a position is a role, the last token of a name or of the prompt. States and swaps are
judged by the first token of a name, which is all that they can predict; answers are whole names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from app.logic.asked import Asked
from app.logic.model_tokens import ModelTokens
from circuits.corpus.queries import Queries
from circuits.patching.engines import answer_logits, last_logits

if TYPE_CHECKING:
    from circuits.model.protocol import Model

TOP = 6
"""Number of answers shown at each step."""
LENS_TOP = 2
"""Number of names kept for each state."""
CURVES = 5
"""Number of wrong answers that get a curve over training, besides the right one."""


@dataclass(frozen=True)
class Named:
    """Tokens with their probabilities, in arrays of one shape."""

    token: Int[np.ndarray, "*cells"]
    share: Float[np.ndarray, "*cells"]


@dataclass(frozen=True)
class Watched:
    """How well a name can be read at every state."""

    token: int
    position: int
    """The position at which it must be looked up."""
    share: Float[np.ndarray, "step layer pos"]
    rank: Int[np.ndarray, "step layer pos"]
    """Number of names that are more probable."""
    number: int = 0
    """Which of the question's values it is."""


@dataclass(frozen=True)
class QuestionTrace:
    """The results for a question at every checkpoint, at full precision."""

    steps: tuple[int, ...]
    top: Named
    """[step, rank]: the most probable answers."""
    curves: tuple[tuple[int, Float[np.ndarray, " step"]], ...]
    """Token and probability of each answer that is followed over training."""
    lens: Named
    """[step, layer, pos, rank]: the names that each state would answer with."""
    watched: tuple[Watched, ...]
    attention: Float[np.ndarray, "step layer head to from_"]
    swap: Named | None
    """[step, layer, pos]: the answer with the donor's state written there; None: no donor."""
    swap_target: Float[np.ndarray, "step layer pos"] | None
    """Probability of the answer that the swap should give."""
    second_fact: Int[np.ndarray, " step"] | None = None
    """What the model answers to the fact that the swapped bridge needs; None: not asked."""
    written: tuple[str, ...] | None = None
    """What the model writes at each step; None where every answer is a single token."""

    @property
    def tokens(self) -> set[int]:
        """Every token of the model that appears."""
        named = [self.lens] + ([self.swap] if self.swap else [])
        found = {token for names in named for token in np.unique(names.token).tolist()}
        return found | (set() if self.second_fact is None else set(self.second_fact.tolist()))

    @property
    def answers(self) -> set[int]:
        """Every name that appears as an answer, or is looked for."""
        found = set(np.unique(self.top.token).tolist())
        return found | {token for token, _ in self.curves} | {w.token for w in self.watched}


@dataclass(frozen=True)
class Asking:
    """What is put to every checkpoint."""

    asked: Asked
    prompts: Queries
    """The question as the model reads it, and the donor if there is one."""
    swapped: int | None = None
    """The answer that the donor's bridge should lead to."""
    needed_fact: Queries | None = None
    """The prompt of the fact that a swap relies on: donor's bridge and second relation."""
    tokens: ModelTokens | None = None
    """The tokens of a run on text."""

    @property
    def columns(self) -> Int[Tensor, "prompts roles"]:
        """Column of each role."""
        return torch.from_numpy(self.prompts.role_columns.astype(np.int64))

    def first_token(self, name: int) -> int:
        """The token with which a name begins."""
        return name if self.tokens is None else self.tokens.first(name)


def trace_question(
    model_at: Callable[[int], Model],
    steps: Sequence[int],
    asking: Asking,
    progress: Callable[[float], None],
) -> QuestionTrace:
    """Everything the question page draws, for every step.

    Args:
        model_at: The model of a step.
        steps: The checkpoints.
        asking: The question and its donor.
        progress: Called with the finished share.
    """
    states: list[dict[str, Tensor]] = []
    written: list[str] = []
    with torch.inference_mode():
        for done, step in enumerate(steps):
            model = model_at(step)
            states.append(_one_step(model, asking))
            if asking.tokens is not None:
                written.append(asking.tokens.written(_each_at(model), asking.prompts[:1]))
            progress((done + 1) / len(steps))
    joined = {name: torch.stack([s[name] for s in states]) for name in states[0]}
    return _trace(tuple(steps), joined, asking, tuple(written) or None)


def _each_at(model: Model) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    return lambda tokens, at, row: last_logits(model, tokens[row], at)


def _one_step(model: Model, asking: Asking) -> dict[str, Tensor]:
    _, cache = model.run_with_cache(asking.prompts.tokens, names_filter=_is_needed)
    resid = [cache[f"blocks.{i}.hook_resid_pre"] for i in range(model.depth)]
    resid.append(cache[f"blocks.{model.depth - 1}.hook_resid_post"])
    stacked = torch.stack(resid)  # [depth + 1, prompts, pos, d_model]
    columns = asking.columns.to(stacked.device)
    at_roles = stacked.take_along_dim(columns[None, :, :, None], 2)
    patterns = [cache[f"blocks.{i}.attn.hook_pattern"][0] for i in range(model.depth)]
    lens = model.logits_of(at_roles[:, 0]).softmax(-1)
    found = {"lens": lens, "pattern": _between_roles(torch.stack(patterns), asking)}
    if asking.tokens is None:
        found["answers"] = lens[-1, -1]
    else:
        ask = partial(last_logits, model)
        found["answers"] = asking.tokens.whole_names(ask, asking.prompts[:1])
    if len(asking.prompts) > 1:
        end = int(columns[0, -1]) + 1
        found["swapped"] = _swaps(model, stacked[:, 0, :end], at_roles[:, 1], columns[0])
    if asking.needed_fact is not None:
        found["fact"] = answer_logits(model, asking.needed_fact)[0].argmax()
    return found


def _is_needed(name: str) -> bool:
    return name.endswith(("hook_resid_pre", "hook_resid_post", "attn.hook_pattern"))


def _between_roles(
    patterns: Float[Tensor, "layer head to from_"], asking: Asking
) -> Float[Tensor, "layer head roles roles"]:
    """Attention from the last token of each role to all tokens of another, in the text's order."""
    prompts = asking.prompts
    if prompts.spans is None:
        return patterns
    order = role_order(prompts)
    columns = asking.columns[0, order]
    inside = torch.zeros(patterns.shape[-1], len(order), device=patterns.device)
    for place, (start, end) in enumerate(prompts.spans[0, order].tolist()):
        inside[start:end, place] = 1.0
    return patterns[:, :, columns.to(patterns.device)] @ inside


def role_order(prompts: Queries) -> list[int]:
    """The roles of the first prompt in the order in which they stand in it."""
    return np.argsort(prompts.role_columns[0], kind="stable").tolist()


def _swaps(
    model: Model,
    receiver: Float[Tensor, "states pos d_model"],
    donor: Float[Tensor, "states roles d_model"],
    columns: Int[Tensor, " roles"],
) -> Float[Tensor, "states roles d_vocab"]:
    """Probabilities at the end after the donor's state was written into each cell."""
    rows = []
    for layer, (ours, theirs) in enumerate(zip(receiver, donor, strict=True)):
        n = len(columns)
        batch = ours.repeat(n, 1, 1)
        batch[torch.arange(n), columns] = theirs
        rows.append(model(batch, start_at_layer=layer)[:, -1].softmax(-1))
    return torch.stack(rows)


def _trace(
    steps: tuple[int, ...],
    joined: dict[str, Tensor],
    asking: Asking,
    written: tuple[str, ...] | None,
) -> QuestionTrace:
    lens, answers, asked = joined["lens"].cpu(), joined["answers"].cpu(), asking.asked
    swapped = joined.get("swapped")
    best = None if swapped is None else swapped.max(-1)
    followed = swapped is not None and asking.swapped is not None
    places = asked.places(asking.prompts.role_columns[0].tolist())
    target = asking.first_token(asking.swapped) if asking.swapped is not None else 0
    return QuestionTrace(
        steps=steps,
        top=_named(answers, min(TOP, answers.shape[-1])),
        curves=tuple((t, answers[:, t].numpy()) for t in _followed(answers, asked.answer)),
        lens=_named(lens, LENS_TOP),
        watched=tuple(
            _watched(lens, value, places[i], asking.first_token(value), i)
            for i, value in enumerate(asked.values)
            if value is not None
        ),
        attention=joined["pattern"].numpy(),
        swap=None if best is None else Named(best.indices.numpy(), best.values.numpy()),
        swap_target=swapped[..., target].numpy() if followed else None,  # type: ignore[index]
        second_fact=joined["fact"].numpy() if "fact" in joined else None,
        written=written,
    )


def _watched(lens: Tensor, value: int, place: int, token: int, number: int) -> Watched:
    return Watched(value, place, lens[..., token].numpy(), _ranks(lens, token).numpy(), number)


def _named(probabilities: Float[Tensor, "*axes d_vocab"], n: int) -> Named:
    best = probabilities.topk(n)
    return Named(best.indices.numpy(), best.values.numpy())


def _ranks(probabilities: Float[Tensor, "*axes d_vocab"], token: int) -> Tensor:
    """0-based rank of a token in each row: how many are as probable or more, as in the lenses."""
    return (probabilities >= probabilities[..., token : token + 1]).sum(-1) - 1


def _followed(final: Float[Tensor, "step d_vocab"], answer: int | None) -> list[int]:
    """The right answer and those that were the most likely at some step."""
    strongest = final.amax(0).argsort(descending=True).tolist()
    wrong = [token for token in strongest[: CURVES + 1] if token != answer]
    return [*([] if answer is None else [answer]), *wrong][: CURVES + 1]
