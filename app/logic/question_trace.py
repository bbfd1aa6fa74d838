"""One question through every checkpoint: answers, lens, attention, and swaps with a donor.

At each checkpoint the question and its donor are run once; S[l, p] of the donor is then written
into the question's run, one cell (layer l, position p) at a time, all positions of a layer in one
batch that starts at that layer. A swap of the bridge succeeds when the top answer becomes the one
that the question's second relation gives for the donor's bridge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from app.instrument.packing import pack

if TYPE_CHECKING:
    from circuits.model.transformer import HookedTransformer

TOP = 6
"""Answers that are shown at each step."""
LENS_TOP = 2
"""Names that are kept for each state."""
CURVES = 5
"""Wrong answers that get a curve over training, besides the right one."""


@dataclass(frozen=True)
class Asked:
    """A question as tokens, with what is true of it (None: not known to the graph)."""

    tokens: tuple[int, ...]
    values: tuple[int | None, ...]
    """What has to be looked up: the bridge; of a comparison both entities' values. Value i is
    looked for at position i + 1."""
    answer: int | None


def trace_question(
    model_at: Callable[[int], HookedTransformer],
    steps: Sequence[int],
    asked: Asked,
    donor: Asked | None,
    swapped_answer: int | None,
    progress: Callable[[float], None],
) -> dict[str, Any]:
    """Everything the question page draws, for every step.

    Args:
        model_at: The model of a step.
        steps: The checkpoints.
        asked: The question.
        donor: The question whose states are written into it, of equal length.
        swapped_answer: Token that the answer should become when the bridge is swapped.
        progress: Told the share that is done.
    """
    prompts = [asked.tokens] + ([donor.tokens] if donor else [])
    tokens = torch.tensor(prompts)
    states: list[dict[str, Tensor]] = []
    with torch.inference_mode():
        for done, step in enumerate(steps):
            states.append(_one_step(model_at(step), tokens, donor is not None))
            progress((done + 1) / len(steps))
    joined = {name: torch.stack([s[name] for s in states]) for name in states[0]}
    return _packed(joined, asked, swapped_answer)


def _one_step(model: HookedTransformer, tokens: Tensor, with_donor: bool) -> dict[str, Tensor]:
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
    model: HookedTransformer, stacked: Float[Tensor, "states two pos d_model"]
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


def _packed(joined: dict[str, Tensor], asked: Asked, swapped_answer: int | None) -> dict[str, Any]:
    final = joined["lens"][:, -1, -1]  # [step, d_vocab]
    top = final.topk(min(TOP, final.shape[-1]))
    best = joined["lens"].topk(LENS_TOP)
    packed: dict[str, Any] = {
        "tokens_named": sorted({*best.indices.unique().tolist(), *top.indices.unique().tolist()}),
        "top": {"token": top.indices.tolist(), "share": pack(top.values.numpy())},
        "curves": _curves(final, asked.answer),
        "lens": {"token": best.indices[..., 0].tolist(), "share": pack(best.values.numpy())},
        "second": best.indices[..., 1].tolist(),
        "attention": pack(joined["pattern"].numpy()),
    }
    packed["watched"] = [
        {
            "token": token,
            "position": i + 1,
            "share": pack(joined["lens"][..., token].numpy()),
            "rank": _ranks(joined["lens"], token).tolist(),
        }
        for i, token in enumerate(asked.values)
        if token is not None
    ]
    if "swapped" in joined:
        swapped = joined["swapped"].topk(1)
        packed["tokens_named"] += swapped.indices.unique().tolist()
        packed["swap"] = {
            "token": swapped.indices[..., 0].tolist(),
            "share": pack(swapped.values[..., 0].numpy()),
        }
        if swapped_answer is not None:
            packed["swap"]["target"] = pack(joined["swapped"][..., swapped_answer].numpy())
    return packed


def _ranks(probabilities: Float[Tensor, "*axes d_vocab"], token: int) -> Tensor:
    """0-based rank of a token in each row: how many are more probable."""
    return (probabilities > probabilities[..., token : token + 1]).sum(-1)


def _curves(final: Float[Tensor, "step d_vocab"], answer: int | None) -> list[dict[str, Any]]:
    """Probability over training of the right answer and of those that were ever most likely."""
    strongest = final.amax(0).argsort(descending=True).tolist()
    shown = ([] if answer is None else [answer]) + [
        t for t in strongest[: CURVES + 1] if t != answer
    ]
    return [{"token": t, "share": pack(final[:, t].numpy())} for t in shown[: CURVES + 1]]
