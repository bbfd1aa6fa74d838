"""Patchscopes: what the wired model says of its states, and transformers run by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers
from asked_series import tokenizer, write_questions, write_series
from hand_wired import hand_wired

from analyses.catalog import CATALOG
from analyses.latent.patchscopes import TargetPrompt, _read, decoded
from analyses.over_training.first_usable import first_usable
from analyses.questions.examples import draw_examples
from analyses.walk import analyze
from circuits import Run
from circuits.errors import HopscopeError
from circuits.patching.engines import engine_for, traced
from circuits.pretrained.importing import import_pretrained

ENTRY = CATALOG["patchscopes"]
PROMPT = "The country of Lyon is\nThe country of ? is"


@pytest.fixture(scope="module", params=["gpt2", "neox"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One checkpoint that is asked in sentences; its series is in `steps` beside it."""
    folder: Path = tmp_path_factory.mktemp("said")
    series = write_series(folder / "steps", request.param, (3, 4))
    return import_pretrained(series, folder / "run", write_questions(folder / "asked.csv"))


def test_the_wired_model_says_the_bridge_of_states_behind_its_first_hop_and_of_no_other() -> None:
    wired = hand_wired(12, 5, n_layers=3, first_hop=1, second_hop=2)
    queries = draw_examples(wired.corpus, "id_test", 20).queries
    engine = engine_for(wired.model)
    # the state stands at the end of a prompt of other names, and is read by the unembedding
    target = TargetPrompt((0, 1, wired.corpus.vocab.first_relation), 2)
    top = [
        _read(engine, traced(engine, queries), target, layer, 3).argmax(-1) for layer in range(4)
    ]
    said = torch.stack([found[:, 1] == queries.bridge for found in top], 1).double().mean(0)
    assert said.tolist()[2:] == [1, 1]
    assert max(said.tolist()[:2]) < 0.5


@pytest.mark.parametrize("into", [None, 1])
def test_a_loop_of_hooked_passes_of_transformers_gives_the_same_ranks(
    run: Run, into: int | None
) -> None:
    examples = draw_examples(run.corpus, "asked", 5)
    options = ENTRY.options({"prompt": PROMPT, "into": into, "generate": 2})
    found = ENTRY.run(run.model(4), examples, options)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        run.path.parent / "steps" / "checkpoint-4", attn_implementation="eager"
    )
    words, queries = tokenizer(), examples.queries
    target = words(PROMPT, return_tensors="pt")["input_ids"]
    column = words.convert_ids_to_tokens(target[0].tolist()).index("?")
    for i, query in enumerate(queries):
        states = theirs(torch.tensor([query.tokens]), output_hidden_states=True).hidden_states
        wanted = {"bridge": int(queries.bridge[i]), "answer": int(queries.answer[i])}
        for layer in (0, 1):  # the last of transformers' states is behind the final norm
            for p, at in enumerate(queries.role_columns[i].tolist()):
                logits = _written(theirs, target, column, states[layer][0, at], into or layer)
                for name, token in wanted.items():
                    rank = int((logits >= logits[token]).sum()) - 1
                    cell = found.rank_example[i].sel(target=name, layer=layer)[p]
                    assert abs(int(cell) - rank) <= 1  # near ties
    assert found.named.sel(target=["bridge", "answer"]).notnull().all()
    engine = engine_for(run.model(4))
    there = TargetPrompt(tuple(target[0].tolist()), column)
    given = traced(engine, queries).resid[1][:, 0]
    said = decoded(engine, given, there, queries, 1, options)[0]
    row = target
    for _ in range(2):
        chosen = _written(theirs, row, column, given[0], into or 1).argmax()
        row = torch.cat([row, chosen[None, None]], 1)
    assert said == words.decode(row[0, target.shape[1] :]).strip()


def test_the_first_layer_is_looked_for_where_the_mention_ends(run: Run) -> None:
    found = analyze(run, "patchscopes", steps=[4], progress=False, prompt=PROMPT)
    columns = found.column_example.sel(split="asked").values
    assert set(map(tuple, columns.argsort(1).tolist())) == {(2, 1, 0, 3), (1, 0, 2, 3)}
    order = first_usable(found)
    assert order.attrs["lens"] == "patchscopes"
    assert float(order.order_share.sum()) == pytest.approx(1, abs=1e-5)
    at_subject = found.copy(deep=True)  # as if the bridge were read there, and nowhere else
    at_subject.rank_example[:] = 9
    at_subject.rank_example.loc[{"target": "bridge", "layer": 1, "position": "subject"}] = 0
    assert first_usable(at_subject).decoded.sel(name="bridge").item() == 1
    at_subject.rank_example.loc[{"position": "subject"}] = 9
    at_subject.rank_example.loc[{"target": "bridge", "layer": 1, "position": "relation_1"}] = 0
    assert first_usable(at_subject).decoded.sel(name="bridge").item() == 0


def test_a_prompt_that_cannot_be_used_and_a_run_without_words_are_refused(run: Run) -> None:
    examples = draw_examples(run.corpus, "asked", 5)
    for prompt, why in (("no place", "has no placeholder"), ("so " * 80 + "?", "shorter")):
        with pytest.raises(HopscopeError, match=why):
            ENTRY.run(run.model(4), examples, ENTRY.options({"prompt": prompt}))
    with pytest.raises(HopscopeError, match="questions in words"):
        analyze("assets/demo", "patchscopes", progress=False)


@torch.no_grad()
def _written(model, target, column: int, state, layer: int):
    """Logits behind the prompt with one state written into the input of a block."""
    blocks = model.transformer.h if hasattr(model, "transformer") else model.gpt_neox.layers

    def write(module, args, kwargs):
        hidden = args[0].clone()
        hidden[:, column] = state
        return (hidden, *args[1:]), kwargs

    handle = blocks[layer].register_forward_pre_hook(write, with_kwargs=True)
    try:
        return model(target).logits[0, -1]
    finally:
        handle.remove()
