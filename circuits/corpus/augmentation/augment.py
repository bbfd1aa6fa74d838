"""`augment`: from a recipe's section to a denser graph and a report on it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Int

from circuits.corpus.augmentation.additions import ADDED_FALSE, ADDED_TRUE
from circuits.corpus.augmentation.capacity import Goal, capacity, in_distribution
from circuits.corpus.augmentation.falsify import falsify
from circuits.corpus.augmentation.presets import starting_point
from circuits.corpus.augmentation.report import AugmentationReport, describe
from circuits.corpus.augmentation.rules import Rules, read_rules
from circuits.corpus.augmentation.stages import STAGES
from circuits.corpus.augmentation.types import says_little, type_reports
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.recipes.schema import AugmentationSection, SplitsSection

_STREAM = 1000  # keeps these streams apart from those of the splits, which have the same seed
_DRAWS = 20
"""The most times that false facts are redrawn if they leave too few paths for phi."""


@dataclass(frozen=True, eq=False)
class _Progress:
    """What the stages have done so far."""

    graph: KnowledgeGraph
    rules: Rules
    """In terms of the names of `graph`."""
    reached: bool
    added: dict[str, int] = field(default_factory=dict)
    """Facts by mode."""


def augment(
    graph: KnowledgeGraph,
    section: AugmentationSection,
    seed: int,
    splits: SplitsSection | None = None,
) -> tuple[KnowledgeGraph, AugmentationReport]:
    """Add facts until the section's goal is reached.

    Args:
        graph: The source's graph.
        section: The recipe's [augmentation].
        seed: The recipe's seed.
        splits: The recipe's [splits]: how many inferred facts will be held out, and which task.

    Raises:
        HopscopeError: if phi cannot be reached (the error names the highest that can), or
            correct_share asks for more true facts than are held back.
    """
    splits = splits or SplitsSection()
    base, goal = starting_point(graph, section, splits, seed)
    if section.type_relation is not None:
        graph.relation(section.type_relation)  # refused before anything is added
    rules = replace(
        read_rules(base, section.protect, section.acyclic),
        type_relation=section.type_relation,
        source=graph,
    )
    notes: list[str] = []
    unreachable: dict[str, str] = {}
    progress = _run_stages(base, section, goal, rules)
    if not progress.reached and goal.least_phi_r is not None:
        everything, (goal, unreachable) = goal, _give_up_on(progress.graph, goal)
        progress = _run_stages(base, section, goal, rules)
        below = {progress.graph.relations[r] for r in everything.failing(progress.graph)}
        unreachable = {name: why for name, why in unreachable.items() if name in below}
    if goal.asks_for_phi and (not progress.reached or goal.shortfall(progress.graph) > 0):
        notes.append(_settle_for_less(progress.graph, section, goal))
    done = progress.graph
    if section.correct_share is not None:
        done, remark = _mixed(base, progress, section.correct_share, goal)
        notes += remark
    facts_id = capacity(done, splits, seed).facts_id if goal.asks_for_phi else 0
    report = describe(
        base,
        done,
        phi_trained=goal.trained / facts_id if goal.trained else goal.phi,
        added=progress.added,
        unreachable=unreachable,
        types=_types_used(base, progress, notes),
        notes=notes,
    )
    return done, report


def _types_used(
    base: KnowledgeGraph, progress: _Progress, notes: list[str]
) -> list[dict[str, Any]]:
    """The types that additions respected, if there were any, and a warning if types say little."""
    if not progress.added.get("densify") and not progress.added.get("new_entities"):
        return []
    types = progress.rules.types(base)
    if (warning := says_little(base, types)) is not None:
        notes.append(warning)
    return [asdict(row) for row in type_reports(base, types)]


def _run_stages(
    base: KnowledgeGraph, section: AugmentationSection, goal: Goal, rules: Rules
) -> _Progress:
    graph, reached = base, goal.reached(base)
    added: dict[str, int] = {}
    for number, mode in enumerate(section.modes):
        if reached:
            break
        draw = np.random.default_rng([goal.seed, _STREAM + number])
        stage = STAGES[mode](graph, goal, rules.ranked_anew(graph), draw)
        graph, reached = stage.graph, stage.reached
        rules = stage.rules
        added[mode] = len(stage.facts)
    return _Progress(graph, rules.ranked_anew(graph), reached, added)


def _give_up_on(densest: KnowledgeGraph, goal: Goal) -> tuple[Goal, dict[str, str]]:
    """The goal without the relations that stay below `least_phi_r`, and the reason for each.

    Judged with everything added that the modes can add. phi_r need not rise with every fact, so a
    relation may be given up although a clever choice of additions could have lifted it. A relation
    that reaches `least_phi_r` after all is not reported.
    """
    subject, relation, obj = densest.facts.T
    n = len(densest.entities)
    out_degree, in_degree = np.bincount(subject, minlength=n), np.bincount(obj, minlength=n)
    failing, reasons = goal.failing(densest), {}
    for r in failing:
        of_it = relation == r
        follow, lead = out_degree[obj[of_it]].mean(), in_degree[subject[of_it]].mean()
        why = f"its objects have {follow:.2f} facts each and its subjects are objects of {lead:.2f}"
        if not follow and not lead:
            why = "its objects have no facts, and its subjects are objects of none"
        elif not follow:
            why = f"its objects have no facts, and its subjects are objects of only {lead:.2f}"
        reasons[densest.relations[r]] = (
            f"phi_r at most about {follow + lead:.2f} with all that these modes add: {why}"
        )
    return replace(goal, ignore=tuple(failing)), reasons


def _settle_for_less(densest: KnowledgeGraph, section: AugmentationSection, goal: Goal) -> str:
    """A note if the graph has enough to train but too little to hold out; else an error."""
    highest = goal.highest_phi(densest)
    shown = np.floor(1000 * highest) / 1000
    facts_id = capacity(densest, goal.splits, goal.seed).facts_id
    if highest >= goal.wanted(facts_id) / facts_id:
        return "the graph has too few inferred facts beside those trained for a full id_test."
    asked = (
        f"augmentation.phi = {goal.phi:g}"
        if goal.phi is not None
        else f"augmentation.preset = {section.preset!r} ({goal.trained:,} trained inferred facts "
        f"of {len(densest):,} atomic ones: phi {goal.wanted(facts_id) / facts_id:.3f})"
    )
    modes = ", ".join(section.modes) or "none"
    remedies = "; ".join(_remedies(densest, section, goal))
    raise HopscopeError(
        f"{densest.name}: {asked} cannot be reached; the highest phi with augmentation.modes "
        f"({modes}) is {shown:g}. What helps: {remedies}."
    )


def _remedies(densest: KnowledgeGraph, section: AugmentationSection, goal: Goal) -> list[str]:
    """What the user may change to reach the goal."""
    by_preset = "set augmentation.phi in place of the preset"
    remedies = ["lower augmentation.phi" if goal.phi is not None else by_preset]
    room = goal.splits.id_test_items - goal.shortfall(densest)
    if room > 0:
        remedies.append(f"lower splits.id_test_items to {room:,} or less")
    unused = [mode for mode in STAGES if mode not in section.modes]
    full = goal.n_facts is not None and len(densest) >= goal.n_facts
    if unused and not full:
        return [*remedies, f"allow {' or '.join(unused)} in augmentation.modes too"]
    return [*remedies, "take a larger or denser source"]


def _mixed(
    base: KnowledgeGraph, progress: _Progress, share: float, goal: Goal
) -> tuple[KnowledgeGraph, list[str]]:
    """(graph, notes): the same slots filled, with this share of all additions true."""
    done = progress.graph
    true_rows = np.flatnonzero(done.provenance == ADDED_TRUE)
    n_added = len(done) - len(base)
    n_true = round(share * n_added)
    if n_true == len(true_rows):
        return done, []
    if n_true > len(true_rows):
        highest = np.floor(1000 * len(true_rows) / n_added) / 1000
        raise HopscopeError(
            f"{done.name}: augmentation.correct_share = {share:g} asks for {n_true:,} true facts "
            f"among {n_added:,} added ones, but only {len(true_rows):,} are held back by the "
            f"source; the highest share here is {highest:g}. Lower it or augmentation.phi, put "
            "true_facts into augmentation.modes, or hold back more facts of the source."
        )
    for attempt in range(_DRAWS):
        stream = [goal.seed, _STREAM - 1, *([attempt] if attempt else [])]
        mixed, notes = _with_false(progress, goal, true_rows, n_true, np.random.default_rng(stream))
        if not goal.asks_for_phi or goal.shortfall(mixed) <= max(0, goal.shortfall(done)):
            break
    return mixed, notes


def _with_false(
    progress: _Progress,
    goal: Goal,
    true_rows: Int[np.ndarray, " n"],
    n_true: int,
    draw: np.random.Generator,
) -> tuple[KnowledgeGraph, list[str]]:
    """(graph, notes): all but `n_true` of the rows made false.

    The number of paths changes a little if objects had to be drawn anew.
    """
    done = progress.graph
    rows = np.sort(draw.permutation(true_rows)[n_true:])
    mask = in_distribution(done, goal.splits, goal.seed)
    types = progress.rules.types(done)
    false = falsify(done, done.facts[rows], mask[rows], types, progress.rules, draw)
    notes = []
    if false.redrawn or false.kept_true:
        notes.append(
            f"correct_share: {false.redrawn:,} objects could not be exchanged and were drawn anew, "
            f"{false.kept_true:,} slots allow no false object and stay true."
        )
    facts, provenance = done.facts.copy(), done.provenance.copy()
    facts[rows] = false.facts
    provenance[rows] = ADDED_FALSE
    provenance[rows[false.facts[:, 2] == done.facts[rows, 2]]] = ADDED_TRUE
    return replace(done, facts=facts, provenance=provenance), notes
