"""Training end to end on a tiny model."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest
import torch
from tiny_runs import numbers, tiny_recipe

from circuits import files
from circuits.corpus.build import build_corpus
from circuits.errors import HopscopeError
from circuits.model.transformer import HookedTransformer, ModelConfig
from circuits.recipes.schema import Recipe
from circuits.runs import writer as run_writer
from circuits.runs.reading import MANIFEST
from circuits.runs.run import open_run
from train import session
from train.batches import Batch, Batches
from train.distributed import Group
from train.evaluation import Evaluator
from train.loop import train
from train.memory import largest_fitting
from train.step import cross_entropy
from train.trainer import Trainer, resolve_precision


def test_equal_recipes_give_equal_runs(tmp_path: Path) -> None:
    a, b = (train(tiny_recipe(), tmp_path / name, progress=False) for name in "ab")
    assert numbers(a.path) == numbers(b.path)
    assert a.manifest["checkpoints"] == b.manifest["checkpoints"]
    other = train(tiny_recipe(seed=1), tmp_path / "c", progress=False)
    assert numbers(a.path)[-1] != numbers(other.path)[-1]


def test_facts_are_learnt(tmp_path: Path) -> None:
    recipe = tiny_recipe(
        training__steps=400, training__lr=0.01, checkpoints__every=400, evaluation__every=200
    )
    rows = train(recipe, tmp_path / "run", progress=False).rows()
    assert rows[0]["accuracy/train_inferred"] < 0.4
    assert rows[-1]["accuracy/train_inferred"] > 0.9
    assert rows[-1]["train_loss"] < rows[0]["loss/train_inferred"]


def test_a_run_stops_once_it_has_generalized_enough(tmp_path: Path) -> None:
    recipe = tiny_recipe(evaluation__stop_at_id_accuracy=0.001, training__lr=0.02)
    run = train(recipe, tmp_path / "run", progress=False)
    assert run.state == "finished"
    assert run.steps[-1] == run.rows()[-1]["step"]


def test_every_epoch_sees_every_example_once() -> None:
    n, size = 10, 4
    data = Batch(torch.arange(n)[:, None], torch.zeros(n, dtype=torch.int64), torch.arange(n))
    batches = Batches(data, size, seed=0)
    seen = torch.cat([batches.next().answer for _ in range(5)])
    assert sorted(seen[:10].tolist()) == list(range(10))
    assert sorted(seen[10:20].tolist()) == list(range(10))
    assert seen[:10].tolist() != seen[10:20].tolist()


def test_a_batch_may_be_larger_than_the_training_set() -> None:
    data = Batch(torch.arange(3)[:, None], torch.zeros(3, dtype=torch.int64), torch.arange(3))
    batches = Batches(data, 9, seed=0)
    assert sorted(batches.next().answer.tolist()) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert batches.first(5).answer.tolist() == [0, 1, 2, 0, 1]


def test_processes_share_each_global_batch() -> None:
    n = 12
    data = Batch(torch.arange(n)[:, None], torch.zeros(n, dtype=torch.int64), torch.arange(n))
    whole = Batches(data, 6, seed=3).next().answer
    shares = [Batches(data, 6, seed=3, rank=r, world=2).next().answer for r in (0, 1)]
    assert sorted(torch.cat(shares).tolist()) == sorted(whole.tolist())
    with pytest.raises(HopscopeError, match="multiple of 4"):
        Batches(data, 6, seed=3, rank=0, world=4)


def test_evaluation_equals_the_hooked_model_split_by_split() -> None:
    corpus = build_corpus(tiny_recipe())
    config = ModelConfig.from_recipe(tiny_recipe().model, len(corpus.vocab), corpus.n_ctx, 0)
    model = HookedTransformer(config)
    recipe = tiny_recipe(evaluation__items=10_000, checkpoints__dtype="fp32")
    row = Evaluator(recipe, corpus, config, torch.device("cpu"))(model, cross_entropy)
    for name, queries in corpus.splits.items():
        if not len(queries):
            assert f"loss/{name}" not in row
            continue
        logits = model(queries.tokens)[:, -1]
        assert row[f"loss/{name}"] == pytest.approx(
            float(cross_entropy(logits, queries.answer).mean().detach()), abs=1e-5
        )
        right = (logits.argmax(-1) == queries.answer).double().mean()
        assert row[f"accuracy/{name}"] == pytest.approx(float(right))


def test_divergence_stops_with_step_remedy_and_last_good_checkpoint(tmp_path: Path) -> None:
    recipe = tiny_recipe(
        training__lr=1e30, training__warmup=0, training__weight_decay=0, checkpoints__every=40
    )
    with pytest.raises(HopscopeError, match=r"at step \d+.*training\.lr.*of step 0, is kept"):
        train(recipe, tmp_path / "run", progress=False)
    run = open_run(tmp_path / "run")
    assert run.state == "stopped"
    untrained = HookedTransformer(run.model(0).cfg)
    stored = untrained.embed.W_E.to(torch.bfloat16).float()
    assert torch.equal(run.model(0).embed.W_E, stored)


def test_the_step_of_the_first_bad_loss_is_exact() -> None:
    recipe = tiny_recipe()
    trainer = trainer_of(recipe)
    for _ in range(3):
        trainer.advance()
    trainer.model.embed.W_E.data.fill_(float("nan"))
    trainer.advance()
    trainer.advance()
    with pytest.raises(HopscopeError, match="nan at step 4"):
        trainer.check_finite()


def trainer_of(recipe: Recipe) -> Trainer:
    corpus = build_corpus(recipe)
    config = ModelConfig.from_recipe(recipe.model, len(corpus.vocab), corpus.n_ctx, 0)
    group = Group(torch.device("cpu"))
    return Trainer(recipe, corpus, HookedTransformer(config), "fp32", group)


@pytest.mark.parametrize(
    "settings",
    [
        {"training__optimizer": "muon"},
        {"training__grokfast": True, "training__orthogonal_gradient": True},
        {"training__loss": "stablemax", "training__schedule": "cosine"},
        {"training__precision": "bf16", "model__dropout": 0.1},
        {"model__n_passes": 2, "model__tied_unembedding": True, "training__decay": "matrices"},
    ],
)
def test_every_switch_trains_and_keeps_a_readable_model(
    tmp_path: Path, settings: dict[str, object]
) -> None:
    run = train(tiny_recipe(training__steps=20, **settings), tmp_path / "run", progress=False)
    rows = run.rows()
    assert rows[-1]["loss/train_inferred"] < rows[0]["loss/train_inferred"]
    questions = run.queries("id_test")
    guessed = run.model()(questions.tokens)[:, -1].argmax(-1)
    right = float((guessed == questions.answer).double().mean())
    assert rows[-1]["accuracy/id_test"] == right


def test_an_impossible_model_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(HopscopeError, match="not divisible"):
        train(tiny_recipe(model__n_heads=3), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_missing_gpu_is_named_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(HopscopeError, match="no CUDA device"):
        train(tiny_recipe(training__device="cuda"), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_precision_is_taken_as_asked() -> None:
    cpu = torch.device("cpu")
    assert resolve_precision("fp32", cpu) == "fp32"
    assert resolve_precision("bf16", cpu) == "bf16"
    assert resolve_precision("auto", cpu) in ("fp32", "bf16")


def test_the_fitting_batch_is_found_by_halving() -> None:
    tried = []

    def attempt(size: int) -> None:
        tried.append(size)
        if size > 100:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 1 byte")

    assert largest_fitting(attempt, 512) == 64
    assert tried == [512, 256, 128, 64]

    def broken(size: int) -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        largest_fitting(broken, 4)


def test_too_large_a_model_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    recipe = tiny_recipe(model__d_model=4_000_000)  # 64 TB in each of its matrices
    with pytest.raises(HopscopeError, match=r"a model of 192,\d+,\d+,\d+,\d+ weights.*smaller"):
        train(recipe, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_too_large_a_batch_names_one_that_fits(tmp_path: Path) -> None:
    recipe = tiny_recipe(training__batch_size=2**20)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 300 * 2**20, before[1]))
    try:
        with pytest.raises(HopscopeError, match=r"--set training\.batch_size=\d+"):
            train(recipe, tmp_path / "run", progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_a_full_disk_stops_with_a_sentence_and_loses_nothing(tmp_path: Path) -> None:
    recipe = tiny_recipe(model__d_model=64, checkpoints__dtype="fp32")
    train(recipe, tmp_path / "whole", progress=False)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, before[1]))  # resume states are larger
    try:
        with pytest.raises(HopscopeError, match=r"cannot be written.*from step 0 with: .*resume"):
            train(recipe, tmp_path / "run", progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    run = open_run(tmp_path / "run")
    assert run.state == "stopped"
    assert run.steps == [0, 10]  # the resume state of step 10 was too large
    whole = open_run(tmp_path / "whole").model(10)
    assert torch.equal(run.model().embed.W_E, whole.embed.W_E)
    run = train(None, tmp_path / "run", resume=True, progress=False)
    assert numbers(run.path) == numbers(tmp_path / "whole")
    assert run.manifest["checkpoints"] == open_run(tmp_path / "whole").manifest["checkpoints"]


def test_finished_is_never_written_before_the_last_checkpoint_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is too full for the last checkpoint, but not for a manifest."""
    recipe = tiny_recipe(checkpoints__every=40, evaluation__every=40)
    train(recipe, tmp_path / "whole", progress=False)
    states, advance, limit = [], Trainer.advance, resource.getrlimit(resource.RLIMIT_FSIZE)

    def advance_until_full(self: Trainer) -> None:
        advance(self)
        if self.step == 40:
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limit[1]))

    def watch(path: Path, content: bytes) -> None:
        files.write_atomically(path, content)
        if path.name == MANIFEST:
            states.append(json.loads(content)["state"])

    monkeypatch.setattr(Trainer, "advance", advance_until_full)
    monkeypatch.setattr(run_writer, "write_atomically", watch)
    try:
        with pytest.raises(HopscopeError, match=r"step_00000040.*cannot be written.*from step 0"):
            train(recipe, tmp_path / "run", progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    monkeypatch.undo()
    assert states == ["training", "stopped"]
    run = train(None, tmp_path / "run", resume=True, progress=False)
    assert run.state == "finished"
    assert numbers(run.path) == numbers(tmp_path / "whole")


def test_a_finished_run_whose_resume_states_cannot_be_removed_stays_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(folder: Path) -> None:
        raise OSError(16, "Device or resource busy", str(folder))

    monkeypatch.setattr(session, "keep_newest", busy)
    with pytest.raises(HopscopeError, match="resource busy"):
        train(tiny_recipe(), tmp_path / "run", progress=False)
    assert open_run(tmp_path / "run").state == "finished"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes into read-only folders")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(HopscopeError, match="Permission denied"):
            train(tiny_recipe(), tmp_path / "run", progress=False)
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_that_cannot_be_made_is_named() -> None:
    with pytest.raises(HopscopeError, match="cannot be made"):
        train(tiny_recipe(), "/proc/hopscope/run", progress=False)
