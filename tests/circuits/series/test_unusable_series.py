"""What cannot be imported is refused in one sentence, and nothing half-imported is left."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from grokked_folders import composition_data, grokked_series, write_tokenizer
from real_processes import _CONTEXT
from safetensors.torch import load_file, save_file

from circuits.errors import HopscopeError
from circuits.runs.run import open_run
from circuits.series.importing import import_series


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    grokked_series(folder / "out", composition_data(folder / "data"), (0, 1, 2), n_layer=1)
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    shutil.copytree(made, tmp_path / "made")
    return tmp_path / "made"


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def spoil_weights(here: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    path = here / "out" / "checkpoint-1" / "model.safetensors"
    state = load_file(path)
    change(state)
    save_file(state, path)


def cut_off(here: Path) -> None:
    path = here / "out" / "checkpoint-1" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def pointer(here: Path) -> None:
    path = here / "out" / "checkpoint-1" / "model.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


class Runs:
    """Its unpickling would write a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("executed",)


def malicious(here: Path) -> None:
    folder = here / "out" / "checkpoint-1"
    (folder / "model.safetensors").unlink()
    torch.save({"wte.weight": Runs()}, folder / "pytorch_model.bin")


def only_pickle(here: Path) -> None:
    folder = here / "out" / "checkpoint-1"
    (folder / "model.safetensors").unlink()
    (folder / "model.pkl").write_bytes(pickle.dumps({}))


def one_step(here: Path) -> None:
    for step in (1, 2):
        shutil.rmtree(here / "out" / f"checkpoint-{step}")


def configs(here: Path, **changes: Any) -> None:
    for path in here.glob("out/*/config.json"):
        edit(path, lambda table: table | changes)


def other_names(here: Path) -> None:
    for folder in here.glob("out/*"):
        write_tokenizer(folder, [f"<x_{i}>" for i in range(25)])


def no_tokenizer(here: Path) -> None:
    for path in here.glob("out/*/*"):
        if path.name not in ("config.json", "model.safetensors"):
            path.unlink()


def swapped_names(here: Path) -> None:
    path = here / "out" / "checkpoint-2" / "added_tokens.json"
    edit(path, lambda t: t | {"<e_0>": t["<e_1>"], "<e_1>": t["<e_0>"]})


def train(here: Path, change: Callable[[list[Any]], Any]) -> None:
    edit(here / "data" / "train.json", change)


def contradicted(items: list[Any]) -> list[Any]:
    other = "<e_1></a>" if not items[0]["target_text"].endswith("<e_1></a>") else "<e_2></a>"
    return [*items, items[0] | {"target_text": items[0]["input_text"] + other}]


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "half a file": (cut_off, r"checkpoint-1/model.safetensors is not a whole safetensors file"),
    "half a download": (
        lambda h: (h / "out/checkpoint-1/model.safetensors").rename(
            h / "out/checkpoint-1/model.safetensors.incomplete"
        ),
        r"checkpoint-1 holds half a download",
    ),
    "a hole": (lambda h: (h / "out/checkpoint-1/model.safetensors").unlink(), "holds no weights"),
    "git-lfs": (pointer, r"is a git-lfs pointer"),
    "a pickle that runs code": (malicious, r"opening it could run code"),
    "a pickle": (only_pickle, r"only pickles"),
    "no config": (lambda h: (h / "out/checkpoint-0/config.json").unlink(), r"no config.json"),
    "more layers": (lambda h: configs(h, n_layer=2), r"lacks h\.1\..*different models"),
    "wider": (lambda h: configs(h, n_embd=64), r"shape \(.*where config.json asks for"),
    "huge": (lambda h: configs(h, n_embd=4 * 10**12), r"where config.json asks for"),
    "no number": (lambda h: configs(h, n_layer="two"), r"n_layers = 'two' is not a whole number"),
    "another model at one step": (
        lambda h: edit(h / "out/checkpoint-2/config.json", lambda t: t | {"n_head": 2}),
        r"the configuration of step 2 is not that of step 0",
    ),
    "a variant": (lambda h: configs(h, share_mlp=True), r"GPT-2's share_mlp is not supported"),
    "two architectures": (lambda h: configs(h, model_type="mamba"), r"it says 'mamba'"),
    "an unknown architecture": (
        lambda h: configs(h, model_type="mystery", architectures=["MysteryForCausalLM"]),
        r"'MysteryForCausalLM' .* has no bridge; supported are GPT2LMHeadModel",
    ),
    "a further tensor": (
        lambda h: spoil_weights(h, lambda s: s.update({"h.0.memory": torch.zeros(2)})),
        r"holds h.0.memory, which a GPT-2 of this config.json does not have",
    ),
    "not finite": (
        lambda h: spoil_weights(h, lambda s: s["transformer.h.0.ln_1.bias"].fill_(torch.nan)),
        r"checkpoint-1.*not finite",
    ),
    "tokens missing": (other_names, r"25 of the 25 names are not one token each"),
    "tokens of one step": (swapped_names, r"the tokenizer of step 2 gives names other rows"),
    "no tokenizer": (no_tokenizer, r"has no tokenizer"),
    "vocab.json of other data": (
        lambda h: edit(h / "data/vocab.json", lambda v: v[2:]),
        r"vocab.json lacks 2 of the 19 tokens of the questions, <e_0> first",
    ),
    "one step": (one_step, r"is one checkpoint and not a series"),
    "no data": (lambda h: (h / "data/test.json").unlink(), r"there is no .*test.json"),
    "half a data file": (
        lambda h: (h / "data/train.json").write_text((h / "data/train.json").read_text()[:-40]),
        r"train.json is not JSON",
    ),
    "another form": (lambda h: train(h, lambda i: [*i, {"a": 1}]), r"item \d+ is not a question"),
    "facts that contradict": (lambda h: train(h, contradicted), r"item \d+ says .* but .* item 1 "),
    "a fact missing": (lambda h: train(h, lambda i: i[1:]), r"does not follow from the facts"),
    "no questions": (lambda h: train(h, lambda i: i[:42]), r"holds facts only"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SPOILT)
def test_it_is_refused_and_nothing_is_left(
    kind: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here)
    spoil, sentence = SPOILT[kind]
    spoil(here)
    before = sorted(here.iterdir())
    with pytest.raises(HopscopeError, match=sentence) as caught:
        import_series(here / "out", here / "run", data=here / "data")
    assert "\n" not in str(caught.value)
    assert sorted(here.iterdir()) == before, "something is left"


def test_a_full_disk_is_noticed_beforehand(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(here)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=2**26 + 1000))
    with pytest.raises(HopscopeError, match=r"3 checkpoints need .* free some, or .*--link"):
        import_series(here / "out", here / "run", data=here / "data")
    run = import_series(here / "out", here / "run", data=here / "data", link=True)
    assert run.steps == [0, 1, 2]


def test_a_folder_that_is_not_empty_is_left_alone(here: Path) -> None:
    (here / "run").mkdir()
    (here / "run" / "mine.txt").write_text("mine")
    with pytest.raises(HopscopeError, match="exists and is not empty"):
        import_series(here / "out", here / "run", data=here / "data")
    assert (here / "run" / "mine.txt").read_text() == "mine"


def test_a_run_of_ours_is_not_imported(here: Path) -> None:
    with pytest.raises(HopscopeError, match="is a run already"):
        import_series("assets/demo", here / "run", data=here / "data")


def _import_and_rest(here: Path, begun: Any) -> None:
    """Import, but stay at the first checkpoint."""

    def rest(done: int, of: int) -> None:
        begun.set()
        time.sleep(60)

    import_series(here / "out", here / "run", data=here / "data", progress=rest)


def test_a_killed_import_leaves_nothing_that_opens_and_the_next_one_works(here: Path) -> None:
    begun = _CONTEXT.Event()
    child = _CONTEXT.Process(target=_import_and_rest, args=(here, begun), daemon=True)
    child.start()
    assert begun.wait(60)
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    left = [path for path in here.iterdir() if path.name not in ("out", "data")]
    assert [path.name for path in left] == [".run.importing"]
    with pytest.raises(HopscopeError, match="half-written"):
        open_run(left[0])
    assert import_series(here / "out", here / "run", data=here / "data").steps == [0, 1, 2]
    assert sorted(path.name for path in here.iterdir()) == ["data", "out", "run"]
