"""The corpus: tokens, training table, leakage proof, files, baselines."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hand_wired import random_corpus
from random_graphs import random_graph, recipe

from circuits.corpus import storage
from circuits.corpus.build import build_corpus
from circuits.corpus.corpus import Corpus
from circuits.corpus.leakage import LeakageError, assert_no_leakage
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.recipes.schema import Recipe, load_recipe

RECIPES = Path(__file__).parents[3] / "train" / "recipes"

WORLD = [
    ("Lyon", "country", "France"),
    ("Kraków", "country", "Polska"),
    ("France", "currency", "Euro"),
    ("Polska", "currency", "Złoty"),
]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    settings = {
        "ood_share": 0.1,
        "id_test_items": 60,
        "identity_examples": True,
        "inject_ood": "both_hops",
    }
    return build_corpus(recipe(splits=settings), random_graph(60, 8, 6, several=3))


def test_questions_read_as_text_with_unicode_kept() -> None:
    graph = KnowledgeGraph.from_triples("world", WORLD)
    built = build_corpus(recipe(splits={"ood_share": 0.0, "id_test_items": 1}), graph)
    texts = {q.text for name in ("train_inferred", "id_test") for q in built.queries(name)}
    assert texts == {
        "Lyon -country-> France -currency-> Euro",
        "Kraków -country-> Polska -currency-> Złoty",
    }


def test_atomic_splits_hold_every_fact_once(corpus: Corpus) -> None:
    id_facts, ood_facts = corpus.queries("atomic_id"), corpus.queries("atomic_ood")
    assert len(id_facts) + len(ood_facts) == len(corpus.graph)
    first = corpus.vocab.first_relation
    rows = np.column_stack([id_facts.token_ids, id_facts.answer_ids]) - [0, first, 0]
    assert (rows == corpus.graph.facts[corpus.in_distribution]).all()


def test_identity_examples_map_every_entity_to_itself(corpus: Corpus) -> None:
    identity = corpus.queries("identity")
    assert len(identity) == len(corpus.graph.entities)
    assert (identity.token_ids[:, 0] == identity.answer_ids).all()
    assert identity[0].text == "e0 -itself-> e0"


def test_the_training_table_predicts_each_answer_at_the_last_position(corpus: Corpus) -> None:
    table = corpus.training_set()
    assert table.tokens.shape == (len(table), corpus.n_ctx)
    start = 0
    for number, name in enumerate(corpus.trained):
        queries = corpus.queries(name)
        rows = slice(start, start + len(queries))
        start += len(queries)
        width = queries.tokens.shape[1]
        assert (table.tokens[rows, :width] == queries.tokens).all()
        assert (table.tokens[rows, width:] == 0).all()
        assert (table.predict_at[rows] == width - 1).all()
        assert (table.answer[rows] == queries.answer).all()
        assert (table.split_index[rows] == number).all()
    assert start == len(table)


def test_without_atomic_facts_only_compositions_are_trained() -> None:
    built = build_corpus(recipe(splits={"train_atomic": False}), random_graph())
    assert built.trained == ("train_inferred",)
    assert len(built.queries("atomic_id"))


def test_three_hops_have_four_tokens_and_two_bridges() -> None:
    built = build_corpus(recipe(splits={"hops": 3}, augmentation={"phi": 2.0}), random_graph())
    queries = built.queries("train_inferred")
    assert queries.token_ids.shape[1] == 4
    assert queries.positions == ("subject", "relation_1", "relation_2", "relation_3")
    assert queries.bridge_ids.shape[1] == 2
    assert len(queries) == round(2.0 * built.in_distribution.sum())


def test_an_unknown_split_is_named_with_the_nearest() -> None:
    built = build_corpus(recipe(), random_graph())
    with pytest.raises(HopscopeError, match="Did you mean 'id_test'"):
        built.queries("id_tests")


def test_the_same_recipe_gives_the_same_corpus(corpus: Corpus) -> None:
    def built(seed: int) -> Corpus:
        return build_corpus(recipe(seed=seed, splits={"ood_share": 0.1}), random_graph())

    first, second, other = built(4), built(4), built(5)
    for name, queries in first.splits.items():
        assert (queries.token_ids == second.splits[name].token_ids).all()
    assert (first.in_distribution != other.in_distribution).any()


def test_a_test_question_in_training_is_noticed(corpus: Corpus) -> None:
    leaked = replace(
        corpus, splits=corpus.splits | {"id_test": corpus.queries("train_inferred")[:5]}
    )
    with pytest.raises(LeakageError, match="train_inferred and id_test share a question"):
        assert_no_leakage(leaked)


def test_a_trained_inferred_fact_over_an_ood_fact_is_noticed(corpus: Corpus) -> None:
    leaked = replace(corpus, splits={"train_inferred": corpus.queries("io_test")[:5]})
    with pytest.raises(LeakageError, match=r"train_inferred: .* does not follow"):
        assert_no_leakage(leaked)


def test_a_wrong_answer_is_noticed(corpus: Corpus) -> None:
    queries = corpus.queries("id_test")
    wrong = replace(queries, answer_ids=(queries.answer_ids + 1) % len(corpus.vocab.entities))
    with pytest.raises(LeakageError, match=r"id_test: .* does not follow"):
        assert_no_leakage(replace(corpus, splits=corpus.splits | {"id_test": wrong}))


def test_a_question_with_two_answers_is_noticed() -> None:
    graph = KnowledgeGraph.from_triples("world", WORLD)
    built = build_corpus(recipe(splits={"ood_share": 0.0, "id_test_items": 1}), graph)
    richer = graph.adding(
        np.array([[*built.queries("id_test").token_ids[0, :1], 0, 0]]), np.zeros(1)
    )
    mask = np.ones(len(richer), bool)
    with pytest.raises(LeakageError, match="id_test"):
        assert_no_leakage(replace(built, graph=richer, in_distribution=mask))


def test_a_corpus_survives_the_disk(corpus: Corpus, tmp_path: Path) -> None:
    storage.save(corpus, tmp_path)
    again = storage.load(tmp_path)
    assert again.vocab == corpus.vocab
    assert again.trained == corpus.trained
    assert again.report == json.loads(json.dumps(corpus.report))
    assert (again.graph.facts == corpus.graph.facts).all()
    assert (again.in_distribution == corpus.in_distribution).all()
    for name, queries in corpus.splits.items():
        assert (again.queries(name).token_ids == queries.token_ids).all()
        assert (again.queries(name).bridge_ids == queries.bridge_ids).all()
        assert (again.queries(name).answer_ids == queries.answer_ids).all()
        assert again.queries(name).kind == queries.kind
    assert_no_leakage(again)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus.json", "corpus.safetensors"]


def test_a_graph_may_have_more_relations_than_entities(tmp_path: Path) -> None:
    built = random_corpus(n_entities=8, n_relations=14)
    storage.save(built, tmp_path)
    again = storage.load(tmp_path)
    assert len(again.graph.relations) > len(again.graph.entities)
    assert (again.graph.facts == built.graph.facts).all()


@pytest.mark.parametrize("part", ["facts", "held_back", "also_true"])
def test_facts_of_relations_that_do_not_exist_are_refused(
    corpus: Corpus, tmp_path: Path, part: str
) -> None:
    rows = np.array([[0, len(corpus.graph.relations), 1]], np.int32)
    rows = rows if part != "facts" else np.repeat(rows, len(corpus.graph), 0)
    storage.save(replace(corpus, graph=replace(corpus.graph, **{part: rows})), tmp_path)
    with pytest.raises(HopscopeError, match="outside"):
        storage.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "damage", "says"),
    [
        ("corpus.safetensors", lambda data: data[:-100], "checksum"),
        ("corpus.safetensors", None, "cannot be read"),
        ("corpus.json", lambda data: data[:-100], "not JSON"),
        ("corpus.json", lambda data: b"[]", "holds no table"),
        ("corpus.json", lambda data: data.replace(b'"schema": 1', b'"schema": 99'), "schema is 99"),
        ("corpus.json", lambda data: data.replace(b'"e0",', b""), "outside"),
        ("corpus.json", lambda data: data.replace(b'"task"', b'"tusk"'), "KeyError"),
    ],
)
def test_a_damaged_corpus_says_so(
    corpus: Corpus, tmp_path: Path, name: str, damage, says: str
) -> None:
    storage.save(corpus, tmp_path)
    path = tmp_path / name
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(HopscopeError, match=says):
        storage.load(tmp_path)


def test_the_default_recipe_builds_from_real_facts() -> None:
    built = build_corpus(Recipe())
    assert built.graph.count("real") == len(built.graph)
    assert len(built.queries("id_test")) == 1000
    assert built.report["phi_trained"] > 10


@pytest.mark.parametrize("name", ["wild-composition", "wild-comparison"])
def test_the_wild_recipes_state_data_that_can_be_built(name: str) -> None:
    built = build_corpus(load_recipe(RECIPES / f"{name}.toml"))
    assert len(built.queries("train_inferred")) == {"wild-composition": 5000}.get(name, 8000)
    assert len(built.queries("id_test")) >= 1000


def test_the_ablation_of_true_facts_keeps_phi_and_asks_of_kept_facts_only() -> None:
    recipe = RECIPES / "correct-share.toml"
    none, every = (
        build_corpus(load_recipe(recipe, [f"augmentation.correct_share={share}"]))
        for share in (0, 1)
    )
    assert len(none.queries("train_inferred")) == len(every.queries("train_inferred"))
    assert [c.graph.count("added_false") for c in (none, every)] == [693, 0]
    assert [c.graph.count("added_true") for c in (none, every)] == [0, 693]
    for corpus in (none, every):
        graph, asked = corpus.graph, corpus.queries("heldout_real")
        real = {tuple(fact) for fact in graph.facts[graph.provenance == 0].tolist()}
        first, second = (asked.token_ids[:, i] - corpus.vocab.first_relation for i in (1, 2))
        subject, bridge = asked.token_ids[:, 0], asked.bridge_ids[:, 0]
        assert len(asked) == 200
        assert real.issuperset(zip(subject, first, bridge, strict=True))
        assert real.issuperset(zip(bridge, second, asked.answer_ids, strict=True))


@pytest.mark.parametrize(("share", "seed"), [(0, 2), (0.5, 0), (0.75, 0)])
def test_false_facts_are_drawn_again_where_they_leave_too_few_paths(share, seed) -> None:
    """With these, the first draw is two to four paths short of phi."""
    settings = [f"augmentation.correct_share={share}", f"seed={seed}"]
    recipe = load_recipe(RECIPES / "correct-share.toml", settings)
    built = build_corpus(recipe)
    assert len(built.queries("train_inferred")) == round(6.3 * built.in_distribution.sum())
    assert len(built.queries("id_test")) == 1000
    true, false = (built.graph.count(f"added_{kind}") for kind in ("true", "false"))
    assert true == round(share * (true + false))


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_that_ships_is_valid_and_says_what_it_is_about(path: Path) -> None:
    assert load_recipe(path).absolute()
    assert path.read_text(encoding="utf-8").startswith("# ")
    assert "EXPECTED" not in path.read_text(encoding="utf-8")


def test_the_small_grokked_recipes_are_of_the_size_that_they_name() -> None:
    composition = build_corpus(load_recipe(RECIPES / "small-grokked-composition.toml"))
    assert (len(composition.graph), composition.in_distribution.sum()) == (5000, 4750)
    assert len(composition.queries("train_inferred")) == 18 * 4750
    quarter = build_corpus(load_recipe(RECIPES / "quarter-grokked-composition.toml"))
    assert (len(quarter.graph), quarter.in_distribution.sum()) == (10_000, 9500)
    assert len(quarter.queries("train_inferred")) == 18 * 9500
    comparison = build_corpus(load_recipe(RECIPES / "small-grokked-comparison.toml"))
    assert (len(comparison.graph), comparison.in_distribution.sum()) == (5000, 4500)
    assert len(comparison.queries("train_inferred")) == 7.2 * 4500


@pytest.mark.parametrize("name", ["grokked-composition", "grokked-comparison"])
def test_the_grokked_recipes_are_valid(name: str) -> None:
    settings = load_recipe(RECIPES / f"{name}.toml")
    assert settings.source.name == name.replace("-", "_")
    assert settings.splits.task == name.split("-")[1]


def test_a_notebook_shows_what_a_thing_is_and_not_its_numbers(corpus: Corpus) -> None:
    queries = corpus.queries("id_test")
    assert repr(queries) == "Queries(composition: 60 questions at subject, relation_1, relation_2)"
    assert repr(queries[0]) == f"Query({queries[0].text!r})"
    assert repr(corpus.vocab).startswith("Vocab(60 entities, 8 relations")
    assert "id_test 60" in repr(corpus)
