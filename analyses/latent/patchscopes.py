"""Patchscopes: a state is written into another prompt, and the model says what it holds.

Ghandeharioun et al. (arXiv 2401.06102); for two hops Biran et al. (*Hopping Too Late*, arXiv
2406.12775). A lens needs the state to be in the basis of the output; here all later blocks work
on it.

1. The target prompt repeats words ("king king", "1135 1135", "hello hello", "?"), so that a model
   that has picked up the pattern repeats whatever stands at its placeholder "?".
2. S[l, p] of a question is written over the placeholder's state, in the same layer or in the layer
   `into`, and the blocks from there on are run.
3. Bridge, relations and answer get their rank and probability among the next tokens, as in
   `logit_lens`: of a name of several tokens the first one.
4. With `generate`, that many tokens are decoded greedily, and `named` is the share of questions in
   which the whole name (or an alias) is among the words: for prompts that ask for a description, as
   in *Hopping Too Late*.

At layer = depth the state is written behind the last block: if the placeholder ends the prompt, the
readout is then the logit lens, and otherwise nothing reads it.

How to read: The bridge at the role that ends the first hop (the later of subject and relation 1)
below the last layers says that the state stands for the bridge, in the model's own use of it. The
first layer at which the bridge is read, beside that of the answer at the last role, is their order
(`first_usable`).

What misleads: A target prompt that the model does not follow reads nothing: check that the subject
is read at low layers at its own position (`relation_2` at its own), or that words in the place of
the placeholder are repeated. The answer at the last role is what the model is about to say, so that
it is read there whenever it is said. As with every readout, what can be read need not be used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float, Int
from torch import Tensor

from analyses.estimates import Variables, estimated
from analyses.options.latent import PatchscopesOptions as Options
from analyses.questions.examples import Examples
from analyses.readouts.lens import columns_of, ranks_of_layers
from analyses.readouts.logit_lens import lens_targets
from circuits.corpus.queries import Queries
from circuits.errors import HopscopeError
from circuits.model.protocol import Model
from circuits.patching.batched_runs import run_batch
from circuits.patching.engines import AnyTrace, Engine, engine_for, traced


@dataclass(frozen=True)
class TargetPrompt:
    """A prompt and the place at which a state is written into it."""

    tokens: tuple[int, ...]
    column: int


@torch.no_grad()
def run(model: Model, examples: Examples, options: Options) -> xr.Dataset:
    """What the model says of each state of a checkpoint in the target prompt.

    Returns:
        mrr, probability (target, layer, position) with intervals and rank_example, as in
        logit_lens; with `generate` also named (target, layer, position), whose targets are names.
    """
    queries = examples.queries
    target = target_prompt(queries, options, model.cfg.n_ctx)
    engine = engine_for(model)
    given = traced(engine, queries)
    names, tokens = lens_targets(queries)
    targets = dict(zip(names, tokens.T, strict=True))
    read = (_read(engine, given, target, layer, options.into) for layer in range(len(given.resid)))
    variables = ranks_of_layers(read, targets)
    if options.generate:
        variables |= _named(engine, given, target, queries, options)
    variables |= columns_of(queries)
    coords = {
        "target": names,
        "layer": np.arange(model.depth + 1),
        "position": list(queries.positions),
    }
    return xr.Dataset(variables, coords)


def target_prompt(queries: Queries, options: Options, n_ctx: int) -> TargetPrompt:
    """The target prompt in the run's tokens.

    Raises:
        HopscopeError: if the run is not on text, if the placeholder is not in the prompt, or if the
            prompt is longer than the model takes.
    """
    tokenizer = getattr(queries.wording, "tokenizer", None)
    if tokenizer is None:
        raise HopscopeError(
            "patchscopes needs a run on text, since its target prompt is a sentence; in this run a "
            "name is a token."
        )
    at = options.prompt.rfind(options.placeholder)
    if at < 0:
        raise HopscopeError(
            f"prompt = {options.prompt!r} has no placeholder {options.placeholder!r}; put it where "
            "the state is to stand."
        )
    ((ids, offsets),) = tokenizer.encode([options.prompt])
    end = at + len(options.placeholder)
    inside = [i for i, (a, b) in enumerate(offsets) if a < end and b > at and b > a]
    if not inside or len(ids) + options.generate > n_ctx:
        raise HopscopeError(
            f"the target prompt {options.prompt!r} has {len(ids)} tokens and the model takes "
            f"{n_ctx}; give a shorter one."
            if inside
            else f"the placeholder {options.placeholder!r} has no token of its own; give another."
        )
    return TargetPrompt(tuple(ids), inside[-1])


def _read(
    engine: Engine, given: AnyTrace, target: TargetPrompt, layer: int, into: int | None
) -> Float[Tensor, "n pos d_vocab"]:
    """Logits behind the target prompt with S[layer, p] in it, for every p."""
    base = engine.trace(torch.tensor(target.tokens, device=engine.device).expand(given.n, -1))
    where = layer if into is None else min(into, engine.depth)
    states = given.resid[layer].transpose(0, 1).unsqueeze(2)  # a cell per position
    found = run_batch(engine, base, target.column, {where: states})[where]
    return found.transpose(0, 1)


def _named(
    engine: Engine, given: AnyTrace, target: TargetPrompt, queries: Queries, options: Options
) -> Variables:
    """Whether the decoded words name bridges and answer."""
    wanted = _names(queries)
    depth, n_roles = engine.depth, given.pos
    hit = np.zeros((given.n, len(wanted), depth + 1, n_roles), bool)
    for layer in range(depth + 1):
        for p in range(n_roles):
            words = decoded(engine, given.resid[layer][:, p], target, queries, layer, options)
            for t, texts in enumerate(wanted.values()):
                hit[:, t, layer, p] = [
                    any(name.casefold() in said.casefold() for name in names)
                    for said, names in zip(words, texts, strict=True)
                ]
    every = lens_targets(queries)[0]
    whole: Bool[np.ndarray, "n target layer pos"] = np.full(
        (given.n, len(every), *hit.shape[2:]), np.nan
    )
    for t, name in enumerate(wanted):
        whole[:, every.index(name)] = hit[:, t]
    return estimated(
        "named", whole, ("target", "layer", "position"), "named in the decoded words", shares=True,
        keep=False,
    )  # fmt: skip


def decoded(
    engine: Engine,
    states: Float[Tensor, "n d_model"],
    target: TargetPrompt,
    queries: Queries,
    layer: int,
    options: Options,
) -> list[str]:
    """What the model goes on to say behind the target prompt, by question."""
    where = layer if options.into is None else min(options.into, engine.depth)
    tokens = torch.tensor(target.tokens, device=engine.device).repeat(len(states), 1)
    for _ in range(options.generate):
        written = {where: states[None, :, None]}
        logits = run_batch(engine, engine.trace(tokens), target.column, written)[where][0]
        tokens = torch.cat([tokens, logits.argmax(-1, keepdim=True)], 1)
    assert queries.wording is not None
    behind: Int[np.ndarray, "n generated"] = tokens[:, len(target.tokens) :].cpu().numpy()
    return [queries.wording.decode(tuple(row)) for row in behind.tolist()]


def _names(queries: Queries) -> dict[str, list[tuple[str, ...]]]:
    """The texts of bridges and answer of each question."""
    aliases = getattr(queries.wording, "aliases", {})
    said = {i: (name, *aliases.get(name, ())) for i, name in enumerate(queries.vocab.entities)}
    n = queries.bridge_ids.shape[1]
    columns = {
        ("bridge" if i == 0 else f"bridge_{i + 1}"): queries.bridge_ids[:, i] for i in range(n)
    }
    columns["answer"] = queries.answer_ids
    return {name: [said[int(i)] for i in ids] for name, ids in columns.items()}
