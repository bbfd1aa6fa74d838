"""Training on text: resumed as if never stopped, measured by whole answers, opened like any run."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from real_processes import start_training
from tiny_runs import numbers
from tiny_texts import tiny_text, tiny_text_recipe

from analyses import analyze, certify
from analyses.certificate.certify import stored_certificate
from analyses.stored import reader
from app.cli.train import summary
from circuits.errors import HopscopeError
from circuits.model.config import ModelConfig
from circuits.model.hook_free import fast_logits
from circuits.model.plain import PlainTransformer
from circuits.runs.run import Run, open_run
from circuits.text.scoring import greedy_answers
from train.batches import Batch
from train.distributed import Group
from train.loop import train
from train.step import TrainingStep
from train.text_batches import TextBatches

pytestmark = pytest.mark.slow_first

RECIPE = tiny_text_recipe(checkpoints__dtype="fp32", training__steps=60)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    torch.set_num_threads(1)
    return train(RECIPE, tmp_path_factory.mktemp("text") / "run", progress=False)


def test_a_text_run_that_was_killed_ends_as_if_never_killed(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "killed"
    process = start_training(RECIPE, path)
    while process.is_alive() and not list((path / "resume").glob("*.json")):
        time.sleep(0.001)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, "it ended before it was killed"
    train(None, path, resume=True, progress=False)
    assert numbers(run.path) == numbers(path)
    checkpoints = [open_run(each).manifest["checkpoints"] for each in (run.path, path)]
    assert checkpoints[0] == checkpoints[1]


def test_questions_of_an_opened_run_are_sentences_with_roles(run: Run) -> None:
    queries = open_run(run.path).queries("id_test")
    assert queries[0].sentence.startswith("What is the ")
    assert queries.positions == ("subject", "relation_1", "relation_2", "answer")
    assert queries.spans is not None
    logits = run.model()(queries.tokens)
    assert logits.shape == (*queries.tokens.shape, 270)


def test_the_accuracy_in_the_metrics_is_that_of_greedy_decoding(run: Run) -> None:
    text, model, split = run.text, run.model(), "train_inferred"
    assert text is not None
    generator = torch.Generator().manual_seed(run.recipe.seed)
    assert next(iter(run.corpus.splits)) == split  # the first draw
    order = torch.randperm(len(run.corpus.splits[split]), generator=generator)
    queries = text.queries(split).take(order[: run.recipe.evaluation.items].numpy())
    with torch.no_grad():
        found = greedy_answers(
            lambda tokens, at, row: fast_logits(model, tokens, at, of_row=row),
            queries.tokens,
            torch.from_numpy(queries.lengths).long(),
            text.tokenizer.end,
            text.longest_answer,
        )
    answers = [text.wording.names.tokens(a) for a in queries.answer_ids.tolist()]
    right = sum(ours == theirs for ours, theirs in zip(found, answers, strict=True))
    row = run.rows()[-1]
    assert row[f"accuracy/{split}"] == right / len(answers)
    assert row[f"accuracy/{split}"] <= row[f"first_token_accuracy/{split}"]
    assert 0 < row["name_mrr/id_test"] <= 1


def test_the_summary_says_first_tokens_beside_whole_answers(run: Run) -> None:
    line = next(line for line in summary(run) if "id_test" in line)
    assert "first token " in line


@pytest.mark.parametrize("loss", ["answer", "all"])
def test_batches_in_parts_by_length_give_the_loss_of_the_whole_batch(loss: str) -> None:
    """Dropout of a vanishing rate takes the path of ordinary operations, with padding."""
    text = tiny_text({"loss": loss})
    batch = TextBatches(text.training_texts(), 16, 0, device=CPU).next()
    order = torch.argsort((batch.tokens != text.tokenizer.pad).sum(1), stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    assert batch.of_row is not None
    moved = Batch(batch.tokens[order], batch.predict_at, batch.answer, place[batch.of_row])
    losses = []
    for dropout, given in ((0.0, batch), (1e-9, moved)):
        recipe = tiny_text_recipe({"loss": loss}, model__dropout=dropout, model__n_layers=2)
        cfg = ModelConfig.from_recipe(recipe.model, len(text.tokenizer), text.n_ctx, 0)
        step = TrainingStep(
            PlainTransformer(cfg).train(), recipe.training, "fp32", Group(CPU), ragged=True
        )
        losses.append(float(step(given)))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_text_run_without_its_tokenizer_says_so(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "copy")
    (tmp_path / "copy" / "tokenizer.json").unlink()
    with pytest.raises(HopscopeError, match=r"tokenizer\.json is missing or damaged"):
        open_run(tmp_path / "copy").queries("id_test")


def test_analyses_are_given_sentences(run: Run) -> None:
    opened = open_run(run.path)
    assert opened.corpus.text
    assert opened.corpus.queries("id_test").spans is not None


def test_a_text_run_is_certified(run: Run) -> None:
    found = certify(run.path, progress=False)
    stored = stored_certificate(open_run(run.path))
    assert stored is not None
    assert found.to_json() == stored.to_json()
    assert found["memorized"].n > 100
    assert "attention knockout" in found["second_hop"].finding
    assert found["used"].finding == "a model of one block has no state between the hops"
    assert all(criterion.name != "transfers" for criterion in found.criteria)
    short = {"steps": [run.steps[-1]], "pairs": 5, "tune_steps": 4, "progress": False}
    learned = analyze(run.path, "transfer", **short)
    read = reader(run)
    with_transfer = stored_certificate(run, read=lambda n: learned if n == "transfer" else read(n))
    assert with_transfer is not None
    assert "of the new facts are known" in with_transfer["transfers"].finding
