"""The check of a series: a GPT-NeoX trained here, with faults put in one by one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import neox_series
import pytest
import torch
from safetensors.torch import load_file, save_file

from circuits.errors import HopscopeError
from circuits.series import SeriesCheck, check_series

DEMO = Path("assets/demo")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return neox_series.train_series(tmp_path_factory.mktemp("series") / "neox")


@pytest.fixture
def series(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "neox"))


def kinds(check: SeriesCheck) -> list[tuple[str, tuple[int, ...]]]:
    return [(one.kind, one.steps) for one in check.findings]


def change(series: Path, step: int, **tensors: torch.Tensor | None) -> None:
    """Replace tensors of a step, given by the end of their names; None leaves one out."""
    path = series / f"step{step}" / "model.safetensors"
    state = load_file(path)
    for end, tensor in tensors.items():
        name = next(name for name in state if name.endswith(end.replace("__", ".")))
        state.pop(name)
        if tensor is not None:
            state[name] = tensor
    save_file(state, path)


@pytest.mark.parametrize("run", ["demo", "textbook"])
def test_runs_that_were_trained_here_are_clean(run: str) -> None:
    check = check_series(f"assets/{run}")
    assert check.ok
    assert check.notes == ()
    assert len(check.neighbours) == len(check.steps) - 1


def test_a_series_trained_elsewhere_is_clean(trained: Path) -> None:
    check = check_series(trained)
    assert (check.ok, check.steps, check.notes) == (True, neox_series.STEPS, ())


def test_two_exchanged_steps_and_one_duplicate_are_flagged_exactly(series: Path) -> None:
    neox_series.exchange(series, 2, 8)
    neox_series.serve(series, content=32, under=0)
    check = check_series(series)
    assert kinds(check) == [("identical", (0,)), ("place", (2, 8))]
    assert check.findings[0].sentence == "step 0 serves the weights of step 32"
    assert check.flagged == (0, 2, 8)


def test_which_of_two_identical_neighbours_is_wrong_is_not_claimed(series: Path) -> None:
    neox_series.exchange(series, 2, 8)
    neox_series.serve(series, content=32, under=16)
    assert kinds(check_series(series)) == [("identical", (16, 32)), ("place", (2, 8))]


@pytest.mark.parametrize("a", neox_series.STEPS)
@pytest.mark.parametrize("b", neox_series.STEPS)
def test_any_two_exchanged_steps_are_flagged_and_no_others(series: Path, a: int, b: int) -> None:
    if a < b:
        neox_series.exchange(series, a, b)
        assert kinds(check_series(series)) == [("place", (a, b))]


def test_an_early_name_with_late_weights_is_flagged_even_if_no_other_step_has_them(
    series: Path,
) -> None:
    shutil.rmtree(series / "step2")
    (series / "step32").rename(series / "step2")  # the last step is nowhere else
    (found,) = check_series(series).findings
    assert (found.kind, found.steps) == ("place", (2,))
    assert found.sentence.startswith("the weights of step 2 fit near step 16: ")


def test_files_that_differ_with_equal_tensors_are_identical_steps(series: Path) -> None:
    state = load_file(series / "step4" / "model.safetensors")
    order = dict(reversed(list(state.items())))
    save_file(order, series / "step8" / "model.safetensors", {"b": "1", "a": "2"})
    assert kinds(check_series(series)) == [("identical", (4, 8))]


def test_a_shard_of_another_step_is_found_by_its_tensors(series: Path) -> None:
    late = load_file(series / "step32" / "model.safetensors")
    change(series, 2, embed_in__weight=late["gpt_neox.embed_in.weight"])
    (found,) = check_series(series).findings
    assert (found.kind, found.steps) == ("identical tensors", (2, 32))
    assert "share 1 of 28 tensors to the bit (gpt_neox.embed_in.weight)" in found.sentence


def test_a_tensor_that_is_never_trained_is_no_fault(series: Path) -> None:
    first = load_file(series / "step0" / "model.safetensors")["embed_out.weight"]
    for step in neox_series.STEPS[1:]:
        change(series, step, embed_out__weight=first)
    assert check_series(series).ok


def test_nan_missing_tensors_and_types_are_named_with_their_step(series: Path) -> None:
    state = load_file(series / "step4" / "model.safetensors")
    embed, out = state["gpt_neox.embed_in.weight"], state["embed_out.weight"]
    bad = embed.clone()
    bad[3, 4:6] = torch.tensor([torch.nan, -torch.inf])
    change(series, 4, embed_in__weight=bad)
    change(series, 8, final_layer_norm__bias=None)
    change(series, 16, embed_out__weight=out.half())
    check = check_series(series)
    assert [one.sentence for one in check.findings] == [
        "step 4 has NaN or infinity: 2 of its 2,048 numbers in gpt_neox.embed_in.weight",
        "step 8 lacks gpt_neox.final_layer_norm.bias, which other steps have",
        "step 16 has float16 where other steps have float32, in embed_out.weight",
    ]
    assert "steps 4 and 8 cannot be compared" in check.notes[0]


def test_a_change_of_shape_and_an_extra_tensor_are_named(series: Path) -> None:
    change(series, 4, embed_out__weight=torch.ones(65, 32))
    path = series / "step8" / "model.safetensors"
    save_file(load_file(path) | {"added": torch.ones(2)}, path)
    assert [one.sentence for one in check_series(series).findings] == [
        "step 8 has added, which other steps do not have",
        "step 4 has float32 [65, 32] where other steps have float32 [64, 32], in embed_out.weight",
    ]


def test_weights_that_the_configuration_ties_must_be_equal(series: Path) -> None:
    for step in neox_series.STEPS:
        path = series / f"step{step}"
        config = json.loads((path / "config.json").read_text())
        (path / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": True}))
        state = load_file(path / "model.safetensors")
        if step != 8:
            change(series, step, embed_out__weight=state["gpt_neox.embed_in.weight"].clone())
    (found,) = check_series(series).findings
    assert (found.kind, found.steps) == ("tied weights", (8,))


def test_another_tokenizer_is_named_and_another_layout_of_its_json_is_not(series: Path) -> None:
    (series / "step2" / "tokenizer.json").write_text('{"padding": null,\n "model": {}}')
    assert check_series(series).ok
    (series / "step8" / "tokenizer.json").write_text('{"model": {"vocab": {"a": 0}}}')
    assert kinds(check_series(series)) == [("tokenizer", (8,))]


def test_half_a_download_is_a_finding_and_the_others_are_still_checked(series: Path) -> None:
    path = series / "step4" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    neox_series.exchange(series, 2, 16)
    assert kinds(check_series(series)) == [("broken", (4,)), ("place", (2, 16))]


def test_a_checkpoint_that_was_replaced_in_a_run_folder_is_named(tmp_path: Path) -> None:
    run = Path(shutil.copytree(DEMO, tmp_path / "demo"))
    folder = run / "checkpoints"
    shutil.copy(folder / "step_00000900.safetensors", folder / "step_00003000.safetensors")
    check = check_series(run)
    assert kinds(check) == [("file hash", (3000,)), ("identical", (3000,))]
    assert check.findings[1].sentence == "step 3,000 serves the weights of step 900"


def test_files_of_torch_are_checked_where_they_hold_only_tensors(
    series: Path, tmp_path: Path
) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for step in neox_series.STEPS:
        state = load_file(series / f"step{step}" / "model.safetensors")
        torch.save({"model": state, "step": step}, flat / f"model_{step}.pth")
    check = check_series(flat)
    assert check.ok
    assert check.digests == check_series(series).digests
    torch.save({"w": Path("x")}, flat / "model_8.pth")
    (found,) = check_series(flat).findings
    assert "is a pickle of more than tensors, which could run code" in found.sentence


def test_one_step_is_checked_but_has_no_order(series: Path) -> None:
    check = check_series(series / "step8")
    assert check.ok
    assert check.steps == (8,)
    assert "the order was not tested" in check.notes[0]


def test_a_check_survives_a_file_of_json(series: Path) -> None:
    neox_series.exchange(series, 2, 16)
    check = check_series(series)
    assert SeriesCheck.from_json(json.loads(json.dumps(check.to_json()))) == check
    for table in ({}, {"format": "other"}, {"format": "hopscope check 1", "steps": 3}):
        with pytest.raises(HopscopeError, match="run `hopscope check` again"):
            SeriesCheck.from_json(table)
