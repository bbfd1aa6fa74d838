"""One question and the lab on a run that reads sentences: roles, whole names, first tokens."""

from __future__ import annotations

import contextlib
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_texts import shapes_wording, tiny_text_recipe

from analyses import stored_result
from analyses.figures.builders.circuit import circuit, circuit_dataset
from analyses.figures.specs.circuit import CircuitDiagram
from analyses.slices.properties import SplitQuestions
from app.instrument.measures import split_measures
from app.logic.asked import Asked
from app.logic.asking import ask_every_checkpoint
from app.logic.certificate_record import certificate_record
from app.logic.circuit_bench import missing
from app.logic.comparison_book import book_of_corpus
from app.logic.lab import patch_lab
from app.logic.lab.patch_lab import Operation
from app.logic.lab.record import LabRecord
from app.logic.lab.tries import tries_script, try_of
from app.logic.question_book import QuestionBook
from app.logic.question_record import QuestionRecord
from app.logic.sentences import added_texts, columns_of, sentence_of
from circuits import open_run, run_patched
from circuits.corpus.queries import Queries
from circuits.patching.patches import Patch
from circuits.runs.run import Run
from train.loop import train

WRITTEN = Operation("resid_pre", ((1, 0), (1, 1)), None, "cache")
"""Both roles of the first fact, before the second block."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two blocks that read "What is the r2 of the r1 of subject?", or "Name the ..."."""
    torch.set_num_threads(1)
    real = {"source__name": "geonames", "source__options": {"n_countries": 3}}
    sizes = {"model__n_layers": 2, "splits__ood_share": 0.0, "splits__id_test_items": 20}
    few = {"training__steps": 20, "checkpoints__every": 20, "evaluation__every": 20}
    recipe = tiny_text_recipe(
        {"paraphrases": 2, "vocab_size": 300}, **real, **sizes, **few, evaluation__items=5
    )
    return train(recipe, tmp_path_factory.mktemp("text") / "run", progress=False)


@pytest.fixture(scope="module")
def book(run: Run) -> QuestionBook:
    return book_of_corpus(run.corpus)


@pytest.fixture(scope="module")
def pair(book: QuestionBook) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A question, and a donor whose bridge gives an answer that begins differently."""
    for hit in book.hits:
        question = book.tokens_of(hit)
        for donor in book.donors(book.asked(question), limit=1):
            return question, donor
    raise AssertionError("the tiny corpus has a donor")


@pytest.fixture(scope="module")
def record(run: Run, book: QuestionBook, pair: tuple[tuple[int, ...], ...]) -> QuestionRecord:
    return ask_every_checkpoint(run, "run", book, *pair, lambda _: None)


def probability(run: Run, tokens: list[int], name: int) -> float:
    """Of a whole name after a prompt, by the model's own logits."""
    assert run.text is not None
    answer = run.text.wording.answer(name)
    with torch.no_grad():
        logits = run.model()(torch.tensor([[*tokens, *answer]]))[0].log_softmax(-1)
    each = [float(logits[len(tokens) - 1 + i, token]) for i, token in enumerate(answer)]
    return math.exp(sum(each))


def test_answers_are_whole_names_with_their_probability(
    run: Run, book: QuestionBook, record: QuestionRecord
) -> None:
    prompt = book.prompts(record.asked.tokens)
    tokens = prompt.token_ids[0, : prompt.lengths[0]].tolist()
    for name, share in zip(record.trace.top.token[-1], record.trace.top.share[-1], strict=True):
        assert share == pytest.approx(probability(run, tokens, int(name)), abs=1e-4)
    others = range(0, len(run.vocab.entities), 7)
    best = max(probability(run, tokens, name) for name in (*others, record.trace.top.token[-1][0]))
    assert record.trace.top.share[-1][0] == pytest.approx(best, abs=1e-4)


def test_a_swap_is_made_at_the_last_token_of_a_role(
    run: Run, book: QuestionBook, pair: tuple[tuple[int, ...], ...], record: QuestionRecord
) -> None:
    assert record.swapped is not None
    assert record.trace.swap_target is not None
    prompts, model = book.prompts(*pair), run.model()
    for layer, role in ((0, 0), (1, 1), (1, 3)):
        patch = Patch("resid_pre", layer, role)
        logits = run_patched(model, prompts[:1], patch, prompts[1:])[0]
        wanted = logits.softmax(-1)[book.first_token(record.swapped)]
        assert record.trace.swap_target[-1, layer, role] == pytest.approx(float(wanted), abs=1e-5)


def test_the_bridge_is_sought_where_its_fact_is_complete(
    record: QuestionRecord, book: QuestionBook
) -> None:
    """The templates name the subject last, so that the first relation has no subject yet."""
    (watched,) = record.trace.watched
    prompt = book.prompts(record.asked.tokens)
    assert watched.position == prompt.positions.index("subject")
    assert Asked((0, 5, 6), (1,), 2).places(range(3)) == (1,)
    assert Asked((9, 0, 1), (2, 3), 4).places([7, 2, 4]) == (0, 0)  # the attribute comes last


def test_the_page_is_sent_the_sentence_and_what_is_written(record: QuestionRecord) -> None:
    sent = json.loads(record.payload({}))["question"]
    text = "".join(token["text"] for token in sent["sentence"]["tokens"])
    assert text == record.book.prompts(record.asked.tokens)[0].sentence
    assert [role["words"] for role in sent["sentence"]["roles"]][-1].startswith("where the answer")
    assert len(sent["written"]) == len(record.trace.steps)
    assert sent["columns"][0] == record.book.vocab.name(record.asked.tokens[0])
    assert sent["attends"] == sorted(sent["columns"], key=text.rindex)
    begins = sent["donor"]["begins"]
    assert sent["kinds"][str(begins)] == "swap"
    shown = {*np.ravel(sent["lens"]["token"]), *np.ravel(sent["swap"]["token"])}
    assert {str(token) for token in shown} <= set(sent["names"])


def test_the_lab_writes_states_and_reads_whole_names(
    run: Run, book: QuestionBook, pair: tuple[tuple[int, ...], ...]
) -> None:
    model, prompts = run.model(), book.prompts(*pair)
    assert book.text_tokens is not None
    assert run.text is not None
    found = patch_lab.outcome(model, prompts, WRITTEN, book.text_tokens)
    name = int(found.after.argmax())
    answer = run.text.wording.answer(name)
    columns, ends = prompts.role_columns, prompts.lengths
    ours = torch.tensor([[*prompts.token_ids[0, : ends[0]].tolist(), *answer]])
    states = model(ours, stop_at_layer=1)
    given = model(prompts.tokens[1:], stop_at_layer=1)
    for role in (0, 1):
        states[0, columns[0, role]] = given[0, columns[1, role]]
    logits = model(states, start_at_layer=1)[0].log_softmax(-1)
    slow = sum(logits[ends[0] - 1 + i, token] for i, token in enumerate(answer)).exp()
    assert float(found.after[name]) == pytest.approx(float(slow.detach()), abs=1e-5)


def test_scripts_of_text_runs_print_the_number_of_the_map(
    run: Run, book: QuestionBook, pair: tuple[tuple[int, ...], ...]
) -> None:
    question, donor = pair
    target = book.swapped_answer(book.asked(question), book.asked(donor))
    assert target is not None
    one = Operation("resid_pre", ((1, 1),), None, "cache")
    prompts, model, step = book.prompts(*pair), run.model(), run.steps[-1]
    effect = patch_lab.grid(model, prompts, one, book.first_token(target))
    text = patch_lab.script(run.path, step, book, question, donor, one, target)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(text, "snippet", "exec"), {})
    assert float(printed.getvalue().split()[-1]) == pytest.approx(float(effect[1, 1]), abs=1e-6)
    outcome = patch_lab.outcome(model, prompts, one, book.text_tokens)
    record = LabRecord("run", book, question, donor, one, outcome, target, effect, {})
    sent = json.loads(record.payload({}))["lab"]
    assert len(sent["positions"]) == len(sent["donor_tokens"]) == 4
    assert all(answer["share"] > 0 for answer in sent["before"])
    said: list[tuple[object, ...]] = []
    made = try_of(record, str(run.path), step)
    exec(tries_script([made]), {"print": lambda *words: said.append(words)})
    assert said[0][:2] == (step, book.begun(target))
    assert float(str(said[0][2])) == pytest.approx(float(effect[1, 1]), abs=1e-5)


def test_donors_change_the_first_token_of_the_answer(book: QuestionBook) -> None:
    for hit in book.hits[:20]:
        asked = book.asked(book.tokens_of(hit))
        for donor in book.donors(asked, limit=5):
            answer = book.swapped_answer(asked, book.asked(donor))
            assert asked.answer is not None
            assert answer is not None
            assert book.first_token(answer) != book.first_token(asked.answer)


@pytest.mark.parametrize("name", ["São Tomé", "東京", "🙂", "New York City", "O'Brien"])
def test_a_name_of_any_shape_is_marked_as_it_is_written(name: str) -> None:
    wording = shapes_wording("bpe")
    vocab = wording.vocab
    first = vocab.first_relation
    text, _ = wording.prompt("composition", (vocab.entity(name), first, first + 1), 0)
    ids = wording.tokenizer.encode([text])[0][0]
    assert "".join(added_texts(wording.tokenizer, ids)) == text
    asked = np.array([[vocab.entity(name), first, first + 1]])
    tokens, spans = wording.render("composition", asked, np.zeros(1, int))
    prompt = Queries(
        "composition", vocab, tokens, np.zeros((1, 1), int), np.zeros(1, int), spans=spans,
        named=asked, names=wording.names, wording=wording, templates=np.zeros(1, int),
    )  # fmt: skip
    assert columns_of(prompt)[0] == name
    marked = [t for t in sentence_of(prompt)["tokens"] if t["role"] == 0]
    assert "".join(t["text"] for t in marked).strip() == name


def test_the_dashboard_reads_the_questions_of_a_text_run_as_sentences(run: Run) -> None:
    from app.shell.opened import opened, stamp

    queries = opened(stamp(Path(run.path))).queries("id_test")
    assert queries.positions == ("subject", "relation_1", "relation_2", "answer")
    assert queries.token_ids.max() >= len(run.vocab)  # tokens of the tokenizer, not ids of names


def test_slices_of_a_text_run_go_by_the_names_in_its_questions(run: Run) -> None:
    found = SplitQuestions(run, "id_test")
    asked = zip(found.names("relation_1"), found.names("relation_2"), strict=True)
    for query, (one, two) in zip(found.queries, asked, strict=True):
        assert f" -{one}-> " in query.text
        assert f" -{two}-> " in query.text


def test_pages_do_not_send_a_text_run_to_what_is_refused_for_it(run: Run) -> None:
    assert "needs questions of one token per name" in missing(run, heads=False)


def test_a_text_run_without_a_certificate_is_told_how_to_get_one(run: Run) -> None:
    assert "hopscope certify" in certificate_record(run, str(run.path), run.steps[-1]).missing


def test_a_position_that_tracing_lacks_is_blank_and_shifts_no_other() -> None:
    """Causal tracing replaces names; in a sentence the answer's place is no name."""
    run = open_run("assets/demo")
    datasets = {name: stored_result(run, name) for name in ("logit_lens", "causal_tracing")}
    before = split_measures(datasets, "id_test", run.steps)["tracing"]["value"]
    lens = datasets["logit_lens"]
    longer = lens.reindex(position=[*lens["position"].values.tolist(), "answer"], fill_value=0)
    after = split_measures({**datasets, "logit_lens": longer}, "id_test", run.steps)
    shape, values = (after["tracing"]["value"][part] for part in ("shape", "values"))
    assert shape == [*before["shape"][:2], 4]
    cells = np.array(values, object).reshape(shape)
    assert (cells[..., 3] == None).all()  # noqa: E711 - element by element
    assert cells[..., :3].ravel().tolist() == before["values"]


def test_the_circuit_of_sentences_ends_where_the_answer_is_predicted() -> None:
    run = open_run("assets/demo")
    tracing, lens = (stored_result(run, name) for name in ("causal_tracing", "logit_lens"))
    assert tracing is not None
    assert lens is not None
    longer = lens.reindex(position=[*lens["position"].values.tolist(), "answer"], fill_value=0)
    drawn = circuit(circuit_dataset(tracing, longer), split="id_test")
    assert isinstance(drawn, CircuitDiagram)
    assert drawn.positions[-1] == "answer"
    strengths = [node.strength for node in drawn.nodes if node.position == 3]
    assert strengths
    assert np.isnan(strengths).all()
