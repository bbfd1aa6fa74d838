"""Cross-query bridge patching (Ye et al., arXiv 2505.23653), with placebo donors.

1. Question B = (h, r1, r2) has bridge b. Its donor A has another bridge b', to which r2 applies.
2. S[layer, position] of B is overwritten by A's state at the same place.
3. The patch succeeds if B's top token becomes the target r2(b'): the answer for A's bridge and B's
   second relation.
4. Donors are drawn so that only the bridge can bring success. A shares neither subject nor r1 with
   B; the target is neither B's answer nor A's own; and B does not lead to it if its subject, one of
   its relations or (with more hops) another bridge is replaced by A's at the same place.
5. Two controls count the same event, with the real donor's target. A `same_bridge` donor has the
   bridge b and should leave the answer alone (`kept`). A `random` donor has a third bridge that
   does not lead to the target.

In sentences an answer is several tokens. `success` and `kept` are about its first one;
`success_name` and `kept_name` about the whole of it, decoded greedily (`whole_names`).

In sentences a name is several tokens and words stand between names. `span` says which tokens of a
role are swapped (`circuits.corpus.role_spans`); a question without such tokens has no donor there.

Questions with more hops have several bridges. `bridge` chooses one of them, and the target is where
B's later relations lead from A's bridge.

True by construction, and so no findings: at layer 0 the patched question is B with one of its
tokens replaced by A's; S[depth, p] before the last position reaches no answer, so that success is
what B answers without a patch; S[depth, last] is A's answer.

How to read: The success of real donors beyond that of random ones is the share of answers that
follow the bridge. Read it at S[i, relation_1] with 1 <= i < depth. `kept` with same-bridge donors
as high as accuracy says that the answer uses nothing of this state but its bridge.

What misleads: Success below 1 does not show that the model cannot compose: on real facts other
routes may keep the old answer (`route_ablation`). One question's failure says little of that
question: with another donor it may succeed, and in the demo the donor's first hop decides more.
Success at layer 0 is not the bridge's; the draw sees to it that B with one of A's tokens does not
lead to the target, so it is an association of that token with the answer (.18 at the demo's
subject). Donors are few in small graphs; n says how many questions have one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor

from analyses.estimates import Variables, with_interval
from analyses.interventions.whole_names import WholeNames
from analyses.options.interventions import BridgePatchingOptions as Options
from analyses.outcomes import KEPT, NO_DONOR, OTHER, SUCCESS
from analyses.questions.corruptions import NO_FACT, Chains, FactTable, hashed
from analyses.questions.examples import Examples
from circuits.corpus.queries import Queries
from circuits.corpus.role_names import Span
from circuits.errors import HopscopeError
from circuits.model.protocol import Model
from circuits.patching.batched_runs import run_batch, run_batch_after
from circuits.patching.engines import AnyTrace, Engine, engine_for, traced
from circuits.patching.role_trace import RoleTrace

_POOL = 20_000  # donors are drawn from at most this many queries of the split
_PAIRS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Donors:
    """A donor per example and control."""

    tokens: Int[np.ndarray, "control n names"]
    """What the donor asks (`Queries.asked_ids`); the question's own where there is no donor."""
    rows: Int[np.ndarray, "control n"]
    """Row of the donor in its split; -1 where there is none."""
    target: Int[np.ndarray, " n"]
    """r2(b'), the entity to which B's later relations lead from A's bridge; -1 without a donor."""


def run(model: Model, examples: Examples, options: Options) -> xr.Dataset:
    """Share of answers that become the donor bridge's answer, for every state of a checkpoint."""
    n_bridges = examples.queries.bridge_ids.shape[1]
    if options.bridge > n_bridges:
        raise HopscopeError(
            f"bridge = {options.bridge} is refused: the questions of {examples.split!r} have "
            f"{n_bridges or 'no'} bridge{'' if n_bridges == 1 else 's'}; choose another split, or "
            "a bridge that exists."
        )
    donors = examples.once(("donors", options), lambda: draw_donors(examples, options))
    here = (donors.rows >= 0).T  # example, control
    engine = engine_for(model)
    outcomes = {"": swap_outcomes(engine, examples, donors, options.span)}
    if examples.queries.names is not None:
        outcomes["_name"] = whole_outcomes(engine, examples, donors, options.span, outcomes[""])
    variables: Variables = {}
    for whole, outcome in outcomes.items():
        variables |= _shares(whole, np.where(here[..., None, None], outcome, NO_DONOR))
    return xr.Dataset(
        {
            **variables,
            "donor_row": (
                ("example", "control"),
                donors.rows.T.astype(np.int32),
                {"long_name": "row of the donor in the split, -1 for none", "per_step": False},
            ),
            "n_valid": (
                ("control",),
                here.sum(0).astype(np.int32),
                {"long_name": "examples with a donor", "units": "1", "per_step": False},
            ),
        },
        {
            "control": list(options.controls),
            "layer": np.arange(model.depth + 1),
            "position": list(examples.queries.positions),
        },
    )


DIMS = ("control", "layer", "position")


def _shares(whole: str, outcome: Int[np.ndarray, "n control layer position"]) -> Variables:
    """`success`, `kept` and the outcomes themselves, of first tokens or ("_name") whole names."""
    variables: Variables = {}
    of = "whole answers" if whole else "answers"
    for name, kind, text in (
        ("success", SUCCESS, f"share of {of} that become the donor bridge's"),
        ("kept", KEPT, f"share of {of} that are the question's own, right one"),
    ):
        share = np.where(outcome != NO_DONOR, outcome == kind, np.nan)
        attrs = {"long_name": text, "units": "share"}
        variables |= with_interval(f"{name}{whole}", DIMS, share, attrs, shares=True)
    words = {"long_name": "0 other answer, 1 the donor bridge's, 2 kept, -1 no donor"}
    kinds = (("example", *DIMS), outcome.astype(np.int8), words)
    return variables | {f"outcome{whole}_example": kinds}


def swap_outcomes(
    engine: Engine, examples: Examples, donors: Donors, span: Span = "last"
) -> Int[np.ndarray, "n control layer position"]:
    """`SUCCESS`, `KEPT` or `OTHER` for each question, kind of donor and state that is swapped.

    `NO_DONOR` where the question or its donor has no such tokens.
    """
    n_controls, n = donors.tokens.shape[:2]
    device, n_pos = engine.device, len(examples.queries.positions)
    queries = asked(examples.queries, donors)
    base, given = traced(engine, examples.queries, span), traced(engine, queries, span)
    answer = examples.queries.answer.to(device)
    target = target_tokens(examples.queries, donors).to(device)
    found = np.empty((n, n_controls, engine.depth + 1, n_pos), np.int8)
    for p in range(n_pos):
        for layer, logits in _patched(engine, base, given, p).items():
            found[:, :, layer, p] = judged(logits.argmax(-1), answer, target).T.cpu().numpy()
    swapped = both_written(base, given)
    return found if swapped is None else np.where(swapped[:, :, None], found, NO_DONOR)


def both_written(base: AnyTrace, given: AnyTrace) -> Bool[np.ndarray, "n draw role"] | None:
    """Whether a question and what is written into it have tokens at a role; None: they all do."""
    if not isinstance(base, RoleTrace) or base.spans is None:
        return None
    assert isinstance(given, RoleTrace)
    ours, theirs = ((spans[..., 0] < spans[..., 1]) for spans in (base.written, given.written))
    return (ours & theirs.unflatten(0, (-1, base.n))).transpose(0, 1).cpu().numpy()


def whole_outcomes(
    engine: Engine,
    examples: Examples,
    donors: Donors,
    span: Span,
    first: Int[np.ndarray, "n control layer position"],
) -> Int[np.ndarray, "n control layer position"]:
    """`swap_outcomes` by whole names: only those whose first tokens agree can."""
    queries, again = examples.queries, asked(examples.queries, donors)
    base, given = traced(engine, queries, span), traced(engine, again, span)
    assert isinstance(given, RoleTrace)
    found = np.where(first < 0, first, OTHER)
    for kind, names in ((KEPT, queries.answer_ids), (SUCCESS, donors.target)):
        hit = first == kind
        whole = WholeNames.of(engine, queries, base, np.where(hit.any((1, 2, 3)), names, -1))
        assert whole is not None
        for control, p in np.argwhere(hit.any((0, 2))).tolist():
            here = hit[:, control, :, p]
            its = given.rows(slice(control * len(hit), (control + 1) * len(hit)))
            layers = np.flatnonzero(here.any(0)).tolist()
            for layer, (exact, _) in whole.rest(here.any(1)).after(its, p, layers).items():
                found[exact[0] & here[:, layer], control, layer, p] = kind
    return found


def _patched(
    engine: Engine, base: AnyTrace, given: AnyTrace, p: int
) -> dict[int, Float[Tensor, "control n d_vocab"]]:
    """Logits of the questions with the donors' S[layer, p] written in, by layer."""
    n_controls = given.n // base.n
    if isinstance(base, RoleTrace):
        return run_batch_after(engine, base, given, p, range(engine.depth + 1), engine.depth)
    if p == 0:  # no position comes before the subject, so all runs agree there
        found = run_batch_after(engine, base, given, p, range(engine.depth), engine.depth)
        unpatched = engine.logits(base.resid[-1][:, -1])
        return {**found, engine.depth: unpatched.expand(n_controls, -1, -1)}
    states = given.resid[:, :, p, None].unflatten(1, (n_controls, -1))
    return run_batch(engine, base, p, dict(enumerate(states)))


def asked(queries: Queries, donors: Donors) -> Queries:
    """The donors' questions, in the wording of those that they are given to: control, n."""
    n_controls, n, _ = donors.tokens.shape
    again = queries.take(np.tile(np.arange(n), n_controls))
    return again.asking(donors.tokens.reshape(n_controls * n, -1))


def target_tokens(queries: Queries, donors: Donors) -> Int[Tensor, " n"]:
    """(First) token of each target; -1 without a donor."""
    target = donors.target.astype(np.int64)
    tokens = target if queries.names is None else queries.names.first[target]
    return torch.from_numpy(np.where(target >= 0, tokens, target).astype(np.int64))


def judged(
    top: Int[Tensor, "control n"], answer: Int[Tensor, " n"], target: Int[Tensor, " n"]
) -> Int[Tensor, "control n"]:
    """`SUCCESS`, `KEPT` or `OTHER` for each answer after a swap."""
    kept = torch.where(top == answer, KEPT, OTHER)
    return torch.where(top == target, SUCCESS, kept)


def draw_donors(examples: Examples, options: Options) -> Donors:
    """Draw donors from the examples' split; a hash of seed, question and donor decides."""
    pool = examples.corpus.queries(examples.split)
    rows = np.arange(len(pool))
    if len(pool) > _POOL:
        rows = np.sort(np.random.default_rng([options.seed, 1]).permutation(rows)[:_POOL])
        pool = pool.take(rows)
    table = FactTable.of(examples.corpus.graph)
    ours, donor = Chains.of(examples.queries), Chains.of(pool)
    step = max(1, _PAIRS_AT_ONCE // max(1, len(pool)))
    parts = [
        _draw(ours.rows(slice(i, i + step)), donor, table, options)
        for i in range(0, len(examples), step)
    ]
    chosen = np.concatenate([part[0] for part in parts], 1)
    target = np.concatenate([part[1] for part in parts])
    tokens = np.where(chosen[..., None] >= 0, pool.asked_ids[chosen], examples.queries.asked_ids)
    return Donors(tokens, np.where(chosen >= 0, rows[chosen], -1), target)


def _draw(
    ours: Chains, donor: Chains, table: FactTable, options: Options
) -> tuple[Int[np.ndarray, "control n"], Int[np.ndarray, " n"]]:
    """For each control an index into the pool (-1: none); and the target of the real donor."""
    at, then = ours.stops.T[..., None], ours.relations.T[..., None]  # [hop, n, 1]
    its_at, its_then = donor.stops.T, donor.relations.T
    hops = len(then)
    question = hashed(options.seed, at[0], *then)
    priority = hashed(question, its_at[0], *its_then)
    unlike = (its_at[0] != at[0]) & (its_then[0] != then[0])
    # where B's later relations lead from each of A's stops; the first stop is A's subject
    swapped = [table.follow(its_at[k], [*then[k:]]) for k in range(hops)]
    leads_to = swapped.pop(options.bridge)
    elsewhere = [  # answers that the patched question could get without this bridge
        donor.answer,
        *swapped,
        *(table.follow(at[j], [its_then[j], *then[j + 1 :]]) for j in range(hops)),
    ]

    def only_by_bridge(wanted: np.ndarray) -> np.ndarray:
        return unlike & np.logical_and.reduce([answer != wanted for answer in elsewhere])

    other = its_at[options.bridge] != at[options.bridge]
    new = (leads_to >= 0) & (leads_to != ours.answer[:, None])
    real = only_by_bridge(leads_to) & other & new
    chosen = lowest(priority, real)
    target = np.where(chosen >= 0, leads_to[np.arange(len(leads_to)), chosen], NO_FACT)
    placebo = only_by_bridge(target[:, None])
    allowed = {
        "bridge": real,
        "same_bridge": placebo & ~other,
        "random": placebo & other & (leads_to != target[:, None]),
    }
    found = [lowest(priority, allowed[control]) for control in options.controls]
    return np.where(chosen >= 0, np.stack(found), -1), target


def lowest(
    priority: Integer[np.ndarray, "n donor"], allowed: Bool[np.ndarray, "n donor"]
) -> Int[np.ndarray, " n"]:
    """The allowed donor of lowest priority for each question, -1 where none is allowed."""
    masked = np.where(allowed, priority, np.iinfo(np.uint64).max)
    first = masked.argmin(1)
    return np.where(allowed[np.arange(len(first)), first], first, -1)
