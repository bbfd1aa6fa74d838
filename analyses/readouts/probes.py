"""Probes and geometry of the bridge: what can be read linearly from each state S[l, p].

1. Trained inferred questions are drawn once. The probes learn from their states.
2. Examples are held out by *first hop*. Attention is causal, so S[., relation_1] is the same for
   all questions with the same (subject, relation_1), and a probe tested on a first hop from its
   training set would only recall it. First hops are dealt into folds, and each example is judged by
   the probe trained on the other folds. First hops of OOD facts occur in no trained question.
   (At the subject's own position the state is the same for all first hops of a subject, and two of
   them may share a bridge; in the demo's graph this concerns a third of the questions. Accuracy
   there may therefore be recall.)
3. The probe is linear (ridge classifier or logistic regression) and maps the state to the bridge.
   Its control is the same probe trained on bridges shuffled between first hops.
4. Geometry (Ye et al., arXiv 2505.23653): the cosine of a state to the states of trained questions
   with the same bridge but another first hop, pairwise (`cohesion`) and to their centroid
   (`alignment`), each beside the same number for other bridges. The mean of the trained states is
   subtracted first, because all states share a large common part.
5. The cosine of the state itself to the bridge's embedding (W_E) and unembedding (W_U), beside the
   mean over all other entities. DiscoLoop (arXiv 2607.00341) reports that this cosine is low
   although the bridge is decodable.
6. Two maps of the examples' states with the most frequent bridges (`analyses.readouts.state_map`).
   One shows the first two principal components of trained states with these bridges; the first
   bridge fixes their signs, so maps of different steps can be compared. The other is a
   multidimensional scaling of the distances between states.

True by construction, and so no findings: S[i, relation_1] is the state of the atomic prompt
(h, r1), bit for bit, and S[depth, relation_1] the one from which training makes the model answer
with the bridge. A probe reads it there in every model that knows its facts, and no block reads it
(`usable` is False, see `analyses.usable`). S[0, p] is a function of the token at p, so a probe
there learns which bridges go with that token.

How to read: Accuracy above that of shuffled bridges says that the bridge can be read linearly from
S[l, p] for first hops never seen by the probe. `cohesion` and `alignment` above their values for
other bridges say that questions with one bridge share a state.

What misleads: Probes find more than the model uses; a probe is evidence of information, never of
use. With many bridges and few prompts for each accuracy is a lower bound. At the subject it may be
recall (step 2), and the map shows only a few frequent bridges in two of many dimensions: clusters
there are no measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from analyses.estimates import Variables, estimated
from analyses.options.readouts import ProbeOptions as Options
from analyses.questions.examples import Examples
from analyses.readouts.state_map import MapOptions, state_map
from analyses.readouts.states import row_keys, states, trained_questions
from circuits.corpus.queries import Queries
from circuits.model.protocol import Model

LABELS = ("bridge", "shuffled")


@torch.no_grad()
def run(model: Model, examples: Examples, options: Options) -> xr.Dataset:
    """Probe accuracy, cohesion, alignment and cosines at every state, and maps of one state.

    Returns:
        accuracy (labels, layer, position): share of held-out examples whose bridge the probe
        names; cohesion, alignment, cosine_embedding, cosine_unembedding (layer, position), each
        with its `_other` baseline; map_state, map_mds (map_bridge, map_point, axis) and the other
        variables of `state_map`.
    """
    queries = examples.queries
    train = trained_questions(examples.corpus, options.n_train, options.seed)
    here, there = states(model, queries), states(model, train)
    folds = deal_folds(train, queries, options)
    guessed = _guesses(there, here, train, queries, folds, options)
    right = np.where(np.isnan(guessed), np.nan, guessed == _entities(queries)[:, None, None, None])
    at = ("layer", "position")
    variables = estimated(
        "accuracy", right, ("labels", *at), "held-out accuracy of the bridge probe", shares=True
    )
    for name, values, words in _geometry(there, here, train, queries, folds):
        variables |= estimated(name, values, at, words, keep=not name.endswith("_other"))
    for name, weight in (("embedding", model.W_E), ("unembedding", model.W_U.T)):
        variables |= _cosines(name, here, queries, weight[queries.entity_tokens])
    mapped, bridges = state_map(there, here, train, queries, _map_options(model, queries, options))
    coords = {
        "labels": list(LABELS),
        "layer": np.arange(len(here)),
        "position": list(queries.positions),
        "axis": [0, 1],
        "map_bridge": [queries.vocab.name(int(b)) for b in bridges],
    }
    return xr.Dataset(variables | mapped, coords)


@dataclass(frozen=True)
class Folds:
    """The fold of each trained question and example; the probe of the other folds judges it."""

    train: Int[np.ndarray, " n_train"]
    examples: Int[np.ndarray, " n"]

    def used(self) -> list[int]:
        """Folds that have at least one example to judge."""
        return np.unique(self.examples).tolist()


def deal_folds(train: Queries, queries: Queries, options: Options) -> Folds:
    """Deal first hops into folds; a first hop that no trained question has goes to fold 0."""
    base = len(train.vocab)
    keys = row_keys(train.asked_ids[:, :2], base)
    first_hops = np.unique(keys)
    dealt = np.random.default_rng([options.seed, 1]).permutation(len(first_hops)) % options.n_folds
    wanted = row_keys(queries.asked_ids[:, :2], base)
    at = np.minimum(np.searchsorted(first_hops, wanted), len(first_hops) - 1)
    known = first_hops[at] == wanted
    return Folds(dealt[np.searchsorted(first_hops, keys)], np.where(known, dealt[at], 0))


def _guesses(
    there: Float[Tensor, "layer n_train pos d_model"],
    here: Float[Tensor, "layer n pos d_model"],
    train: Queries,
    queries: Queries,
    folds: Folds,
    options: Options,
) -> Float[np.ndarray, "n labels layer pos"]:
    """The bridge that the probe names; NaN if no question of the other folds has the true one."""
    bridge, shuffled = _entities(train), _shuffled_bridges(train, options.seed)
    depth, n, pos, _ = here.shape
    found = np.full((n, len(LABELS), depth, pos), np.nan)
    for fold in folds.used():
        learn = folds.train != fold
        judge = (folds.examples == fold) & np.isin(_entities(queries), bridge[learn])
        if not judge.any():
            continue
        for layer, p in product(range(depth), range(pos)):
            x, y = (
                part[layer, torch.from_numpy(mask), p].cpu().numpy()
                for part, mask in ((there, learn), (here, judge))
            )
            scale = x.std() + 1e-12
            labels = [bridge[learn], shuffled[learn]]
            found[judge, :, layer, p] = _fit_and_guess(x / scale, labels, y / scale, options).T
    return found


def _fit_and_guess(
    x: Float[np.ndarray, "n d"],
    labels: list[Int[np.ndarray, " n"]],
    held_out: Float[np.ndarray, "m d"],
    options: Options,
) -> Int[np.ndarray, "labels m"]:
    from sklearn.linear_model import LogisticRegression, Ridge

    if options.classifier == "logistic":
        probe = LogisticRegression(C=1 / options.penalty, max_iter=300)
        return np.stack([probe.fit(x, y).predict(held_out) for y in labels])
    # one ridge classifier per labelling; both share one factorization of the states
    classes = [np.unique(y) for y in labels]
    targets = [
        np.where(y[:, None] == c, 1.0, -1.0).astype(x.dtype)
        for y, c in zip(labels, classes, strict=True)
    ]
    ridge = Ridge(alpha=options.penalty, solver="cholesky").fit(x, np.concatenate(targets, 1))
    scores = ridge.predict(held_out)
    split = np.split(scores, [len(classes[0])], axis=1)
    return np.stack([c[s.argmax(1)] for c, s in zip(classes, split, strict=True)])


def _shuffled_bridges(train: Queries, seed: int) -> Int[np.ndarray, " n"]:
    """Bridges shuffled between first hops; questions with the same first hop keep a common one."""
    keys = row_keys(train.asked_ids[:, :2], len(train.vocab))
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return np.random.default_rng([seed, 2]).permutation(_entities(train)[first])[inverse]


def _geometry(
    there: Float[Tensor, "layer n_train pos d_model"],
    here: Float[Tensor, "layer n pos d_model"],
    train: Queries,
    queries: Queries,
    folds: Folds,
) -> list[tuple[str, Float[np.ndarray, "n layer pos"], str]]:
    """Each example's cosines to states with the same bridge and to states with other bridges."""
    names = ("cohesion", "alignment")
    found = {
        f"{n}{o}": torch.full(_by_example(here), torch.nan) for n in names for o in ("", "_other")
    }
    centre = there.mean(1, keepdim=True)
    unit_there, here = _unit(there - centre), here - centre
    of_train, of_queries = (torch.from_numpy(_entities(some)) for some in (train, queries))
    bridges = torch.unique(of_train)
    place = torch.full((len(train.vocab),), -1)
    place[bridges] = torch.arange(len(bridges))
    for fold in folds.used():
        learn, judge = (torch.from_numpy(m) for m in (folds.train != fold, folds.examples == fold))
        member = torch.nn.functional.one_hot(place[of_train[learn]], len(bridges)).to(there)
        count = member.sum(0)
        own = place[of_queries[judge]].to(there.device)
        for name, source in (("cohesion", unit_there), ("alignment", there - centre)):
            means = torch.einsum("lnpd,nb->lpbd", source[:, learn], member) / count[:, None]
            means = _unit(means) if name == "alignment" else means
            cosines = torch.einsum("lnpd,lpbd->nlpb", _unit(here[:, judge]), means)
            same, other = _own_and_others(cosines, own, count > 0)
            found[name][judge], found[f"{name}_other"][judge] = same.cpu(), other.cpu()
    words = {
        "cohesion": "cosine to states with the same bridge, other first hop",
        "alignment": "cosine to the centroid of trained states with the same bridge",
    }
    return [
        (name, v.numpy(), words[name.removesuffix("_other")] + _suffix(name))
        for name, v in found.items()
    ]


def _own_and_others(
    cosines: Float[Tensor, "n layer pos bridge"],
    own: Int[Tensor, " n"],
    present: Tensor,
) -> tuple[Float[Tensor, "n layer pos"], Float[Tensor, "n layer pos"]]:
    """Value at the example's own bridge (NaN if it is not present), and mean over all others."""
    known = (own >= 0) & present[own.clamp_min(0)]
    index = own.clamp_min(0)[:, None, None, None].expand(*cosines.shape[:3], 1)
    same = cosines.gather(3, index)[..., 0]
    same = torch.where(known[:, None, None], same, torch.nan)
    total = torch.where(present, cosines, 0.0).sum(-1)
    others = (total - torch.nan_to_num(same)) / (present.sum() - known.long())[:, None, None]
    return same, others


def _cosines(
    name: str,
    here: Float[Tensor, "layer n pos d_model"],
    queries: Queries,
    weight: Float[Tensor, "entity d_model"],
) -> Variables:
    """Cosine of states to their bridge's row of `weight`, and the mean cosine to all other rows."""
    rows, unit = _unit(weight), _unit(here)
    own = torch.einsum("lnpd,nd->nlp", unit, rows[torch.from_numpy(_entities(queries))])
    total = torch.einsum("lnpd,d->nlp", unit, rows.sum(0))
    other = (total - own) / (len(rows) - 1)
    about, others = f"cosine of the state to the bridge's {name}", "mean over all other entities"
    at, name = ("layer", "position"), f"cosine_{name}"
    return estimated(name, own.cpu().numpy(), at, about) | estimated(
        f"{name}_other", other.cpu().numpy(), at, f"{about}; {others}", keep=False
    )


def _map_options(model: Model, queries: Queries, options: Options) -> MapOptions:
    layer = model.depth - 1 if options.map_layer is None else options.map_layer
    return MapOptions.checked(
        layer, options.map_position, options.map_bridges, options.map_points, model.depth, queries
    )


def _entities(queries: Queries) -> Int[np.ndarray, " n"]:
    """The bridge of each question, as an entity."""
    return queries.bridge_ids[:, 0].astype(np.int64)


def _unit(x: Float[Tensor, "*shape d"]) -> Float[Tensor, "*shape d"]:
    return torch.nn.functional.normalize(x, dim=-1)


def _by_example(here: Float[Tensor, "layer n pos d_model"]) -> tuple[int, int, int]:
    layers, n, pos, _ = here.shape
    return n, layers, pos


def _suffix(name: str) -> str:
    return "; mean over other bridges" if name.endswith("_other") else ""
