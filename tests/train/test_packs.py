"""Runs that train together: equal to alone, ending on their own, and resumed by either way."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from real_processes import start_pack
from tiny_runs import numbers, tiny_recipe

from circuits.corpus.build import build_corpus
from circuits.errors import CannotWrite, HopscopeError
from circuits.model.config import ModelConfig
from circuits.model.hook_free import plain_logits
from circuits.model.plain import PlainTransformer
from circuits.model.stacked import stacked, stacked_logits
from circuits.recipes.schema import Recipe
from circuits.recipes.toml import recipe_toml
from circuits.runs.run import Run, open_run
from circuits.runs.writer import RunWriter
from train.distributed import Group
from train.loop import train
from train.packs.choice import choose_pack
from train.packs.pack import train_pack
from train.packs.step import PackedStep
from train.sweeps import sweep
from train.trainer import Trainer

CLOSE = 2e-3
"""Rounding in the weights after these tests' steps: where a gradient is rounding alone, as that of
keys' biases, AdamW makes steps of its sign, and Muon computes in bf16."""


def recipes(**settings: Any) -> list[Recipe]:
    """Three runs that differ in seed, rate, decay and warm-up."""
    each: list[dict[str, Any]] = [
        {},
        {"training__lr": 3e-3, "training__warmup": 2},
        {"training__weight_decay": 1.0, "training__optimizer": "muon"},
    ]
    stored = {"checkpoints__dtype": "fp32", "training__steps": 20, **settings}
    return [tiny_recipe(seed=i, **own, **stored) for i, own in enumerate(each)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("alone")
    return [train(r, folder / f"{r.seed}", progress=False) for r in recipes()]


def largest_difference(packed: Path, alone: Path) -> float:
    """Over all metrics and all weights of the last checkpoint; other facts must be equal."""
    one, other = open_run(packed), open_run(alone)
    assert one.steps == other.steps
    assert (one.state, one.recipe) == (other.state, other.recipe)
    rows = zip(numbers(packed), numbers(alone), strict=True)
    found = [abs(row[name] - same[name]) for row, same in rows for name in same]
    assert max(found) < CLOSE / 20
    models = [run.model(step=run.steps[-1]).state_dict() for run in (one, other)]
    return max(*found, *(float((w - models[1][n]).abs().max()) for n, w in models[0].items()))


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"tied_unembedding": True, "n_passes": 2},
        {"normalization_type": "RMS", "act_fn": "gelu"},
        {"normalization_type": None, "act_fn": "silu"},
    ],
    ids=str,
)
def test_models_in_one_pass_have_the_logits_of_each_alone(shape: dict[str, Any]) -> None:
    sizes = {"n_layers": 2, "d_model": 8, "n_ctx": 4, "d_vocab": 12, "n_heads": 2}
    models = [PlainTransformer(ModelConfig(**sizes, **shape, seed=s)) for s in range(3)]
    draw = torch.Generator().manual_seed(0)
    for model in models:
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, generator=draw)
    tokens = torch.randint(12, (3, 20, 3), generator=draw)
    at = torch.randint(3, (3, 20), generator=draw)
    found = stacked_logits(stacked(models), models[0].cfg, tokens, at)
    for model, logits, rows, positions in zip(models, found, tokens, at, strict=True):
        expected = plain_logits(model, rows, positions)
        torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


def test_runs_that_train_together_equal_the_same_runs_alone(
    alone: list[Run], tmp_path: Path
) -> None:
    paths = [tmp_path / f"{recipe.seed}" for recipe in recipes()]
    assert train_pack(list(zip(recipes(), paths, strict=True))) == [None] * 3
    for path, single in zip(paths, alone, strict=True):
        assert 0 < largest_difference(path, single.path) < CLOSE
    manifest = open_run(paths[0]).manifest
    assert manifest["kernels"] == "packed"
    assert manifest["notes"][-1].startswith("Trained together with 2 other runs")


def test_a_run_that_ends_or_fails_leaves_the_others_as_they_would_be(
    alone: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = RunWriter.append_metrics

    def full(self: RunWriter, row: dict[str, Any]) -> None:
        if self.path.name == "full" and row["step"] == 10:
            raise CannotWrite(self.path, OSError(28, "No space left on device"))
        append(self, row)

    monkeypatch.setattr(RunWriter, "append_metrics", full)
    first, second, _ = recipes()
    given = {
        "short": tiny_recipe(seed=7, training__steps=5),
        "goal": tiny_recipe(seed=8, evaluation__stop_at_id_accuracy=1e-9),
        "first": first,
        "nan": tiny_recipe(seed=9, training__lr=1e30),
        "second": second,
        "full": tiny_recipe(seed=3),
    }
    found = train_pack([(recipe, tmp_path / name) for name, recipe in given.items()])
    errors = dict(zip(given, found, strict=True))
    assert "became nan" in str(errors["nan"])
    assert "last good checkpoint, of step 0" in str(errors["nan"])
    assert "No space left" in str(errors["full"])
    assert "Then continue from step 0" in str(errors["full"])
    assert [name for name, error in errors.items() if error] == ["nan", "full"]
    states = {name: open_run(tmp_path / name).state for name in given}
    assert states == dict.fromkeys(given, "finished") | {"nan": "stopped", "full": "stopped"}
    assert open_run(tmp_path / "short").last_step == 5
    assert open_run(tmp_path / "goal").last_step < 40
    for name, single in (("first", alone[0]), ("second", alone[1])):
        assert largest_difference(tmp_path / name, single.path) < CLOSE


def test_a_killed_pack_is_resumed_together_or_one_by_one_and_ends_as_if_never_killed(
    alone: list[Run], tmp_path: Path
) -> None:
    paths = [tmp_path / f"{recipe.seed}" for recipe in recipes()]
    runs = list(zip(recipes(), paths, strict=True))
    killed = start_pack(runs, pause=0.05)
    while not all((path / "resume" / "state_00000010.json").exists() for path in paths):
        assert killed.is_alive()
        time.sleep(0.02)
    killed.kill()
    killed.join()
    assert all(open_run(path).last_step < 20 for path in paths)
    train(None, paths[1], resume=True, progress=False)
    assert train_pack([runs[0], runs[2]]) == [None, None]
    for path, single in zip(paths, alone, strict=True):
        assert largest_difference(path, single.path) < CLOSE
    notes = " ".join(open_run(paths[1]).manifest["notes"])
    assert "Resumed with kernels" in notes


def test_a_pack_that_is_told_to_stop_saves_every_run_and_goes_on_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [(recipe, tmp_path / f"whole{recipe.seed}") for recipe in recipes()]
    train_pack(whole)
    parts = [(recipe, tmp_path / f"parts{recipe.seed}") for recipe in recipes()]
    advance = PackedStep.advance

    def stop_after(self: PackedStep, going: Any) -> None:
        advance(self, going)
        if self.trainers[0].step == 13:
            os.kill(os.getpid(), 15)

    with monkeypatch.context() as patch:
        patch.setattr(PackedStep, "advance", stop_after)
        assert train_pack(parts) == [None] * 3
    assert [open_run(path).state for _, path in parts] == ["stopped"] * 3
    assert train_pack(parts) == [None] * 3
    for (_, one), (_, other) in zip(whole, parts, strict=True):
        assert numbers(one) == numbers(other)
        assert largest_difference(one, other) == 0


def test_a_run_alone_goes_on_in_a_pack_from_another_step_than_the_others(
    alone: list[Run], tmp_path: Path
) -> None:
    before = tmp_path / "0"
    shutil.copytree(alone[0].path, before)
    run = open_run(before)
    with RunWriter.reopen(run) as writer:  # as stopped at its end, which is its newest state
        writer.set_state("stopped")
    runs = [(r, tmp_path / f"{r.seed}") for r in recipes()[:2]]
    assert train_pack(runs) == [None, None]
    for (_, path), single in zip(runs, alone, strict=False):
        assert largest_difference(path, single.path) < CLOSE


def test_each_run_draws_the_batches_and_gets_the_gradients_that_it_would_alone() -> None:
    group = Group(torch.device("cpu"))

    def trainers() -> list[Trainer]:
        made = []
        for recipe in recipes():
            corpus = build_corpus(recipe)
            shape = {"n_layers": 1, "d_model": 16, "n_heads": 2, "seed": recipe.seed}
            cfg = ModelConfig(**shape, d_vocab=len(corpus.vocab), n_ctx=corpus.n_ctx)
            made.append(Trainer(recipe, corpus, PlainTransformer(cfg), None, group))
        return made

    packed, single = trainers(), trainers()
    step = PackedStep(packed)
    for _ in range(3):
        step.advance(packed)
        for trainer in single:
            trainer.advance()
    for one, other in zip(packed, single, strict=True):
        assert torch.equal(one.batches.order, other.batches.order)
        assert one.batches.position == other.batches.position
        gradients = zip(one.optimizer.parameters, other.optimizer.parameters, strict=True)
        for mine, alone in gradients:
            torch.testing.assert_close(mine.grad, alone.grad, rtol=1e-3, atol=1e-6)


def test_a_packed_sweep_has_the_table_of_one_that_is_not(tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(recipe_toml(tiny_recipe(training__steps=10)))
    grid, said = ["training.lr=0.001,0.01", "model.n_heads=2,3"], list[str]()
    tables = [
        sweep(
            recipe,
            grid,
            out=tmp_path / f"{pack}",
            seeds=2,
            n_jobs=1,
            pack=pack,
            progress=False,
            say=said.append,
        )
        for pack in ("off", 3)
    ]
    assert said == ["Up to 3 runs train together in a process as one batched model: as asked for."]
    one, other = (table.drop(columns="run") for table in tables)
    assert one.columns.tolist() == other.columns.tolist()
    assert one["error"].tolist() == other["error"].tolist()
    assert one["error"].str.contains("not divisible").sum() == 4
    exact = ["training.lr", "model.n_heads", "seed", "step"]
    assert one[exact].astype(str).equals(other[exact].astype(str))
    near = [name for name in one if name.startswith("accuracy/")]
    assert float((one[near] - other[near]).abs().max().max()) <= 0.05


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"model__dropout": 0.1}, "dropout draws from one random stream"),
        ({"text__tokenizer": "names"}, "texts differ in shape"),
        ({"evaluation__wandb": True}, "one run per process"),
    ],
)
def test_what_cannot_train_together_is_said_and_trained_one_by_one(
    settings: dict[str, Any], reason: str
) -> None:
    runs = [tiny_recipe(seed=seed, **settings) for seed in (0, 1)]
    size, told = choose_pack(runs, "auto", 1)
    assert (size, reason in str(told)) == (1, True)
    with pytest.raises(HopscopeError, match=f"--pack 2: .*{reason}.* --pack off"):
        choose_pack(runs, 2, 1)


def test_runs_of_different_widths_cannot_be_packed_as_asked() -> None:
    runs = [tiny_recipe(model__d_model=width) for width in (16, 32)]
    with pytest.raises(HopscopeError, match="no two of them have one model shape"):
        choose_pack(runs, 2, 1)


@pytest.mark.parametrize(("packed", "size"), [(0.002, 8), (0.006, 1)])
def test_on_a_cpu_the_faster_way_is_chosen_and_said(
    packed: float, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.packs.timing.timed_steps", lambda *given: (0.005, packed))
    runs = [tiny_recipe(seed=seed, training__steps=500) for seed in range(16)]
    found = choose_pack(runs, "auto", 2)
    assert found.size == size
    assert f"a step takes {packed * 1e3:.1f} ms a run, and 5.0 ms alone" in str(found.told)
    assert choose_pack(runs[:2], "auto", 2) == (1, None)  # two processes train two runs
    assert choose_pack(runs, "off", 2) == (1, None)


def test_a_pack_that_does_not_fit_into_memory_says_how_many_to_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*given: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: not enough memory")

    monkeypatch.setattr(PackedStep, "advance", too_large)
    found = train_pack([(recipe, tmp_path / f"{recipe.seed}") for recipe in recipes()])
    assert {str(error) for error in found} == {
        "3 runs trained together do not fit into memory; start the sweep again with --pack 2 or "
        "--pack off, which resumes them."
    }
    assert open_run(tmp_path / "0").state == "stopped"
