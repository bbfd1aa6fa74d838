"""A GPT-NeoX series with a tokenizer of its own goes from `hopscope import` to the pages."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
import torch
from hf_series import tiny_corpus, write_questions, write_series
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from analyses import analyze
from analyses.figures.run_figures import run_figures
from app.cli.main import cli
from app.shell import folders
from circuits import HopscopeError, Run, open_run
from circuits.series import find_series
from circuits.series.importing import import_series

SPLITS = ("train_inferred", "id_test")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    write_series(folder / "steps", tiny_corpus(), "neox", steps=(0, 40, 200), words=True)
    write_questions(folder / "questions.csv", tiny_corpus(), SPLITS)
    return folder


@pytest.fixture(scope="module")
def imported(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "neox"
    said = CliRunner().invoke(
        cli,
        ["import", str(source / "steps"), "--out", str(out),
         "--questions", str(source / "questions.csv")],
    )  # fmt: skip
    assert said.exit_code == 0, said.output
    return open_run(out)


def test_accuracies_are_those_of_transformers_under_its_own_tokens(
    source: Path, imported: Run
) -> None:
    import transformers

    folder = source / "steps/checkpoint-200"
    model = transformers.GPTNeoXForCausalLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    queries = imported.queries("train_inferred")
    texts = [[imported.vocab.name(int(i)) for i in row] for row in queries.token_ids]
    ids = torch.tensor([tokenizer.convert_tokens_to_ids(text) for text in texts])
    with torch.no_grad():
        top = model(ids).logits[:, -1].argmax(-1)
    answers = [imported.vocab.name(int(i)) for i in queries.answer_ids]
    right = np.mean(
        [tokenizer.convert_ids_to_tokens(int(t)) == a for t, a in zip(top, answers, strict=True)]
    )
    rows = imported.metrics().set_index("step")
    assert np.isclose(rows["accuracy/train_inferred"].loc[200], right)
    assert right > rows["accuracy/train_inferred"].loc[0] + 0.2
    assert imported.steps == [0, 40, 200]


def test_lens_and_bridge_patching_run_over_all_steps(imported: Run) -> None:
    options: dict[str, Any] = {"examples": 20, "splits": ["train_inferred"], "progress": False}
    lens = analyze(imported, "logit_lens", **options)
    at_end = (lens.rank_example.sel(target="answer", layer=2, position="relation_2") == 0).mean(
        "example"
    )
    known = imported.metrics().set_index("step")["accuracy/train_inferred"]
    assert np.allclose(at_end.squeeze("split"), known, atol=0.25)  # 20 questions of all
    swaps = analyze(imported, "bridge_patching", **options)
    assert swaps.sizes["step"] == 3
    assert imported.damaged_steps() == []


def test_the_formation_page_draws_the_imported_bridge(
    imported: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("logit_lens", "causal_tracing", "bridge_patching"):
        analyze(imported, name, progress=False)
    monkeypatch.setenv(folders.ENVIRONMENT, str(imported.path.parent))
    monkeypatch.setattr(folders, "DEMOS", ())
    st.cache_resource.clear()
    for page in ("formation", "lab", "question"):
        shown = AppTest.from_string(
            f"from app.views.{page} import page\npage()", default_timeout=60
        )
        shown.query_params["run"] = "neox"
        shown.run()
        assert not shown.exception, page
    drawn = run_figures(imported)
    assert any(figure.analysis == "bridge_patching" for figure in drawn.values())


def test_linked_weights_are_read_where_they_are(source: Path, tmp_path: Path) -> None:
    steps = shutil.copytree(source / "steps", tmp_path / "steps")
    run = import_series(steps, tmp_path / "run", questions=source / "questions.csv", link=True)
    assert not list((run.path / "checkpoints").glob("*"))
    assert run.model(200).cfg.parallel_attn_mlp
    shutil.copyfile(
        steps / "checkpoint-0/model.safetensors", steps / "checkpoint-200/model.safetensors"
    )
    with pytest.raises(HopscopeError, match="not those that were imported"):
        run.model(200)
    assert run.damaged_steps() == [200]


def test_a_stored_bridge_that_was_changed_is_refused(imported: Run, tmp_path: Path) -> None:
    run = open_run(shutil.copytree(imported.path, tmp_path / "run"))
    found = find_series(run.path)
    assert list(found.steps) == run.steps
    shutil.rmtree(found.steps[40].folder)
    with pytest.raises(HopscopeError, match="no whole checkpoint of step 40"):
        run.model(20)
    assert run.damaged_steps() == [40]


def test_what_cannot_be_imported_as_a_bridge_is_refused(source: Path, tmp_path: Path) -> None:
    steps = shutil.copytree(source / "steps", tmp_path / "steps")
    questions = source / "questions.csv"
    with pytest.raises(HopscopeError, match="--cut-vocab"):
        import_series(steps, tmp_path / "run", questions=questions, cut_vocab=True)
    config = steps / "checkpoint-40/config.json"
    config.write_text(config.read_text().replace('"hidden_act": "gelu"', '"hidden_act": "relu"'))
    with pytest.raises(HopscopeError, match="configuration of step 40"):
        import_series(steps, tmp_path / "run", questions=questions)
    for path in steps.glob("*/config.json"):
        path.write_text(path.read_text().replace("GPTNeoXForCausalLM", "MysteryForCausalLM"))
    with pytest.raises(HopscopeError, match="supported are GPT2LMHeadModel and GPTNeoX"):
        import_series(steps, tmp_path / "run", questions=questions)
    assert not (tmp_path / "run").exists()
