"""The lab's history: what is remembered, compared and exported of tries."""

from __future__ import annotations

import json
from dataclasses import replace

import torch
from dashboard_browser import ROOT

from app.logic.lab.patch_lab import Operation, donor_lens, outcome
from app.logic.lab.tries import MOST, LabTry, remembered, side_by_side, tries_json, tries_script
from app.logic.question_book import QuestionBook
from circuits import Patch
from circuits.runs.run import open_run

TRY = LabTry(
    run="demo", path=str(ROOT / "assets" / "demo"), step=6000, question="q", donor="d",
    receiver=(1, 2, 3), lender=(4, 5, 6),
    operation=Operation("resid_pre", ((1, 1),), None, "cache"),
    places="layer 1, relation 1", target=7, target_name="X", shares=(0.1, 0.9),
    before=(("A", 0.8), ("X", 0.1)), after=(("X", 0.9),),
)  # fmt: skip


def test_the_same_try_is_remembered_once_and_the_oldest_of_many_is_forgotten() -> None:
    assert remembered([TRY], replace(TRY)) == [TRY]
    other = replace(TRY, step=5700)
    assert remembered([TRY], other) == [TRY, other]
    many = [replace(TRY, step=step) for step in range(MOST)]
    assert remembered(many, TRY) == [*many[1:], TRY]


def test_a_comparison_leaves_out_what_is_the_same() -> None:
    table = side_by_side([TRY, replace(TRY, step=5700)], [1, 3])
    assert list(table.columns) == ["try 1", "try 3"]
    assert list(table.loc["step"]) == ["6,000", "5,700"]
    assert "question" not in table.index
    assert table.loc["swapped answer", "try 1"] == "X: 10.0% → 90.0%"
    assert table.loc["before 1", "try 1"] == "A 80.0%"


def test_exported_tries_give_the_same_numbers_again() -> None:
    run = open_run(TRY.path)
    model, book = run.model(TRY.step), QuestionBook(run.corpus)
    receiver, donor = (book.tokens_at("id_test", row) for row in (0, 189))
    found = outcome(model, book.prompts(receiver, donor), TRY.operation)
    target = int(found.after.argmax())
    shares = (float(found.before[target]), float(found.after[target]))
    name = run.vocab.name(target)
    made = replace(
        TRY, receiver=receiver, lender=donor, target=target, target_name=name, shares=shares
    )
    (saved,) = json.loads(tries_json([made]))
    assert Patch.from_json(json.dumps(saved["patches"][0])) == TRY.operation.patches()[0]
    assert saved["target_probability"]["after"] == shares[1]
    said: list[tuple[object, ...]] = []
    exec(tries_script([made]), {"print": lambda *words: said.append(words)})
    assert said[0][:2] == (TRY.step, name)
    assert abs(float(str(said[0][2])) - shares[1]) < 1e-5


def test_the_donors_last_name_is_what_the_model_reads_there() -> None:
    run = open_run(TRY.path)
    model, queries = run.model(TRY.step), run.queries("id_test")[:1]
    tokens, lens = queries.tokens, donor_lens(model, queries)
    assert lens.token.shape == (model.depth, 3)
    with torch.no_grad():
        _, cache = model.run_with_cache(tokens)
        wanted = model.logits_of(cache["blocks.1.hook_resid_pre"][0, 1]).argmax()
    assert lens.token[1, 1] == int(wanted)
