"""Properties of corpora over random graphs: what must hold whatever the facts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_graphs import people_and_places, random_graph, recipe

from circuits.corpus import storage
from circuits.corpus.augmentation import augment
from circuits.corpus.build import build_corpus
from circuits.corpus.corpus import Corpus
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph

TESTS = ("id_test", "ood_test", "io_test", "oi_test")
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

names = st.integers(0, 11).map(lambda i: f"e{i}")
triples = st.lists(
    st.tuples(names, st.integers(0, 4).map(lambda i: f"r{i}"), names), min_size=12, max_size=80
)
choices = st.fixed_dictionaries(
    {
        "ood_share": st.sampled_from([0.0, 0.1, 0.4]),
        "inject_ood": st.sampled_from(["none", "first_hop", "second_hop", "both_hops"]),
        "identity_examples": st.booleans(),
        "train_atomic": st.booleans(),
        "hops": st.sampled_from([2, 3]),
        "heldout_real_items": st.sampled_from([0, 5]),
    }
)


def built(rows: list, splits: dict, seed: int, **sections: object) -> Corpus | None:
    """The corpus, or None where the graph is refused (a sentence, never another error)."""
    graph = KnowledgeGraph.from_triples("random", rows)
    try:
        return build_corpus(recipe(seed=seed, splits=splits, **sections), graph)
    except HopscopeError:
        return None


def questions(corpus: Corpus, split: str) -> set[tuple[int, ...]]:
    return set(map(tuple, corpus.queries(split).token_ids.tolist()))


@quick
@given(triples, choices, st.integers(0, 3))
def test_no_question_stands_in_two_splits_and_every_answer_is_unique(
    rows: list, splits: dict, seed: int
) -> None:
    corpus = built(rows, splits, seed)
    if corpus is None:
        return
    seen: set = set()
    for name in ("train_inferred", "injected", "heldout_real", *TESTS):
        if name in corpus.splits:
            found = questions(corpus, name)
            assert len(found) == len(corpus.queries(name))
            assert not found & seen
            seen |= found
    answers: dict[tuple[str, str], set[str]] = {}
    for s, r, o in rows:
        answers.setdefault((s, r), set()).add(o)
    name_of = corpus.vocab.name
    for split in (s for s in ("heldout_real", *TESTS) if s in corpus.splits):
        for query in corpus.queries(split):
            subject, *relations = map(name_of, query.tokens)
            here = {subject}
            for relation in relations:
                here = {o for s in here for o in answers.get((s, relation), ())}
            assert here == {name_of(query.answer)}


@quick
@given(triples, choices, st.integers(0, 3))
def test_every_trained_inferred_fact_follows_from_id_facts(
    rows: list, splits: dict, seed: int
) -> None:
    corpus = built(rows, splits, seed)
    if corpus is None:
        return
    first = corpus.vocab.first_relation
    allowed = {(s, r + first, o) for s, r, o in corpus.graph.facts[corpus.in_distribution].tolist()}
    for query in corpus.queries("train_inferred"):
        subject, *relations = query.tokens
        stops = (subject, *query.bridges, query.answer)
        assert all(
            (stops[i], relation, stops[i + 1]) in allowed for i, relation in enumerate(relations)
        )


@quick
@given(
    st.floats(0.2, 3.0),
    st.integers(0, 50),
    st.sampled_from([["densify"], ["new_entities"], ["densify", "new_entities"]]),
)
def test_phi_is_reached_within_one_fact(phi: float, seed: int, modes: list[str]) -> None:
    settings_ = recipe(
        seed=seed, splits={"ood_share": 0.1}, augmentation={"phi": phi, "modes": modes}
    )
    corpus = build_corpus(settings_, random_graph(25, 8, 3, seed=seed))
    wanted = phi * corpus.in_distribution.sum()
    assert abs(len(corpus.queries("train_inferred")) - wanted) <= 1


@quick
@given(triples, choices, st.integers(0, 3), st.randoms())
def test_the_order_of_the_facts_changes_nothing(
    rows: list, splits: dict, seed: int, shuffle: object
) -> None:
    again = list(rows)
    shuffle.shuffle(again)  # type: ignore[attr-defined]
    first, second = built(rows, splits, seed), built(again, splits, seed)
    assert (first is None) == (second is None)
    if first is None or second is None:
        return
    assert first.splits.keys() == second.splits.keys()
    for name, queries in first.splits.items():
        assert (queries.token_ids == second.splits[name].token_ids).all()
        assert (queries.answer_ids == second.splits[name].answer_ids).all()


@quick
@given(st.integers(0, 100), st.floats(0, 1))
def test_any_share_of_true_additions_fills_the_same_slots(seed: int, share: float) -> None:
    full = random_graph(30, 8, 6, seed=seed)
    rng = np.random.default_rng(seed)
    hidden = rng.permutation(len(full))[:90]
    text = [tuple(full.fact_text(i).replace("-> ", " -").split(" -")) for i in range(len(full))]
    text = [tuple(part.strip() for part in fact) for fact in text]
    graph = KnowledgeGraph.from_triples(
        "part",
        [fact for i, fact in enumerate(text) if i not in set(hidden.tolist())],
        held_back=[text[i] for i in hidden],
    )
    results = []
    for value in (1.0, share):
        section = recipe(augmentation={"phi": 3.5, "correct_share": value})
        results.append(augment(graph, section.augmentation, seed, section.splits)[0])
    assert (results[0].facts[:, :2] == results[1].facts[:, :2]).all()


def save_a_corpus(folder: Path) -> None:
    modes = ["true_facts", "densify", "new_entities"]
    section = recipe(augmentation={"phi": 1.3, "modes": modes})
    storage.save(build_corpus(section, people_and_places(0.5, n=40)), folder)


def test_the_hash_seed_changes_nothing(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; sys.path[:0] = sys.argv[2:];"
        "from test_corpus_properties import save_a_corpus; save_a_corpus(Path(sys.argv[1]))"
    )
    here, there = tmp_path / "here", tmp_path / "there"
    save_a_corpus(here)
    arguments = [sys.executable, "-c", script, str(there), *sys.path]
    subprocess.run(arguments, check=True, env={**os.environ, "PYTHONHASHSEED": "12345"})
    for path in sorted(here.iterdir()):
        assert path.read_bytes() == (there / path.name).read_bytes()
