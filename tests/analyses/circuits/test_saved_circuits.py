"""Named circuits in the run folder: kept, opened, and refused where they do not belong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from analyses import stored_circuit
from analyses.circuits.ablations import other_answers
from analyses.circuits.saved_circuits import save_circuit, saved_circuit, saved_names
from circuits.errors import HopscopeError
from circuits.runs.run import Run, open_run

DEMO = Path(__file__).parents[3] / "assets" / "demo"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """The demo without the results of other analyses."""
    kept = shutil.ignore_patterns("checkpoints", "figures")
    shutil.copytree(DEMO, tmp_path / "mine", ignore=kept)
    return open_run(tmp_path / "mine")


def test_a_saved_circuit_comes_back_with_its_edges_notes_and_groups(run: Run) -> None:
    found = stored_circuit(run, 6000, "id_test")
    fewer = found.keeping(edge.name for edge in found.edges[:5])
    notes, groups = {"mlp.0[relation_1]": "holds “Bogotá”"}, {"movers": ["head.0.1[relation_1]"]}
    path = save_circuit(run, "first hop", fewer, 6000, "id_test", notes=notes, groups=groups)
    assert path == run.path / "circuits" / "first hop.json"
    saved = saved_circuit(run, "first hop")
    assert found.keeping(saved.edges).edges == fewer.edges
    assert (saved.notes, saved.groups) == (notes, {"movers": ("head.0.1[relation_1]",)})
    assert saved_names(run) == ["first hop"]


def test_a_circuit_of_another_run_or_of_other_weights_is_refused(run: Run) -> None:
    save_circuit(run, "mine", stored_circuit(run, 6000, "id_test"), 6000, "id_test")
    theirs = DEMO.parent / "textbook"
    other = open_run(theirs)
    path = run.path / "circuits" / "mine.json"
    table = json.loads(path.read_text())
    for changed in (
        {"weights": other.digest(other.steps[-1]), "run": "textbook"},
        {"step": run.steps[0]},
        {"step": 123},
    ):
        path.write_text(json.dumps(table | changed))
        with pytest.raises(HopscopeError, match="whose weights mine does not have; open it in"):
            saved_circuit(run, "mine")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff", "it is not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"format": "hopscope circuit"}', 'does not say "format": "hopscope saved circuit"'),
        (b'{"format": "hopscope saved circuit", "version": 9}', "version 9 and this Hopscope"),
        (b'{"format": "hopscope saved circuit", "version": 1, "step": 1}', "name: Field"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_in_a_sentence_and_left_alone(
    run: Run, content: bytes, words: str
) -> None:
    path = run.path / "circuits" / "notes.json"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(HopscopeError, match=words):
        saved_circuit(run, "notes")
    with pytest.raises(HopscopeError, match="Choose another name"):
        save_circuit(run, "notes", stored_circuit(run, 6000, "id_test"), 6000, "id_test")
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["", "../recipe", "a/b", ".hidden", "x" * 61, "dot."])
def test_a_name_that_could_lead_elsewhere_is_refused(run: Run, name: str) -> None:
    with pytest.raises(HopscopeError, match="cannot name a circuit"):
        save_circuit(run, name, stored_circuit(run, 6000, "id_test"), 6000, "id_test")


def test_an_unknown_name_is_refused_with_the_nearest_one(run: Run) -> None:
    save_circuit(run, "first hop", stored_circuit(run, 6000, "id_test"), 6000, "id_test")
    with pytest.raises(HopscopeError, match="Did you mean 'first hop'"):
        saved_circuit(run, "first hopp")


def test_a_circuit_keeps_only_edges_that_it_has(run: Run) -> None:
    with pytest.raises(HopscopeError, match="unknown edge 'embed"):
        stored_circuit(run, 6000, "id_test").keeping(["embed[subject]>attn.9[subject]"])


def test_every_question_stands_in_the_place_of_one_with_another_answer() -> None:
    answers = np.random.default_rng(0).integers(0, 7, 200)
    partner = other_answers(answers)
    assert sorted(partner) == list(range(200))
    assert (answers[partner] != answers).all()
    same = other_answers(np.array([1, 1, 1, 2]))  # three of four cannot all be elsewhere
    assert sorted(same) == [0, 1, 2, 3]
