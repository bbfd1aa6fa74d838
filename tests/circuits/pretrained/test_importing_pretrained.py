"""A series and a file of questions become a run whose answers are those of transformers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
import transformers
from asked_series import COLUMNS, rows, tokenizer, write_questions, write_series

from circuits import Run, open_run
from circuits.errors import HopscopeError
from circuits.pretrained.answering import spellings, whole_answers
from circuits.pretrained.asking import asked_text
from circuits.pretrained.importing import import_pretrained
from circuits.pretrained.tokenizer import SeriesTokenizer
from circuits.text.two_hop_questions import TwoHopQuestion

LYON = ("Lyon", "country", "France", "currency", "euro", "The currency of the country of Lyon is",
        "The country of Lyon is", "The currency of France is")  # fmt: skip


def test_a_role_is_the_tokens_of_its_words_whatever_the_shape_of_a_name(imported: Run) -> None:
    queries, name = imported.queries("asked"), imported.vocab.name
    assert queries.positions == ("subject", "relation_1", "relation_2", "answer")
    text = imported.asked_text
    assert text is not None
    for i, row in enumerate(queries):
        words = [text.tokenizer.decode(row.tokens[start:end]) for start, end in queries.spans[i]]
        marked = text.wording.asked[tuple(queries.asked_ids[i].tolist())]
        assert [w.replace(" ", "") for w in words[:3]] == [w.replace(" ", "") for w in marked.words]
        assert words[0] == name(int(queries.asked_ids[i, 0]))
        assert row.sentence == marked.text
        assert queries.spans[i, 3].tolist() == [len(row.tokens) - 1, len(row.tokens)]
    assert len({end - start for start, end in queries.spans[:, 0].tolist()}) > 1  # ragged


def test_the_logits_are_those_of_transformers_and_answers_are_its_greedy_ones(
    imported: Run,
) -> None:
    series, words = imported.path.parent / "steps", tokenizer()
    theirs = transformers.AutoModelForCausalLM.from_pretrained(series / "checkpoint-10")
    ours, queries = imported.model(10), imported.queries("asked")
    lengths = torch.from_numpy(queries.lengths)
    right, expected = 0, []
    for row in queries:
        ids = words(row.sentence, return_tensors="pt")["input_ids"]
        assert ids[0].tolist() == list(row.tokens)
        with torch.no_grad():
            logits = theirs(ids).logits[0, -1]
        assert torch.allclose(ours(ids)[0, -1], logits, atol=1e-4)
        expected.append(int(logits.argmax()))
    accepted = [((token,),) for token in expected]
    found = whole_answers(ours, queries.tokens, lengths, accepted)
    assert found.exact.all()
    one_off = [(((token + 1) % 300,),) for token in expected]
    assert not whole_answers(ours, queries.tokens, lengths, one_off).exact.any()
    either = [(one[0], other[0]) for one, other in zip(one_off, accepted, strict=True)]
    assert whole_answers(ours, queries.tokens, lengths, either).exact.all()  # an alias will do
    right = whole_answers(ours, queries.tokens, lengths, spellings(queries)).exact.double().mean()
    row_of = imported.metrics().set_index("step").loc[10]
    assert row_of["accuracy/asked"] == pytest.approx(float(right))


def test_a_run_that_is_opened_again_asks_the_same(imported: Run) -> None:
    again = open_run(imported.path)
    for split in ("asked", "atomic_id"):
        one, other = imported.queries(split), again.queries(split)
        assert (one.token_ids == other.token_ids).all()
        assert (one.spans == other.spans).all()
    assert again.corpus.text


def test_questions_that_the_file_lacks_are_worded_like_its_own(imported: Run) -> None:
    queries, vocab = imported.queries("asked")[:1], imported.vocab
    other = queries.asked_ids.copy()
    other[0] = vocab.entity("Osaka"), vocab.relation("neighbour"), vocab.relation("currency")
    made = queries.asking(other)
    assert made[0].sentence == "The currency of the neighbour of Osaka is"
    other[0] = vocab.entity("Osaka"), vocab.relation("country"), vocab.relation("currency")
    assert queries.asking(other)[0].sentence == "The currency of the country of Osaka is"


def test_what_cannot_be_asked_is_left_out_and_counted(tmp_path: Path) -> None:
    more = [
        LYON,
        ("Lyon", "country", "Spain", "currency", "peseta", *LYON[5:7], "The currency of Spain is"),
        ("Rome", "country", "Italy", "currency", "lira", "What do they pay with in Rome?",
         "The country of Rome is", "The currency of Italy is"),
        ("Oslo", "country", "Norway", "currency", "krone", "The currency of the country of it is",
         "The country of Oslo is", "The currency of Norway is"),
        ("Bonn", "country", "Prussia", "currency", "mark", "The currency of the country of Bonn is",
         "The country of Bonn is " + "so far as is known " * 20, "The currency of Prussia is"),
    ]  # fmt: skip
    asked = write_questions(tmp_path / "asked.csv", more)
    run = import_pretrained(
        write_series(tmp_path / "steps", "gpt2", (7,)), tmp_path / "run", asked, link=True
    )
    assert run.steps == [7]  # a single checkpoint will do
    assert len(run.queries("asked")) == len(rows())
    dropped = Counter(run.corpus.report["dropped"])
    assert sorted(dropped.values()) == [1] * 5
    said = " / ".join(dropped)
    for why in ("another object", "asked by an earlier row", "no words for relation 1",
                "the subject is not in the prompt", "longer than the model's 64"):  # fmt: skip
        assert why in said
    assert "5 of 17 questions are left out" in run.corpus.report["notes"][1]


def test_of_several_wordings_the_first_whose_roles_are_found_is_asked() -> None:
    hop_2 = "Q: Where was Ada born? A:"
    asked = TwoHopQuestion(
        "Dune", "singer", "Ada", "birthplace", "Rome", "Q: Who sang Dune? A:", hop_2,
        "Q: Whence is Dune's singer? A:", ("Q: Where was the singer of Dune born? A:",),
    )  # fmt: skip
    text = asked_text([asked], "q.json", SeriesTokenizer(tokenizer().backend_tokenizer), 64)
    assert text.queries("asked")[0].sentence == asked.paraphrases[0]


def test_a_file_of_which_nothing_can_be_asked_is_refused_with_the_reasons(tmp_path: Path) -> None:
    path = tmp_path / "asked.csv"
    bad = [
        "Lyon",
        "country",
        "France",
        "currency",
        "euro",
        "Pay?",
        "The country of Lyon is",
        "Pay?",
    ]
    path.write_text("\n".join([",".join(COLUMNS), ",".join(bad)]) + "\n")
    series = write_series(tmp_path / "steps", "gpt2", (0,))
    with pytest.raises(HopscopeError, match=r"none of the 1 questions .* can be asked \(1: no wo"):
        import_pretrained(series, tmp_path / "run", path)
    assert not (tmp_path / "run").exists()
    (series / "checkpoint-0" / "tokenizer.json").write_text("{}")
    with pytest.raises(HopscopeError, match="not a tokenizer"):
        import_pretrained(series, tmp_path / "run", write_questions(path))
