"""What may be given as prompts, and the sentence for what may not, at every entry point."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from hand_wired import random_corpus
from slow_patching import last_logit, model_with, prompts

from circuits.errors import HopscopeError
from circuits.model.hook_free import fast_logits
from circuits.model.transformer import HookedTransformer
from circuits.patching import Patch, patch_grid, run_patched

CORPUS = random_corpus(20, 4)
QUERIES = CORPUS.queries("train_inferred")


def query_model() -> HookedTransformer:
    return model_with(d_vocab=len(CORPUS.vocab), n_ctx=3)


def test_arrays_lists_and_queries_are_the_tokens_they_hold() -> None:
    model, three = query_model(), QUERIES[:3]
    expected = run_patched(model, three.tokens, [])
    table = three.token_ids
    for given in (
        three,
        [three[0], three[1], three[2]],
        list(three),
        table,
        table.astype(np.uint8),
        table.astype(np.uint32),
        table[::-1][::-1],
        table.tolist(),
        tuple(map(tuple, table.tolist())),
        list(three.tokens),
        three.tokens.to(torch.int16),
    ):
        assert torch.equal(run_patched(model, given, []), expected)
    torch.testing.assert_close(run_patched(model, three[0], []), expected[:1])


def test_a_grid_takes_arrays_and_names_the_positions_of_questions() -> None:
    model = query_model()
    clean, corrupted = QUERIES[:3], QUERIES[3:6]
    expected = patch_grid(model, clean, corrupted, metric=last_logit)
    names = ["subject", "relation_1", "relation_2"]
    assert expected.position.values.tolist() == names
    by_array = patch_grid(model, clean.token_ids, corrupted.token_ids.tolist(), metric=last_logit)
    np.testing.assert_array_equal(by_array, expected)
    assert by_array.position.values.tolist() == [0, 1, 2]
    for one in (clean[0], [clean[0]]):
        grid = patch_grid(model, one, corrupted[:1], metric=last_logit)
        assert grid.position.values.tolist() == names
        np.testing.assert_allclose(grid, expected[..., :1], rtol=1e-5, atol=1e-6)
    grid = patch_grid(model, clean, list(corrupted), metric=last_logit)
    assert grid.position.values.tolist() == names


BAD: dict[str, tuple[Any, str]] = {
    "too long": (torch.zeros(2, 5, dtype=torch.long), "5 tokens are longer than the model's n_ctx"),
    "beyond the vocabulary": (torch.tensor([[0, 13, 1]]), "token id 13 is outside the vocabulary"),
    "negative": (np.array([[0, -1, 1]]), "token id -1 is outside the vocabulary"),
    "floats": (torch.zeros(2, 3), "float32 are not token ids"),
    "three axes": (torch.zeros(1, 2, 3, dtype=torch.long), "shape [1, 2, 3] cannot be read"),
    "text": ("Lyon country", "'Lyon country' cannot be read as tokens"),
    "uneven lists": ([[0, 1], [0, 1, 2]], "rows of equal length"),
}


@pytest.mark.parametrize("name", BAD)
def test_prompts_that_cannot_be_run_are_refused_in_one_sentence_everywhere(name: str) -> None:
    model, (good, _) = model_with(), prompts()
    bad, message = BAD[name]
    for compute in (
        lambda: model(bad),
        lambda: run_patched(model, bad, []),
        lambda: run_patched(model, good, Patch("z", 0, 0), bad),
        lambda: patch_grid(model, bad, good),
        lambda: patch_grid(model, good, bad),
    ):
        with pytest.raises(HopscopeError, match=re.escape(message)):
            compute()


@pytest.mark.parametrize("name", [name for name, (bad, _) in BAD.items() if torch.is_tensor(bad)])
def test_the_hook_free_path_refuses_the_same_tokens(name: str) -> None:
    bad, message = BAD[name]
    with pytest.raises(HopscopeError, match=re.escape(message)):
        fast_logits(model_with(), bad)


def test_no_prompts_are_refused_by_patching() -> None:
    model, none = model_with(), torch.zeros(0, 3, dtype=torch.long)
    for compute in (lambda: run_patched(model, none, []), lambda: patch_grid(model, none, none)):
        with pytest.raises(HopscopeError, match="there are no prompts"):
            compute()


def test_a_mean_is_over_any_number_of_other_prompts() -> None:
    model, (tokens, _) = model_with(), prompts(n=4)
    others = torch.cat(prompts(n=50, seed=5))
    _, cache = model.run_with_cache(others)
    mean = cache["blocks.0.hook_mlp_out"].mean(0)

    def ablated(x: torch.Tensor, hook: object) -> torch.Tensor:
        x = x.clone()
        x[:, 1] = mean[1]
        return x

    expected = model.run_with_hooks(tokens, fwd_hooks=[("blocks.0.hook_mlp_out", ablated)])
    patch = Patch("mlp_out", 0, 1, source="mean")
    found = run_patched(model, tokens, patch, source=others)
    torch.testing.assert_close(found, expected[:, -1], atol=1e-5, rtol=1e-5)
    fewer = run_patched(model, tokens, Patch("pattern", 1, 2, source="mean"), source=others[:1])
    assert fewer.shape == found.shape


def test_only_a_mean_needs_no_pairing_and_never_other_lengths() -> None:
    model, (tokens, _) = model_with(), prompts(n=4)
    mean, cache = Patch("z", 0, 0, source="mean"), Patch("z", 1, 0)
    with pytest.raises(HopscopeError, match="do not pair up"):
        run_patched(model, tokens, [mean, cache], source=prompts(n=5)[0])
    with pytest.raises(HopscopeError, match="have 2 positions, the prompts 3"):
        run_patched(model, tokens, mean, source=tokens[:, :2])
    with pytest.raises(HopscopeError, match="need prompts to take activations from"):
        run_patched(model, tokens, mean)


def test_heads_of_a_component_without_heads_are_refused() -> None:
    model, (clean, corrupted) = model_with(), prompts()
    for heads in ([0], 0):
        with pytest.raises(HopscopeError, match="component 'mlp_out' has no heads"):
            patch_grid(model, clean, corrupted, "mlp_out", heads=heads)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"layers": []}, "layers = [] names nothing"),
        ({"heads": ()}, "heads = () names nothing"),
        ({"positions": [True, False, True]}, "are not whole numbers"),
        ({"positions": np.array([True, False])}, "are not whole numbers"),
        ({"positions": torch.tensor([True, False])}, "are not whole numbers"),
        ({"layers": [1.5]}, "are not whole numbers"),
        ({"positions": "subject"}, "are not whole numbers"),
        ({"positions": [0, -3]}, "[0, 0] names a part of the grid twice"),
        ({"positions": 3}, "position 3 does not exist; allowed: 0 to 2"),
        ({"heads": -4}, "head -4 does not exist; allowed: 0 to 2"),
    ],
)
def test_a_part_of_a_grid_is_named_by_whole_numbers(chosen: dict, message: str) -> None:
    model, (clean, corrupted) = model_with(), prompts()
    with pytest.raises(HopscopeError, match=re.escape(message)):
        patch_grid(model, clean, corrupted, "z", last_logit, **chosen)


def test_one_layer_or_position_of_a_grid_needs_no_brackets() -> None:
    model, (clean, corrupted) = model_with(), prompts()
    whole = patch_grid(model, clean, corrupted, "z", last_logit)
    part = patch_grid(
        model, clean, corrupted, "z", last_logit, layers=-1, positions=0, heads=range(2)
    )
    assert part.shape == (1, 1, 2, 9)
    np.testing.assert_allclose(part, whole[[2], [0], :2], rtol=1e-5, atol=1e-6)
