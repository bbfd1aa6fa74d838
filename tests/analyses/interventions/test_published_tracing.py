"""Ours and the published tracing agree example by example on imported series of theirs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from grokked_folders import comparison_data, composition_data, grokked_series
from published_tracing import answer_rank_after, rank, states
from transformers import GPT2LMHeadModel

from analyses.catalog import CATALOG
from analyses.questions.comparison_corruptions import corruptions
from analyses.questions.corruptions import draw_corruptions
from analyses.questions.examples import draw_examples
from circuits.corpus.role_names import name_columns
from circuits.runs.run import Run
from circuits.series.converting import Conversion
from circuits.series.importing import import_series

STEPS = (0, 25, 50)
N = 10


def imported(folder: Path, data: Callable[[Path], Path]) -> Run:
    grokked_series(folder / "out", data(folder / "data"), STEPS)
    return import_series(folder / "out", folder / "run", data=folder / "data")


def theirs(run: Run, step: int) -> tuple[GPT2LMHeadModel, list[int]]:
    """Their model, and their row of each token of ours."""
    folder = run.path.parent / "out" / f"checkpoint-{step}"
    how = Conversion.from_json(run.manifest["imported"]["conversion"], run.model().cfg)
    return GPT2LMHeadModel.from_pretrained(folder).eval(), how.order.tolist()


@pytest.fixture(scope="module")
def composition(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return imported(tmp_path_factory.mktemp("composition"), composition_data)


@pytest.mark.parametrize("step", STEPS)
def test_every_lens_rank_of_a_composition_agrees(composition: Run, step: int) -> None:
    model, row = theirs(composition, step)
    examples = draw_examples(composition.corpus, "train_inferred", N)
    lens = CATALOG["logit_lens"]
    found = lens.run(composition.model(step), examples, lens.options({}))
    for i, query in enumerate(examples.queries):
        residual = states(model, [row[t] for t in query.tokens])
        for target, token, p in (("bridge", query.bridge, 1), ("relation_2", query.tokens[2], 2)):
            ours = found.rank_example.sel(target=target).isel(example=i, position=p)
            for layer in (1, 2):  # at layer 0 the whole state is one token's
                assert ours.sel(layer=layer) == rank(model, residual[layer][p], row[token])


@pytest.mark.parametrize("step", STEPS)
def test_every_flip_of_a_composition_agrees(composition: Run, step: int) -> None:
    model, row = theirs(composition, step)
    corpus, examples = composition.corpus, draw_examples(composition.corpus, "train_inferred", N)
    tracing = CATALOG["causal_tracing"]
    options = tracing.options({"reference": True, "denoise": False})
    flips = tracing.run(composition.model(step), examples, options).flip_example.values
    compared = 0
    for p in range(3):
        drawn = draw_corruptions(
            examples.queries, corpus.graph, corpus.in_distribution, p, draws=1, reference=True,
            seed=options.seed,
        )  # fmt: skip
        for i, query in enumerate(examples.queries):
            if not drawn.valid[0, i]:
                continue
            clean = [row[t] for t in query.tokens]
            corrupted = [*clean[:p], row[drawn.tokens[0, i]], *clean[p + 1 :]]
            for layer in range(3):
                place = answer_rank_after(model, clean, corrupted, layer, [p], row[query.answer])
                assert flips[i, layer, p] == (place != 0), (i, layer, p)
                compared += 1
    assert compared > 70


def test_every_flip_and_rank_of_a_comparison_agrees(tmp_path: Path) -> None:
    """The mark after a name is written together with it."""
    run = imported(tmp_path, comparison_data)
    model, row = theirs(run, 50)
    examples = draw_examples(run.corpus, "train_inferred", 8)
    tracing, lens = CATALOG["comparison_tracing"], CATALOG["comparison_lens"]
    options = tracing.options({"n_corruptions": 1})
    found = tracing.run(run.model(), examples, options)
    ranks = lens.run(run.model(), examples, lens.options({})).rank_example
    tokens, valid = corruptions(examples, 1, options.seed)
    columns = name_columns("comparison", 5)
    for i, query in enumerate(examples.queries):
        clean = [row[t] for t in query.tokens]
        for name, (p, end) in enumerate(pairwise([*columns, 5])):
            if not valid[name, 0, i]:
                continue
            corrupted = [row[t] for t in tokens[name, 0, i].tolist()]
            for layer in range(3):
                at = list(range(p, end))
                place = answer_rank_after(model, clean, corrupted, layer, at, row[query.answer])
                assert found.flip_example.values[i, layer, p] == (place != 0)
        residual = states(model, clean)
        for value, p in zip(query.bridges, (2, 4), strict=True):
            ours = ranks.sel(target="value_1" if p == 2 else "value_2").isel(example=i, position=p)
            assert ours.sel(layer=1) == rank(model, residual[1][p], row[value])
    assert found.flip_example.isel(position=[1, 3]).isnull().all()
    assert torch.isfinite(torch.tensor(found.strength.isel(position=[0, 2, 4]).values)).all()
