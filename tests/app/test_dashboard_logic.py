"""What the dashboard computes, held against known answers."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hand_wired import hand_wired, save_as_run

from app.instrument.discovered import discovered, discovered_measures
from app.instrument.measures import split_measures
from app.instrument.packing import pack, pack_bits
from app.instrument.phases import phases
from app.logic.lab import patch_lab
from app.logic.question_book import QuestionBook
from app.logic.question_trace import Asking, QuestionTrace, trace_question
from app.shell.address import step_near
from circuits.errors import HopscopeError
from circuits.runs.run import Run, open_run

WIRED = hand_wired()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("wired") / "run"
    return save_as_run(folder, WIRED.corpus, {0: WIRED.model, 50: WIRED.model})


@pytest.fixture(scope="module")
def book() -> QuestionBook:
    return QuestionBook(WIRED.corpus)


def test_packing_keeps_thousandths_shape_and_gaps() -> None:
    assert pack(np.array([[0.1234, np.nan], [1.0, -0.5]])) == {
        "shape": [2, 2],
        "values": [123, None, 1000, -500],
    }


def test_bits_are_packed_row_by_row_highest_first() -> None:
    assert pack_bits(np.array([[1, 0, 0, 0], [0, 0, 0, 1]]))["base64"] == "gQ=="  # 0b10000001


@pytest.mark.parametrize(
    ("asked", "found"), [("20", 20), ("24", 20), ("26", 30), ("-5", 0), ("x", 30), (None, 30)]
)
def test_a_step_in_the_address_is_the_nearest_checkpoint_or_the_last(asked, found) -> None:
    assert step_near(asked, [0, 10, 20, 30]) == found


def bridge_swaps(cell: list[float], other: list[float], n: int = 20) -> xr.Dataset:
    """Success at the state of bridge swaps and in the embedding of the subject, which is none.

    With the outcomes of n questions, of which the first succeed.
    """
    success = np.zeros((len(cell), 1, 1, 3, 3))
    success[:, 0, 0, 1, 1], success[:, 0, 0, 0, 0] = cell, other
    dims = ("step", "split", "control", "layer", "position")
    outcome = np.arange(n) < n * success[..., None]
    return xr.Dataset(
        {"success": (dims, success), "outcome_example": ((*dims, "example"), outcome.astype(int))},
        {
            "step": np.arange(len(cell)) * 10, "split": ["id_test"], "control": ["bridge"],
            "position": ["subject", "relation_1", "relation_2"],
        },
    )  # fmt: skip


def test_without_a_discovered_circuit_the_rise_of_bridge_swaps_is_marked() -> None:
    # a swap of the subject's token is not one of the bridge, however often it succeeds
    bridge = bridge_swaps([0.0, 0.0, 0.3, 0.8, 0.8], [0.9, 0.9, 0.1, 0.9, 0.9])
    found = phases({"memorization_step": 5, "grok_step": 45}, {"bridge_patching": bridge})
    assert [p["name"] for p in found] == ["memorized", "bridge is used", "generalized"]
    assert found[1]["span"] == [20, 30]  # 10% and 90% of .8
    assert "step 20 [20, 20] to step 30 [30, 30]" in found[1]["text"]


def test_a_rise_that_the_first_checkpoint_already_shows_is_named_and_not_marked() -> None:
    bridge = bridge_swaps([0.0, 0.3, 0.75, 0.8], [0.1] * 4)
    (found,) = phases({}, {"bridge_patching": bridge})
    assert (found["dated"], found["span"]) == (False, None)
    assert "it is there by step 10, the first checkpoint that could show it" in found["text"]


def test_a_rise_beside_an_event_that_is_nearer_than_its_interval_is_not_marked() -> None:
    bridge = bridge_swaps([0.0, 0.0, 0.3, 0.8, 0.8], [0.1] * 5)
    (event, found) = phases({"memorization_step": 20}, {"bridge_patching": bridge})
    assert event["dated"]
    assert not found["dated"]
    assert "known no better than its distance to memorized, step 20" in found["text"]


def test_no_bridge_is_said_to_be_used_where_swaps_end_without_effect() -> None:
    assert phases({}, {"bridge_patching": bridge_swaps([0.0, 0.1, 0.1, 0.1], [0.1] * 4)}) == []


def test_the_timeline_has_the_phases_of_the_formation_analysis() -> None:
    from analyses.over_training.formation import formation
    from analyses.stored import stored_result

    demo = open_run(Path(__file__).parents[2] / "assets" / "demo")
    circuit = stored_result(demo, "circuit_discovery")
    assert circuit is not None
    found = {p["name"]: p for p in phases(demo.grok, {"circuit_discovery": circuit})}
    dated = formation(demo)
    start, end = (
        dated[f"phase_{name}"].sel(phase="circuit_formation") for name in ("start", "end")
    )
    # the very phase, and the very reason why it has no date
    assert (int(start), int(end)) == (found["circuit forms"]["step"], 1500)
    why = dated["phase_why"].sel(phase="circuit_formation").item()
    assert not found["circuit forms"]["dated"]
    assert why in found["circuit forms"]["text"]
    assert found["circuit forms"]["span"] is None
    assert found["memorized"]["step"] == int(dated["phase_end"].sel(phase="memorization"))


def test_what_a_position_loses_in_a_block_is_the_width_of_its_slanted_edge() -> None:
    changed = np.array([[[[0.8, 0.1]], [[0.3, 0.5]]]]).reshape(1, 1, 2, 2)
    dims = ("step", "split", "layer", "position")
    half = {"changed_low": changed - 0.03, "changed_high": changed + 0.03}
    tracing = xr.Dataset(
        {name: (dims, values) for name, values in {"changed": changed, **half}.items()}
        | {
            "n_valid": (("split", "position"), [[2, 2]]),
            "example_row": (("split", "example"), [[4, 7, -1]]),
            "flip_example": ((*dims, "example"), np.ones((1, 1, 2, 2, 3), np.int8)),
        },
        {"step": [0], "split": ["id_test"]},
    )
    packed = split_measures({"causal_tracing": tracing}, "id_test", [0, 10])
    assert packed["moved"]["value"]["values"] == [500, -400, None, None]
    assert packed["moved"]["low"]["values"][0] == round(1000 * (0.5 - 0.03 * 2**0.5))
    assert packed["flips"]["shape"] == [2, 2, 2, 2]  # the third example was none


def test_a_question_without_a_swap_is_not_said_to_keep_its_answer() -> None:
    flips = np.zeros((1, 1, 2, 2, 3), np.int8)  # step, split, layer, position, example
    flips[..., 1, 0] = -1  # the first question has no corruption at the second position
    flips[:, :, :, 0, 2] = 1  # the third is wrong with the last state that nothing reads, too
    dims = ("step", "split", "layer", "position")
    share = np.full((1, 1, 2, 2), 0.5)
    tracing = xr.Dataset(
        dict.fromkeys(("changed", "changed_low", "changed_high"), (dims, share))
        | {
            "n_valid": (("split", "position"), [[3, 2]]),
            "example_row": (("split", "example"), [[1, 2, 3]]),
            "flip_example": ((*dims, "example"), flips),
        },
        {"step": [0], "split": ["id_test"]},
    )
    packed = split_measures({"causal_tracing": tracing}, "id_test", [0])
    assert packed["tracing"]["n"] == {"shape": [1, 1, 2], "values": [3000, 2000]}
    assert packed["drawn"] == pack_bits(np.array([[True, True, True], [False, True, True]]))
    assert packed["right"] == pack_bits(np.array([[True, True, False]]))


def test_only_edges_that_were_ever_found_are_drawn_each_at_its_nearest_measured_step() -> None:
    edges = ["embed[subject]>head.0.3[relation_1]", "embed[subject]>mlp.0[subject]"]
    edges.append("mlp.0[relation_1]>output")
    kept = np.array([[0, 0, 1], [1, 0, 1]])[:, None]  # step, split, edge
    tokens = np.repeat(kept[..., None], 2, axis=-1)
    by_edge, by_token = ("step", "split", "edge"), ("step", "split", "edge", "corrupted")
    runs = ("step", "split", "ablation", "variant")
    share = np.array([[0.0, 0.0, 0.8], [-0.25, 0.0, 0.9]])[:, None]
    circuit = xr.Dataset(
        {
            "in_circuit": (by_edge, kept),
            "strength": (by_edge, share),
            "edge_frequency": (by_edge, kept),
            "kept": (by_token, tokens),
            "effect": (by_token, 2.0 * tokens),
            "accuracy": (runs, np.full((2, 1, 1, 1), 0.5)),
            "full_accuracy": (("step", "split"), np.full((2, 1), 0.75)),
        },
        {
            "step": [0, 100], "split": ["id_test"], "edge": edges,
            "corrupted": ["subject", "relation_1"], "ablation": ["mean"],
            "variant": ["restricted"],
        },
    )  # fmt: skip
    drawn = discovered(circuit)
    assert drawn["rows"] == ["token", "attention 0", "MLP 0"]
    places = [(edge["source"], edge["target"]) for edge in drawn["edges"]]
    assert places == [([0, 0], [1, 1]), ([2, 1], None)]
    packed = discovered_measures(circuit, "id_test", [0, 40, 90])
    assert packed["step"] == [0, 0, 100]
    assert packed["strength"]["value"]["values"] == [0, 800, 0, 800, -250, 900]
    assert packed["kept"] == pack_bits(np.array([[0, 1], [0, 1], [1, 1]]))


def test_questions_go_to_names_and_back(book: QuestionBook) -> None:
    tokens = book.tokens_of(book.hits[0])
    assert book.parse(book.names(tokens)) == tokens
    assert book.text(tokens) == book.hits[0].text


@pytest.mark.parametrize("names", ["", "x", "a|b", "../..|x|y", "a|b|c|d|e"])
def test_names_that_are_no_question_are_refused(book: QuestionBook, names: str) -> None:
    with pytest.raises(HopscopeError):
        book.parse(names)


def test_every_donor_has_a_bridge_that_gives_another_answer(book: QuestionBook) -> None:
    asked = book.asked(book.tokens_of(book.hits[0]))
    donors = book.donors(asked)
    assert donors
    for donor in donors:
        bridge = book.asked(donor).values[0]
        assert bridge is not None
        assert book.swapped_answer(asked, book.asked(donor)) == book.fact[bridge, asked.tokens[2]]
        assert book.swapped_answer(asked, book.asked(donor)) != asked.answer


def traced(
    book: QuestionBook, run: Run
) -> tuple[QuestionTrace, patch_lab.Tokens, patch_lab.Tokens, int]:
    receiver = book.tokens_of(book.hits[0])
    asked = book.asked(receiver)
    donor = book.donors(asked)[0]
    target = book.swapped_answer(asked, book.asked(donor))
    assert target is not None
    asking = Asking(asked, book.prompts(receiver, donor), target)
    found = trace_question(run.model, run.steps, asking, lambda share: None)
    return found, receiver, donor, target


def test_a_wired_model_answers_rightly_and_follows_the_swapped_bridge(
    run: Run, book: QuestionBook
) -> None:
    found, receiver, _donor, target = traced(book, run)
    assert found.top.token[:, 0].tolist() == [book.asked(receiver).answer] * 2
    assert found.swap is not None
    assert (found.swap.token[:, :, 1] == target).any(1).all()  # at relation 1, at both steps


def test_the_question_page_and_the_engine_agree_on_every_swap(run: Run, book: QuestionBook) -> None:
    found, receiver, donor, target = traced(book, run)
    model = run.model(50)
    operation = patch_lab.Operation("resid_pre", (), None, "cache")
    grid = patch_lab.grid(model, book.prompts(receiver, donor), operation, target)
    assert found.swap_target is not None
    np.testing.assert_allclose(found.swap_target[1][: model.depth], grid, atol=1e-5)


@pytest.mark.parametrize("component", ["resid_pre", "mlp_out", "z"])
def test_the_script_prints_the_number_that_the_lab_shows(
    run: Run, book: QuestionBook, component: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "text", lambda tokens: "a question\nimport os")
    _, receiver, donor, target = traced(book, run)
    heads = (0,) if component == "z" else None
    operation = patch_lab.Operation(component, ((1, 1), (0, 1)), heads, "cache")  # type: ignore[arg-type]
    pair = book.prompts(receiver, donor)
    shown = patch_lab.outcome(run.model(50), pair, operation).after[target]
    text = patch_lab.script(run.path, 50, book, receiver, donor, operation, target)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(text, "snippet", "exec"), {})
    name, _, number = printed.getvalue().strip().rpartition(" ")
    assert name == book.vocab.name(target)
    assert float(number) == pytest.approx(float(shown), abs=1e-6)


def test_a_batch_counts_the_swaps_that_succeed(run: Run, book: QuestionBook) -> None:
    layer = run.model(50).depth - 1
    whole = tuple((layer, p) for p in range(3))
    operation = patch_lab.Operation("resid_post", whole, None, "cache")
    found = patch_lab.batch(run.model(50), book, "train_inferred", operation, 10, seed=0)
    queries = book.corpus.queries("train_inferred")
    order = np.random.default_rng(0).permutation(len(queries))[:10]
    answers = queries.answer_ids[order]
    # With everything copied the answer is the donor's own.
    expected = float((answers != np.roll(answers, 1)).mean())
    assert found.changed[0] == pytest.approx(expected)
    assert found.changed[1] <= found.changed[0] <= found.changed[2]
