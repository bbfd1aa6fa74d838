"""Series of others become runs: what is recovered, how weights are converted, what is measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from grokked_folders import comparison_data, composition_data, grokked_series
from transformers import GPT2LMHeadModel

from circuits.errors import HopscopeError
from circuits.model.gpt2 import export_gpt2
from circuits.runs.run import Run, open_run
from circuits.series.converting import Conversion
from circuits.series.importing import import_series


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A composition series in `out` with its `data`, imported as `run`."""
    folder = tmp_path_factory.mktemp("composition")
    data = composition_data(folder / "data")
    grokked_series(folder / "out", data)
    import_series(folder / "out", folder / "run", data=data)
    return folder


def theirs(here: Path, step: int) -> GPT2LMHeadModel:
    return GPT2LMHeadModel.from_pretrained(here / "out" / f"checkpoint-{step}").eval()


def order(run: Run) -> torch.Tensor:
    """Their row of each of our tokens."""
    return Conversion.from_json(run.manifest["imported"]["conversion"], run.model().cfg).order


def test_an_imported_model_computes_what_theirs_does(here: Path) -> None:
    run = open_run(here / "run")
    rows = order(run)
    assert run.steps == [0, 30, 60]
    for step in run.steps:
        for split in ("train_inferred", "atomic_id"):
            tokens = run.queries(split).tokens
            expected = theirs(here, step)(rows[tokens]).logits[..., rows]
            assert (run.model(step)(tokens) - expected).abs().max() < 1e-5


def test_each_token_of_ours_is_written_as_theirs(here: Path) -> None:
    run = open_run(here / "run")
    added = json.loads((here / "out" / "checkpoint-0" / "added_tokens.json").read_text())
    query = run.queries("id_test")[0]
    names = [f"<{run.vocab.name(token)}>" for token in (*query.tokens, query.answer)]
    ids = [int(order(run)[token]) for token in (*query.tokens, query.answer)]
    assert ids == [added[name] for name in names]
    item = {"input_text": "".join(names[:-1]), "target_text": "".join(names) + "</a>"}
    tests = json.loads((here / "data" / "test.json").read_text())
    assert item | {"type": "test_inferred_iid"} in tests


def test_facts_are_id_if_a_trained_composition_has_them(here: Path) -> None:
    """As the published tracing script recovers them, restated item by item."""
    atomic, used = {}, set()
    items = json.loads((here / "data" / "train.json").read_text())
    split = [item["target_text"].strip("><").split("><") for item in items]
    for h, r, t in (tokens[:3] for tokens in split if len(tokens) == 4):
        atomic[h, r] = t
    for h, r1, r2, t in (tokens[:4] for tokens in split if len(tokens) == 5):
        used |= {(h, r1, atomic[h, r1]), (atomic[h, r1], r2, t)}
    corpus = open_run(here / "run").corpus
    graph = corpus.graph
    found = {
        (graph.entities[s], graph.relations[r], graph.entities[o])
        for s, r, o in graph.facts[corpus.in_distribution].tolist()
    }
    assert found == used
    assert len(graph) == len(atomic)
    assert len(corpus.queries("train_inferred")) == sum(len(tokens) == 5 for tokens in split)


def test_accuracies_are_measured_at_import(here: Path) -> None:
    run = open_run(here / "run")
    rows, queries = order(run), run.queries("train_inferred")
    for row in run.rows():
        logits = theirs(here, row["step"])(rows[queries.tokens]).logits[:, -1]
        right = (logits.argmax(-1) == rows[queries.answer]).float().mean()
        assert row["accuracy/train_inferred"] == pytest.approx(float(right))
        loss = torch.nn.functional.cross_entropy(logits, rows[queries.answer])
        assert row["loss/train_inferred"] == pytest.approx(loss.item(), rel=1e-4)
    assert run.rows()[-1]["accuracy/train_inferred"] > run.rows()[0]["accuracy/train_inferred"]


def test_a_cut_vocabulary_leaves_the_other_logits_as_they_are(here: Path, tmp_path: Path) -> None:
    whole = open_run(here / "run")
    cut = import_series(here / "out", tmp_path / "cut", data=here / "data", cut_vocab=True)
    tokens = cut.queries("id_test").tokens
    assert cut.model().cfg.d_vocab == 25 < whole.model().cfg.d_vocab == 96
    assert torch.equal(cut.model()(tokens), whole.model()(tokens)[..., :25])


def test_import_and_export_give_back_the_same_logits(here: Path, tmp_path: Path) -> None:
    run = open_run(here / "run")
    export_gpt2(run.model(30), tmp_path / "gpt2")
    tokens, rows = run.queries("id_test").tokens, order(run)
    again = GPT2LMHeadModel.from_pretrained(tmp_path / "gpt2").eval()
    assert torch.equal(again(tokens).logits, theirs(here, 30)(rows[tokens]).logits[..., rows])


def test_linked_weights_are_read_where_they_lie(here: Path, tmp_path: Path) -> None:
    shutil.copytree(here / "out", tmp_path / "out")
    run = import_series(tmp_path / "out", tmp_path / "run", data=here / "data", link=True)
    own = open_run(here / "run")
    assert not list(run.path.glob("**/step_*"))
    tokens = run.queries("id_test").tokens
    assert torch.equal(run.model(30)(tokens), own.model(30)(tokens))
    assert run.rows() == own.rows()
    assert run.damaged_steps() == []
    weights = tmp_path / "out" / "checkpoint-30" / "model.safetensors"
    weights.write_bytes((here / "out" / "checkpoint-60" / "model.safetensors").read_bytes())
    assert run.damaged_steps() == [30]
    with pytest.raises(HopscopeError, match=r"step 30 .* are not those that were imported"):
        run.model(30)
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(HopscopeError, match="which is not there"):
        run.model(60)


def test_weights_of_an_older_torch_save_give_the_same_run(here: Path, tmp_path: Path) -> None:
    for step in (0, 30, 60):
        folder = tmp_path / "out" / f"checkpoint-{step}"
        shutil.copytree(here / "out" / folder.name, folder)
        (folder / "model.safetensors").unlink()
        state = theirs(here, step).state_dict()
        state["transformer.h.0.attn.bias"] = torch.ones(1, 1, 16, 16, dtype=torch.bool)
        torch.save(state, folder / "pytorch_model.bin")
    run = import_series(tmp_path / "out", tmp_path / "run", data=here / "data")
    assert run.manifest["checkpoints"] == open_run(here / "run").manifest["checkpoints"]


def test_comparisons_keep_their_marks(tmp_path: Path) -> None:
    data = comparison_data(tmp_path / "data")
    model = grokked_series(tmp_path / "out", data, (0, 10), n_layer=1)
    run = import_series(tmp_path / "out", tmp_path / "run", data=data)
    queries, rows = run.queries("id_test"), order(run)
    assert queries.positions == ("attribute", "query_mark", "entity_1", "mask", "entity_2")
    assert (
        run.model()(queries.tokens) - model(rows[queries.tokens]).logits[..., rows]
    ).abs().max() < 1e-5
    query = queries[0]
    attribute, _, first, _, second = (run.vocab.name(token) for token in query.tokens)
    v, w = (int(run.vocab.name(value)) for value in query.bridges)
    order_of = "<" if v < w else "=" if v == w else ">"
    assert query.text == f"{attribute}: {first} [{v}] ? {second} [{w}] -> {attribute} {order_of}"
    asked = f"<{attribute}><q><{first}><mask><{second}>"
    label = f"{attribute}_{'<=>'.index(order_of)}"
    tests = json.loads((data / "test.json").read_text())
    assert {
        "input_text": asked,
        "target_text": f"{asked}<{label}></a>",
        "type": "test_inferred_iid",
    } in tests
    assert run.baselines["id_test"]["majority"] > 0


def test_blocks_that_the_fork_runs_twice_are_run_twice_here(here: Path, tmp_path: Path) -> None:
    shutil.copytree(here / "out", tmp_path / "out")
    for config in tmp_path.glob("out/*/config.json"):
        config.write_text(json.dumps(json.loads(config.read_text()) | {"add_recurrence": True}))
    run = import_series(tmp_path / "out", tmp_path / "run", data=here / "data")
    model = theirs(here, 60)
    tokens = run.queries("id_test").tokens
    rows = order(run)
    states = model.transformer.wte(rows[tokens]) + model.transformer.wpe.weight[:3]
    for block in (*model.transformer.h, *model.transformer.h):
        states = block(states)
        states = states[0] if isinstance(states, tuple) else states
    logits = model.lm_head(model.transformer.ln_f(states))[..., rows]
    assert (run.model()(tokens) - logits).abs().max() < 1e-4
