"""Tokens as users give them: what is taken, and the sentence for what is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from circuits.corpus.queries import Queries
from circuits.corpus.vocab import Vocab
from circuits.errors import HopscopeError
from circuits.model.config import ModelConfig
from circuits.model.inputs import check_tokens

CFG = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
IDS = [[1, 2, 3], [4, 5, 6]]
ARRAY = np.array(IDS)


def _queries() -> Queries:
    vocab = Vocab.__new__(Vocab)
    return Queries("composition", vocab, ARRAY, ARRAY[:, :1], ARRAY[:, 0])


@pytest.mark.parametrize(
    "given",
    [
        IDS,
        tuple(map(tuple, IDS)),
        ARRAY,
        ARRAY.astype(np.uint16),
        ARRAY.astype(">i4"),
        ARRAY[::-1][::-1, ::-1][:, ::-1],
        np.broadcast_to(ARRAY, (2, 3)),
        torch.tensor(IDS),
        torch.tensor(IDS, dtype=torch.uint8),
        torch.tensor(IDS, dtype=torch.int32),
        [torch.tensor(row) for row in IDS],
        _queries(),
        list(_queries()),
    ],
    ids=lambda given: type(given).__name__,
)
def test_every_form_of_token_ids_becomes_the_same_tensor(given):
    tokens = check_tokens(CFG, given, "cpu")
    assert tokens.dtype == torch.int64
    assert tokens.tolist() == IDS


@pytest.mark.parametrize("given", [IDS[0], torch.tensor(IDS[0]), _queries()[0]])
def test_one_sequence_is_a_batch_of_one(given):
    assert check_tokens(CFG, given, "cpu").tolist() == IDS[:1]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([[1, 2, 3, 4]], "4 tokens are longer than the model's n_ctx = 3"),
        ([[1, 10]], "token id 10 is outside the vocabulary; ids are 0 to 9"),
        ([[1, -1]], "token id -1 is outside"),
        ([[1.0, 2.0]], "float64 are not token ids"),
        (torch.ones(1, 2), "float32 are not token ids"),
        (torch.ones(1, 2, dtype=torch.bool), "bool are not token ids"),
        (np.array([[1 + 2j]]), "complex128 are not token ids"),
        (torch.ones(1, 2, 3, dtype=torch.long), r"shape \[1, 2, 3\]"),
        (torch.tensor(5), r"shape \[\]"),
        (7, r"shape \[\]"),
        ([], r"shape \[1, 0\]"),
        (torch.ones(2, 0, dtype=torch.long), r"shape \[2, 0\]"),
        ([[1, 2], [3]], "rows of equal length"),
        ("Lyon country", "'Lyon country' cannot be read as tokens"),
        ([["Lyon", "country"]], "cannot be read as tokens"),
        (None, "cannot be read as tokens"),
        ({"tokens": IDS}, "cannot be read as tokens"),
    ],
)
def test_what_is_not_tokens_for_this_model_is_refused_in_one_sentence(given, sentence):
    with pytest.raises(HopscopeError, match=sentence):
        check_tokens(CFG, given, "cpu")


def test_a_batch_without_rows_passes():
    assert check_tokens(CFG, torch.ones(0, 3, dtype=torch.long), "cpu").shape == (0, 3)


def test_a_model_that_is_compiled_reads_no_values():
    def double(tokens):
        return check_tokens(CFG, tokens, "cpu") * 2

    compiled = torch.compile(double, backend="eager", fullgraph=True)
    assert compiled(torch.tensor(IDS)).tolist() == (2 * ARRAY).tolist()
