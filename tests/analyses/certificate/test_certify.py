"""Models that memorize, take a shortcut or compose get the certificates that they deserve."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from comparison_corpora import CORPORA
from hand_wired import hand_wired, random_corpus, random_model, save_as_run
from random_graphs import recipe
from wired_answerers import blank, composer, copier, memorizer

from analyses import analyze, certify, figure
from analyses.certificate.certify import Certificate, certified_steps, judged, stored_certificate
from analyses.certificate.verdict import verdict
from circuits.corpus.build import build_corpus
from circuits.corpus.corpus import Corpus
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.runs.grok import grok_summary_of_rows
from circuits.runs.reading import MANIFEST
from circuits.runs.run import Run, open_run

CORPUS = random_corpus(20, 8)


def inverse_corpus() -> Corpus:
    """Relations and their inverses only: each unseen question leads back to its subject."""
    triples = [(f"Land {i}", "capital", f"Town {i}") for i in range(80)]
    triples += [(f"Town {i}", "capital of", f"Land {i}") for i in range(80)]
    settings = {"ood_share": 0.0, "id_test_items": 100}
    return build_corpus(recipe(splits=settings), KnowledgeGraph.from_triples("inverse", triples))


@pytest.fixture(scope="module")
def textbook(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that memorizes by step 100 and composes at step 1,000."""
    folder = tmp_path_factory.mktemp("runs") / "textbook"
    steps = {0: blank(CORPUS), 100: memorizer(CORPUS), 1000: composer(CORPUS)}
    run = save_as_run(folder, CORPUS, steps)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["grok"] = grok_summary_of_rows(run.rows()).to_json()
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return open_run(folder)


@pytest.fixture(scope="module")
def certificates(textbook: Run) -> dict[int, Certificate]:
    return {step: certify(textbook, step=step, progress=False) for step in textbook.steps}


def statuses(certificate: Certificate) -> dict[str, str]:
    return {criterion.name: criterion.status for criterion in certificate.criteria}


def test_a_model_that_knows_trained_questions_only_memorizes(
    certificates: dict[int, Certificate],
) -> None:
    found = certificates[100]
    assert found.verdict == "memorizes"
    # its atomic facts put the bridge into a usable state, which nothing reads
    told = statuses(found)
    assert (told["memorized"], told["decoded"]) == ("pass", "pass")
    assert (told["generalizes"], told["used"]) == ("fail", "fail")
    assert found["memorized"].value == found["decoded"].value == 1
    assert found["used"].value < 0.1


def test_a_model_that_composes_is_certified(certificates: dict[int, Certificate]) -> None:
    found = certificates[1000]
    assert found.verdict == "composes through the bridge (certified)"
    assert set(statuses(found).values()) == {"pass"}
    for name in ("decoded", "used", "second_hop"):
        assert found[name].value == 1
        assert 0.8 < found[name].judged.low < 1
    assert found["used"].numbers["state"] == "S[1, relation 1]"
    assert found["used"].numbers["placebo"] == 0
    assert found["used"].numbers["kept_with_same_bridge"] == 1


def test_the_history_of_a_grok_is_told_as_far_as_it_has_come(
    certificates: dict[int, Certificate],
) -> None:
    assert certificates[0].history == ""
    assert "not yet" in certificates[100].history
    assert certificates[1000].history == (
        "99% of the trained questions were right at step 100, 95% of the unseen ID questions at "
        "step 1,000, 10.0 times as late."
    )


def test_a_model_without_its_trained_questions_has_not_learned(
    certificates: dict[int, Certificate],
) -> None:
    assert certificates[0].verdict == "has not learned its questions"


def test_a_model_that_copies_where_relations_are_inverse_takes_a_shortcut(tmp_path: Path) -> None:
    corpus = inverse_corpus()
    found = certify(save_as_run(tmp_path / "run", corpus, {9: copier(corpus)}), progress=False)
    assert found.verdict == "takes a shortcut"
    numbers = found["generalizes"].numbers
    assert numbers["accuracy"] == numbers["shortcut_accuracy"] == 1
    assert found["generalizes"].status == "fail"


def test_a_composer_without_training_has_a_certificate_without_history(tmp_path: Path) -> None:
    found = certify(save_as_run(tmp_path / "run", CORPUS, {0: composer(CORPUS)}), progress=False)
    assert found.verdict == "composes through the bridge (certified)"
    assert found.history == ""


def test_few_questions_leave_the_verdict_open(textbook: Run) -> None:
    few = analyze(textbook, "evidence", steps=[1000], progress=False, examples=8).sel(step=1000)
    criteria = judged(few, "id_test")
    assert verdict(criteria) == "cannot be told"
    assert {c.name: c.status for c in criteria}["used"] == "cannot be told"


def test_a_certificate_is_stored_and_read_without_measuring(
    textbook: Run, certificates: dict[int, Certificate]
) -> None:
    assert certified_steps(textbook) == [0, 100, 1000]
    assert stored_certificate(textbook) == certificates[1000]
    assert stored_certificate(textbook, 100) == certificates[100]
    assert stored_certificate(textbook, 50) is None


def test_the_json_has_every_number_and_no_nan(certificates: dict[int, Certificate]) -> None:
    table = json.loads(json.dumps(certificates[100].to_json(), allow_nan=False))
    assert table["verdict"] == "memorizes"
    used = next(c for c in table["criteria"] if c["name"] == "used")
    assert used["status"] == "fail"
    assert used["low"] <= used["value"] <= used["high"] < 0.2
    assert used["numbers"]["state"] == "S[1, relation 1]"


def test_the_card_shows_each_criterion_with_its_interval(textbook: Run) -> None:
    certify(textbook, step=1000, progress=False)
    spec = figure(analyze(textbook, "evidence", steps=[1000], progress=False))
    assert spec.title == "Composes through the bridge (certified)"
    table = spec.frame().set_index("criterion")
    assert (table["share"] >= table["low"]).all()
    assert (table["share"] <= table["high"]).all()


def test_another_split_can_be_certified(textbook: Run) -> None:
    found = certify(textbook, split="oi_test", progress=False)
    assert found.split == "oi_test"
    assert found["generalizes"].numbers["accuracy"] == 1
    with pytest.raises(HopscopeError, match="holds trained questions"):
        certify(textbook, split="train_inferred", progress=False)


def test_what_cannot_be_certified_is_refused_in_a_sentence(textbook: Run, tmp_path: Path) -> None:
    with pytest.raises(HopscopeError, match="has no checkpoint of step 77"):
        certify(textbook, step=77)
    manifest = json.loads((textbook.path / MANIFEST).read_text())
    empty = save_as_run(tmp_path / "empty", CORPUS, {0: composer(CORPUS)})
    manifest["checkpoints"] = []
    (empty.path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(HopscopeError, match="has no checkpoint yet"):
        certify(empty.path)


def test_a_comparison_run_is_told_what_a_certificate_is_about(tmp_path: Path) -> None:
    corpus = CORPORA["order"]
    run = save_as_run(tmp_path / "run", corpus, {0: random_model(corpus)})
    with pytest.raises(HopscopeError, match="a certificate is about composition"):
        certify(run)


def test_three_hops_are_refused(tmp_path: Path) -> None:
    wired = hand_wired(hops=3, n_layers=3)
    run = save_as_run(tmp_path / "run", wired.corpus, {0: wired.model})
    with pytest.raises(HopscopeError, match="a certificate is about two-hop questions"):
        certify(run, progress=False)
