"""Do sparse features find the bridge? A crosscoder over checkpoints (arXiv 2509.17196).

The paper dates features by the norms of their decoders but cannot know which features are there to
be found. Here the bridge of every prompt is known, so they can be scored.

1. Prompts are trained questions cut off after `position` (of a name of several tokens, after its
   last one); attention is causal, so each distinct one counts once. States S[layer, position] are
   collected at each checkpoint. By default the state is S[depth - 1, relation_1], the last one
   there that another block reads. Where a text names the subject after the relation, the prompt
   ends with the subject; questions in another order than most are left out.
2. A share `held_out` of the first hops is set aside with all their prompts: one may have several,
   where relation 2 comes before it or in several wordings. A crosscoder is fitted to the others
   (`circuits.model.crosscoder`).
3. Each bridge with at least 2 fitted and 1 held-out prompts is matched with the feature whose
   activation has the highest average precision for it on the fitted prompts. Its score is AUROC
   and average precision on the held-out ones (means over bridges, intervals over bridges).
4. Ceiling: a linear probe (ridge, one bridge against all others) of the last checkpoint's states,
   fitted and scored on the same prompts; `probe_auroc` has the same of every checkpoint. Floor: the
   best feature for bridges that were shuffled between prompts. AUROC .5, and an average precision
   of a bridge's share of the prompts, are chance.
5. A feature is born at the first checkpoint at which its decoder norm is at least half of its
   highest. A bridge is found if its feature's average precision on held-out prompts is at least
   `FOUND`; `born` follows the births of the features of found bridges and of all living features.

States are scaled to the same variance at every checkpoint, so a birth says when a direction becomes
one of the main ones, not when it becomes longer. S[depth, relation_1] would decode the bridge by
construction (`analyses.usable`).

How to read: The best feature lies between the floor (shuffled bridges) and the ceiling (a probe);
the nearer to the probe, the better sparse features find what is there. Births of bridge features
that come before accuracy rises say that the bridge was represented first.

What misleads: AUROC is high as soon as a feature is rare; average precision is the stricter number.
A birth dates when a direction becomes large among others, not when it is first computed. Features
change with the seed and with `features` and `active`, and a bridge without a feature of its own is
still there for the probe. At relation_1 the states are those of the atomic prompts: features there
tell what is known of the facts, not what questions use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float, Int
from torch import Tensor

from analyses.estimates import Variables, estimated
from analyses.options.over_training import CrosscoderOptions as Options
from analyses.over_training.separation import auroc, average_precision
from analyses.readouts.states import trained_questions
from circuits.corpus.corpus import Corpus
from circuits.errors import HopscopeError
from circuits.model.crosscoder import Crosscoder
from circuits.patching.engines import engine_for
from circuits.runs.run import Run

SPLIT = "train_inferred"
KINDS = ("feature", "probe", "shuffled")
FOUND = 0.5
"""Average precision from which a bridge counts as found by a feature."""
BORN = 0.5
"""Share of its highest decoder norm at which a feature is born."""
LEAST_BRIDGES = 5


@dataclass(frozen=True)
class Prompts:
    """Distinct prompts, which of them are fitted, and the bridge of each."""

    tokens: Int[Tensor, "n pos"]
    """Right-padded with zeros."""
    end: Int[Tensor, " n"]
    """Column of the last token of each."""
    bridge: Int[np.ndarray, " n"]
    """Ids of the vocabulary of names."""
    fitted: Bool[np.ndarray, " n"]

    @classmethod
    def drawn(cls, corpus: Corpus, options: Options) -> Prompts:
        """The beginnings of trained questions, divided by chance."""
        asked = trained_questions(corpus, options.examples, options.seed)
        end = asked.role_columns[:, asked.role_index(options.position)]
        if options.position == "relation_1":
            complete = end >= asked.role_columns[:, :2].max(1)
            asked, end = asked.take(np.flatnonzero(complete)), end[complete]
        columns = np.arange(end.max() + 1)
        tokens = np.where(columns <= end[:, None], asked.token_ids[:, columns], 0)
        _, first = np.unique(np.column_stack([end, tokens]), axis=0, return_index=True)
        rows = np.sort(first)
        hop = _numbered(asked.asked_ids[rows, :2])
        rng = np.random.default_rng([options.seed, 11])
        order = rng.permutation(hop.max() + 1)
        fitted = ~np.isin(hop, order[: round(options.held_out * len(order))])
        tokens, end, bridge = (p[rows].astype(np.int64) for p in (tokens, end, asked.bridge_ids))
        return cls(torch.from_numpy(tokens), torch.from_numpy(end), bridge[:, 0], fitted)


def _numbered(pairs: Int[np.ndarray, "n 2"]) -> Int[np.ndarray, " n"]:
    """Number of each pair, in the order in which they first come."""
    _, first, inverse = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    return first.argsort().argsort()[inverse.reshape(-1)]


def steps(run: Run, options: Options) -> list[int]:
    """Checkpoints of the run: half of them evenly spread, the others denser towards its start.

    Births are early in some runs and late in others, and each checkpoint costs. The first and the
    last one are always among them.
    """
    last = len(run.steps) - 1
    even = np.linspace(0, last, options.checkpoints - options.checkpoints // 2)
    early = np.geomspace(1, max(last, 1), options.checkpoints // 2)
    places = np.unique(np.round([0, *even, *early, last]).astype(int).clip(0, last))
    return [run.steps[i] for i in places]


def run(run: Run, steps: Sequence[int], options: Options) -> xr.Dataset:
    """Scores of a crosscoder's features, and when they are born.

    Returns:
        auroc, average_precision (kind) over bridges, with intervals and `_bridge` (bridge, kind);
        probe_auroc, explained (step); born, all_born (step): shares of features; decoder_norm
        (step, feature) over its highest; birth (feature), a step, NaN for one that is never used;
        feature_of (bridge); found, living, active.
    """
    if len(steps) < 2:
        raise HopscopeError("a crosscoder compares at least 2 checkpoints; give more steps.")
    prompts = Prompts.drawn(run.corpus, options)
    layer, states = _states(run, steps, prompts, options)
    fitted, held_out = (torch.from_numpy(m) for m in (prompts.fitted, ~prompts.fitted))
    coder = Crosscoder.fit(
        states[:, fitted], options.features, options.active, steps=options.fit_steps,
        learning_rate=options.learning_rate, seed=options.seed,
    )  # fmt: skip
    codes = coder.codes(states)
    bridges = _scored_bridges(prompts)
    variables = _scores(codes.numpy(), states, prompts, bridges, options)
    variables |= _births(coder, codes.numpy(), variables, steps)
    variables |= _fit_quality(coder, codes[held_out], states[:, held_out])
    variables["feature_of"][2].update(layer=layer, position=options.position)
    n = np.array([int(held_out.sum())], np.int32)
    variables["n"] = (("split",), n, {"long_name": "held-out prompts", "units": "1"})
    vocab = run.corpus.vocab
    coords = {
        "step": list(steps),
        "split": [SPLIT],
        "kind": list(KINDS),
        "bridge": [vocab.name(int(b)) for b in bridges],
        "feature": np.arange(options.features),
    }
    return xr.Dataset(variables, coords)


def _states(
    run: Run, steps: Sequence[int], prompts: Prompts, options: Options
) -> tuple[int, Float[Tensor, "checkpoint n d_model"]]:
    """The layer, and the states of the prompts' last position after so many blocks."""
    found = []
    depth = run.model(steps[-1]).depth
    layer = depth - 1 if options.layer is None else options.layer
    if not 0 <= layer <= depth:
        raise HopscopeError(f"layer = {layer} does not exist; states are S[0] to S[{depth}].")
    for step in steps:
        model = run.model(step)
        trace = engine_for(model).trace(prompts.tokens.to(model.device))
        rows, ends = (t.to(model.device) for t in (torch.arange(len(prompts.end)), prompts.end))
        found.append(trace.resid[layer][rows, ends].float().cpu())
    return layer, torch.stack(found)


def _scored_bridges(prompts: Prompts) -> Int[np.ndarray, " bridge"]:
    """Ids of the bridges with enough prompts on both sides."""
    size = int(prompts.bridge.max()) + 1
    fitted, held_out = (
        np.bincount(prompts.bridge[mask], minlength=size)
        for mask in (prompts.fitted, ~prompts.fitted)
    )
    bridges = np.flatnonzero((fitted >= 2) & (held_out >= 1))
    if len(bridges) < LEAST_BRIDGES:
        raise HopscopeError(
            f"{len(bridges)} bridges have 2 fitted and 1 held-out prompts, and at least "
            f"{LEAST_BRIDGES} are needed; draw more examples, or use a run with more facts."
        )
    return bridges


def _scores(
    codes: Float[np.ndarray, "n feature"],
    states: Float[Tensor, "checkpoint n d_model"],
    prompts: Prompts,
    bridges: Int[np.ndarray, " bridge"],
    options: Options,
) -> Variables:
    fitted, judged = prompts.fitted, ~prompts.fitted
    own = np.arange(len(bridges))
    found: dict[str, list[np.ndarray]] = {"auroc": [], "average_precision": []}
    probes = [_probe(one.numpy(), prompts, bridges, options.penalty) for one in states]
    shuffled = np.random.default_rng([options.seed, 12]).permutation(prompts.bridge)
    feature_of = np.zeros(len(bridges), int)
    for kind, bridge in zip(KINDS, (prompts.bridge, prompts.bridge, shuffled), strict=True):
        member = bridge[:, None] == bridges
        if kind == "probe":
            scores, chosen = probes[-1], own
        else:
            scores = codes
            chosen = np.nan_to_num(average_precision(codes[fitted], member[fitted])).argmax(0)
        if kind == "feature":
            feature_of = chosen
        for name, measure in (("auroc", auroc), ("average_precision", average_precision)):
            by_pair = measure(scores[judged][:, chosen], member[judged])
            found[name].append(by_pair[own, own])
    variables: Variables = {}
    for name, parts in found.items():
        words = f"{name.replace('_', ' ')} of a bridge on held-out prompts"
        variables |= estimated(name, np.stack(parts, 1), ("kind",), words, over="bridge")
    member = prompts.bridge[judged, None] == bridges
    by_step = np.stack([auroc(scores[judged], member)[own, own] for scores in probes], 1)
    text = "AUROC of the probe of one checkpoint's states"
    variables |= estimated("probe_auroc", by_step, ("step",), text, over="bridge", keep=False)
    about = {"long_name": "feature that names the bridge best on fitted prompts"}
    variables["feature_of"] = (("bridge",), feature_of, about)
    return variables


def _probe(
    states: Float[np.ndarray, "n d_model"],
    prompts: Prompts,
    bridges: Int[np.ndarray, " bridge"],
    penalty: float,
) -> Float[np.ndarray, "n bridge"]:
    """Scores of one linear probe per bridge, fitted on the fitted prompts."""
    from sklearn.linear_model import Ridge

    x = (states - states.mean(0)) / (states.std() + 1e-12)
    target = np.where(prompts.bridge[:, None] == bridges, 1.0, -1.0)
    ridge = Ridge(alpha=penalty).fit(x[prompts.fitted], target[prompts.fitted])
    return ridge.predict(x)


def _births(
    coder: Crosscoder,
    codes: Float[np.ndarray, "n feature"],
    scores: Variables,
    steps: Sequence[int],
) -> Variables:
    norm = coder.decoder_norm.numpy()
    share = norm / np.maximum(norm.max(0), 1e-12)
    first = (share >= BORN).argmax(0)
    living = (codes > 0).any(0)
    precision = scores["average_precision_bridge"][1][:, KINDS.index("feature")]
    useful = np.unique(scores["feature_of"][1][precision >= FOUND])
    variables: Variables = {
        "decoder_norm": (
            ("step", "feature"), share.astype(np.float32),
            {"long_name": "decoder norm over its highest", "units": "1"},
        ),
        "birth": (
            ("feature",), np.where(living, np.array(steps, float)[first], np.nan),
            {"long_name": "step at which it has half of its highest norm", "units": "step"},
        ),
        "found": (
            ("split",), np.array([(precision >= FOUND).mean()], np.float32),
            {"long_name": "share of bridges that a feature finds", "units": "share"},
        ),
        "living": (
            ("split",), np.array([living.sum()], np.int32),
            {"long_name": "features that some prompt uses"},
        ),
    }  # fmt: skip
    for name, some, words in (
        ("born", useful, "features of found bridges"),
        ("all_born", np.flatnonzero(living), "all living features"),
    ):
        places = np.arange(len(steps))[:, None]
        here = (first[some] <= places).mean(1) if len(some) else np.full(len(steps), np.nan)
        attrs = {"long_name": f"share of {words} that are born", "units": "share", "n": len(some)}
        variables[name] = (("step",), here.astype(np.float32), attrs)
    return variables


def _fit_quality(
    coder: Crosscoder, codes: Float[Tensor, "n feature"], states: Float[Tensor, "k n d_model"]
) -> Variables:
    error = (coder.reconstructed(codes) - states).square().mean((1, 2))
    explained = 1 - error / (states - coder.mean).square().mean((1, 2)).clamp_min(1e-12)
    active = (codes > 0).sum(1).double().mean().item()
    return {
        "explained": (
            ("step",), explained.numpy(),
            {"long_name": "share of the held-out states' variance that the code explains"},
        ),
        "active": (
            ("split",), np.array([active], np.float32),
            {"long_name": "features that a held-out prompt uses"},
        ),
    }  # fmt: skip
