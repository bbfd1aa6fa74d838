"""From a recipe to a corpus: `build_corpus` is the one way to training data.

It is a function of the recipe alone (same recipe, same arrays) and proves that no split leaks into
another before it returns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from circuits.corpus.augmentation import augment
from circuits.corpus.comparison import split_comparison
from circuits.corpus.composition import (
    RealQuestions,
    chains_of_names,
    chains_of_questions,
    split_composition,
)
from circuits.corpus.corpus import Corpus
from circuits.corpus.diversity import diversity, few_bridges
from circuits.corpus.leakage import assert_no_leakage
from circuits.corpus.names import ATOMIC_ID, ATOMIC_OOD, IDENTITY, INJECTED, TRAIN
from circuits.corpus.queries import Queries
from circuits.corpus.vocab import Vocab
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.graph.sources import load_source
from circuits.graph.sources.two_wiki.reader import two_wiki_questions
from circuits.recipes.schema import Recipe, SourceSection, Task

ITSELF = "itself"
"""The special symbol of identity examples (entity, "itself") -> entity."""


def build_corpus(recipe: Recipe, graph: KnowledgeGraph | None = None) -> Corpus:
    """Load the source, augment it, split it, and prove that nothing leaks.

    Args:
        recipe: Determines everything; `recipe.seed` determines all random choices.
        graph: Use this graph instead of loading `recipe.source`.

    Raises:
        HopscopeError: if the source cannot give what the recipe asks for.

    >>> from circuits.recipes.schema import parse_recipe
    >>> table = {"source": {"name": "geonames"}, "augmentation": {"phi": 6.3, "modes": []}}
    >>> build_corpus(parse_recipe(table, "an example")).report["splits"]["train_inferred"]
    9960
    """
    if graph is None:
        graph = source_graph(recipe.source)
    graph, augmentation = augment(graph, recipe.augmentation, recipe.seed, splits=recipe.splits)
    build = _comparison if recipe.splits.task == "comparison" else _composition
    corpus = build(graph, recipe, augmentation.phi_trained)
    found = diversity(corpus)
    corpus.report["augmentation"] = augmentation.to_json()
    corpus.report["diversity"] = found
    corpus.report["notes"] += few_bridges(found)
    assert_no_leakage(corpus)
    return corpus


def source_graph(section: SourceSection) -> KnowledgeGraph:
    """The graph that a recipe's [source] asks for, without the relations that it leaves out."""
    graph = load_source(
        section.name,
        path=section.path,
        multi_valued=section.multi_valued,
        options=section.options,
    )
    return graph.without_relations(section.leave_out_relations)


def _composition(graph: KnowledgeGraph, recipe: Recipe, phi: float | None) -> Corpus:
    section = recipe.splits
    questions = _real_questions(graph, recipe)
    partition = split_composition(graph, section, phi, recipe.seed, questions)
    vocab = Vocab(graph.entities, graph.relations, (ITSELF,) if section.identity_examples else ())
    splits = {
        name: chain_queries(graph, vocab, rows) for name, rows in partition.chains.items()
    } | atomic_queries(graph, vocab, partition.in_distribution)
    trained = [TRAIN]
    if section.train_atomic:
        trained += [ATOMIC_ID, ATOMIC_OOD]
    if INJECTED in splits:
        trained.append(INJECTED)
    if section.identity_examples:
        splits[IDENTITY] = _identity_queries(vocab)
        trained.append(IDENTITY)
    return Corpus(
        task="composition",
        graph=graph,
        vocab=vocab,
        in_distribution=partition.in_distribution,
        splits=splits,
        trained=tuple(trained),
        report=_report("composition", partition.counts, partition.notes, splits),
    )


def _real_questions(graph: KnowledgeGraph, recipe: Recipe) -> RealQuestions | None:
    """Chains in the source's records, split by whether it asks them; None if it asks nothing.

    The source alone defines what is asked, in `notes["questions"]`.
    """
    section, said = recipe.splits, graph.notes.get("questions")
    if said is None or not section.heldout_real_items or section.hops != 2:
        return None
    if recipe.source.name != "two_wiki":
        return RealQuestions(chains_of_questions(graph, said), np.empty((0, 2), np.int32))
    asked = {tuple(question) for question in said}
    held = two_wiki_questions(recipe.source.path, recipe.source.options)
    named = {chain: (chain[0], chain[1], chain[3]) in asked for q in held for chain in q.chains()}
    return RealQuestions(
        asked=chains_of_names(graph, (chain for chain, is_asked in named.items() if is_asked)),
        derived=chains_of_names(graph, (c for c, is_asked in named.items() if not is_asked)),
    )


def _comparison(graph: KnowledgeGraph, recipe: Recipe, phi: float | None) -> Corpus:
    divided = split_comparison(graph, recipe.splits, phi, recipe.seed)
    splits = divided.splits | atomic_queries(graph, divided.vocab, divided.in_distribution)
    atomic = (ATOMIC_ID, ATOMIC_OOD) if recipe.splits.train_atomic else ()
    return Corpus(
        task="comparison",
        graph=graph,
        vocab=divided.vocab,
        in_distribution=divided.in_distribution,
        splits=splits,
        trained=(TRAIN, *atomic),
        report=_report("comparison", divided.counts, divided.notes, splits),
    )


def _report(
    task: Task, counts: dict[str, int], notes: list[str], splits: dict[str, Queries]
) -> dict[str, Any]:
    trained = len(splits[TRAIN])
    return {
        "task": task,
        "counts": counts,
        "splits": {name: len(queries) for name, queries in splits.items()},
        "phi_trained": trained / max(counts["facts_id"], 1),
        "notes": notes,
    }


def chain_queries(
    graph: KnowledgeGraph, vocab: Vocab, chains: Int[np.ndarray, "n hops"]
) -> Queries:
    """Composition questions from chains of fact rows."""
    facts, first = graph.facts, vocab.first_relation
    relations = facts[chains, 1] + np.int32(first)
    return Queries(
        kind="composition",
        vocab=vocab,
        token_ids=np.column_stack([facts[chains[:, 0], 0], relations]),
        bridge_ids=facts[chains[:, :-1], 2],
        answer_ids=facts[chains[:, -1], 2],
    )


def atomic_queries(
    graph: KnowledgeGraph, vocab: Vocab, in_distribution: Bool[np.ndarray, " n_facts"]
) -> dict[str, Queries]:
    """Every fact as a question, ID and OOD facts apart."""
    facts = graph.facts + np.array([0, vocab.first_relation, 0], graph.facts.dtype)
    return {
        name: Queries(
            kind="atomic",
            vocab=vocab,
            token_ids=facts[rows, :2],
            bridge_ids=np.empty((int(rows.sum()), 0), facts.dtype),
            answer_ids=facts[rows, 2],
        )
        for name, rows in ((ATOMIC_ID, in_distribution), (ATOMIC_OOD, ~in_distribution))
    }


def _identity_queries(vocab: Vocab) -> Queries:
    entities = np.arange(len(vocab.entities), dtype=np.int32)
    return Queries(
        kind="identity",
        vocab=vocab,
        token_ids=np.column_stack([entities, np.full_like(entities, vocab.special(ITSELF))]),
        bridge_ids=np.empty((len(entities), 0), np.int32),
        answer_ids=entities,
    )
