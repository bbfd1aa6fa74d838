"""Pages on a series that others trained and that is asked the sentences of a file."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from asked_series import write_questions, write_series
from torch import Tensor

from analyses import Slice, analyze
from analyses.figures.sliced_figures import figures_on
from analyses.figures.specs.charts import HeatMap
from analyses.slices.properties import SplitQuestions
from app.instrument.payload import formation_payload
from app.logic.asking import ask_every_checkpoint
from app.logic.certificate_record import certificate_record
from app.logic.comparison_book import book_of_corpus
from app.logic.data_tables import splits_table
from app.logic.drawn_results import drawn_results
from app.logic.lab.patch_lab import Operation, outcome
from app.logic.question_book import QuestionBook
from app.logic.sentences import columns_of, sentence_of
from app.shell import frame
from circuits import Run, open_run
from circuits.pretrained.importing import import_pretrained

YORK = ("New", "country", "United", "currency", "dol", "The currency of the country of New is",
        "The country of New is", "The currency of United is")  # fmt: skip

AXES = ("target", "layer", "position")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder: Path = tmp_path_factory.mktemp("asked")
    questions = write_questions(folder / "asked.csv", [YORK])
    return import_pretrained(write_series(folder / "steps", "neox"), folder / "run", questions)


@pytest.fixture(scope="module")
def book(run: Run) -> QuestionBook:
    return book_of_corpus(run.corpus)


def test_whether_a_file_s_questions_were_trained_on_is_unknown(run: Run) -> None:
    table = splits_table(run, "asked", 0)
    said = {row[table.columns.index("trained on")] for row in table.rows}
    assert said == {"unknown"}


def test_a_file_s_question_is_read_as_a_sentence_with_its_roles(book: QuestionBook) -> None:
    prompt = book.prompts(book.parse("Lyon|country|currency"))
    assert columns_of(prompt) == ("Lyon", "the country of", "The currency of", "is")
    tokens = sentence_of(prompt)["tokens"]
    assert "".join(t["text"] for t in tokens) == "The currency of the country of Lyon is"


def test_a_name_that_begins_another_has_what_the_longer_one_leaves(book: QuestionBook) -> None:
    """P(New) = P(the text goes on with New) - P(it goes on with New York)."""
    tokens, prompt = book.text_tokens, book.prompts(book.parse("Lyon|country|currency"))
    assert tokens is not None
    short, long = map(book.vocab.entity, ("New", "New York"))
    path = tokens.wording.names.tokens(long)
    n = len(tokens.wording.names.tokens(short))
    assert path[:n] == tokens.wording.names.tokens(short)

    def mostly(prompts: Tensor, at: Tensor) -> Tensor:
        """.9 for the next token of New York, .1 for token 0."""
        logits = torch.full((len(at), 300), -torch.inf)
        logits[:, 0] = math.log(0.1)
        for row, place in enumerate((at + 1 - int(prompt.lengths[0])).tolist()):
            logits[row, path[min(place, len(path) - 1)]] = math.log(0.9)
        return logits

    whole = tokens.whole_names(mostly, prompt)
    assert float(whole[long]) == pytest.approx(0.9 ** len(path))
    assert float(whole[short]) == pytest.approx(0.9**n - 0.9 ** len(path), rel=1e-4)


def test_one_question_and_the_lab_take_pieces_of_text_for_what_they_are(
    run: Run, book: QuestionBook
) -> None:
    question = book.parse("Lyon|country|currency")
    donor = book.donors(book.asked(question), limit=1)[0]
    record = ask_every_checkpoint(run, "run", book, question, donor, lambda _: None)
    sent = json.loads(record.payload({}))["question"]
    assert all(words["text"].endswith("…") for words in sent["written"])
    shown = {*np.ravel(sent["lens"]["token"]), *np.ravel(sent["swap"]["token"])}
    assert min(shown) >= len(book.vocab)
    assert {str(token) for token in shown} <= set(sent["names"])
    read = ["The currency of", "the country of", "Lyon", "is"]
    assert [sent["columns"][role] for role in sent["order"]] == read
    states = next(spec for spec in record.figures(0) if isinstance(spec, HeatMap))
    assert states.columns == tuple(read)
    assert states.values[0, 2] == pytest.approx(record.trace.watched[0].share[0, 0, 0])  # of Lyon
    written = Operation("resid_pre", ((1, 0),), None, "cache")
    found = outcome(run.model(0), book.prompts(question, donor), written, book.text_tokens)
    assert found.after.shape == (len(book.vocab),)
    assert float(found.after.sum()) <= 1


def test_formation_draws_roles_as_they_are_read_and_every_stored_panel(run: Run) -> None:
    for name in ("logit_lens", "causal_tracing", "bridge_patching", "patchscopes"):
        analyze(run, name)
    datasets, problems = drawn_results(run)
    assert problems == []
    sent = json.loads(formation_payload(run, datasets))
    read = ["relation_2", "relation_1", "subject", "answer"]
    assert [p["name"] for p in sent["positions"]] == read
    measures = sent["measures"]["asked"]
    lens = datasets["logit_lens"].sel(split="asked", position=read).mrr
    packed = measures["lens"]["value"]
    values = np.array(packed["values"], float).reshape(packed["shape"]) / 1000
    assert np.abs(values - lens.transpose("step", *AXES).values).max() < 0.001
    assert "Said while usable" in [panel["title"] for panel in measures["further"]]
    assert "asked at import" in measures["about"]


def test_a_run_without_trained_questions_is_not_offered_a_certificate(run: Run) -> None:
    missing = certificate_record(run, "run", 0).missing
    assert missing.startswith("Not certified: a certificate sets unseen questions beside trained")
    assert "hopscope certify" not in missing


def test_a_run_without_id_test_is_sliced_in_the_split_that_it_has(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame.address, "read", dict)
    assert frame._split(run) == "asked"
    country = Slice(relation_1="country")
    assert SplitQuestions(run, frame._split(run)).rows(country).tolist()
    assert figures_on(run, country)


def test_a_run_of_names_waits_for_no_panel_that_needs_sentences() -> None:
    datasets, problems = drawn_results(open_run("assets/demo"))
    assert "patchscopes" not in datasets
    assert problems == []
