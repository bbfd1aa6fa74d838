"""One question through every checkpoint: answers, lens, attention, and swaps with a donor.

At each checkpoint the question and its donor are run once; S[l, p] of the donor is then written
into the question's run, one cell (layer l, position p) at a time, all positions of a layer in one
batch that starts at that layer. A swap of the bridge succeeds if the top answer becomes the one
that the question's second relation gives for the donor's bridge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from app.logic.asked import Asked

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

    @property
    def tokens(self) -> set[int]:
        """Every token that appears."""
        named = [self.top, self.lens] + ([self.swap] if self.swap else [])
        found = {token for names in named for token in np.unique(names.token).tolist()}
        found |= set() if self.second_fact is None else set(self.second_fact.tolist())
        return found | {token for token, _ in self.curves} | {w.token for w in self.watched}


def trace_question(
    model_at: Callable[[int], Model],
    steps: Sequence[int],
    asked: Asked,
    donor: Asked | None,
    swapped_answer: int | None,
    progress: Callable[[float], None],
    needed_fact: tuple[int, int] | None = None,
) -> QuestionTrace:
    """Everything the question page draws, for every step.

    Args:
        model_at: The model of a step.
        steps: The checkpoints.
        asked: The question.
        donor: The question whose states are written into it, of equal length.
        swapped_answer: Token that the answer should become when the bridge is swapped.
        progress: Called with the finished share.
        needed_fact: Donor's bridge and second relation: the fact that a swap of it relies on.
    """
    prompts = [asked.tokens] + ([donor.tokens] if donor else [])
    tokens = torch.tensor(prompts)
    states: list[dict[str, Tensor]] = []
    with torch.inference_mode():
        for done, step in enumerate(steps):
            model = model_at(step)
            found = _one_step(model, tokens, donor is not None)
            if needed_fact is not None:
                found["fact"] = model(torch.tensor([needed_fact]))[0, -1].argmax()
            states.append(found)
            progress((done + 1) / len(steps))
    joined = {name: torch.stack([s[name] for s in states]) for name in states[0]}
    return _trace(tuple(steps), joined, asked, swapped_answer)


def _one_step(model: Model, tokens: Tensor, with_donor: bool) -> dict[str, Tensor]:
    _, cache = model.run_with_cache(tokens, names_filter=_is_needed)
    resid = [cache[f"blocks.{i}.hook_resid_pre"] for i in range(model.depth)]
    resid.append(cache[f"blocks.{model.depth - 1}.hook_resid_post"])
    stacked = torch.stack(resid)  # [depth + 1, prompts, pos, d_model]
    lens = model.logits_of(stacked[:, 0]).softmax(-1)
    found = {
        "lens": lens,
        "pattern": torch.stack(
            [cache[f"blocks.{i}.attn.hook_pattern"][0] for i in range(model.depth)]
        ),
    }
    if with_donor:
        found["swapped"] = _swaps(model, stacked)
    return found


def _is_needed(name: str) -> bool:
    return name.endswith(("hook_resid_pre", "hook_resid_post", "attn.hook_pattern"))


def _swaps(
    model: Model, stacked: Float[Tensor, "states two pos d_model"]
) -> Float[Tensor, "states pos d_vocab"]:
    """Probabilities at the last position after the donor's state was written into each cell."""
    rows = []
    for layer, (receiver, donor) in enumerate(stacked):
        n = receiver.shape[0]
        batch = receiver.repeat(n, 1, 1)
        cells = torch.arange(n)
        batch[cells, cells] = donor
        rows.append(model(batch, start_at_layer=layer)[:, -1].softmax(-1))
    return torch.stack(rows)


def _trace(
    steps: tuple[int, ...], joined: dict[str, Tensor], asked: Asked, swapped_answer: int | None
) -> QuestionTrace:
    lens = joined["lens"]
    final, swapped = lens[:, -1, -1], joined.get("swapped")  # [step, d_vocab]
    best = None if swapped is None else swapped.max(-1)
    followed = swapped is not None and swapped_answer is not None
    return QuestionTrace(
        steps=steps,
        top=_named(final, min(TOP, final.shape[-1])),
        curves=tuple((t, final[:, t].numpy()) for t in _followed(final, asked.answer)),
        lens=_named(lens, LENS_TOP),
        watched=tuple(
            Watched(token, place, lens[..., token].numpy(), _ranks(lens, token).numpy())
            for place, token in zip(asked.places, asked.values, strict=True)
            if token is not None
        ),
        attention=joined["pattern"].numpy(),
        swap=None if best is None else Named(best.indices.numpy(), best.values.numpy()),
        swap_target=swapped[..., swapped_answer].numpy() if followed else None,  # type: ignore[index]
        second_fact=joined["fact"].numpy() if "fact" in joined else None,
    )


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
