"""A crosscoder recovers features that were planted, with the checkpoints at which they appear."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from circuits.errors import HopscopeError
from circuits.model.crosscoder import Crosscoder

CHECKPOINTS, PROMPTS, WIDTH, PLANTED = 4, 400, 24, 12


@pytest.fixture(scope="module")
def planted():
    """States in which every prompt has 2 of 12 features, feature i from checkpoint i % 4 on."""
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(CHECKPOINTS, PLANTED, WIDTH, generator=generator)
    direction = torch.nn.functional.normalize(direction, dim=-1)
    birth = torch.arange(PLANTED) % CHECKPOINTS
    there = torch.arange(CHECKPOINTS)[:, None] >= birth
    has = torch.stack([torch.randperm(PLANTED, generator=generator)[:2] for _ in range(PROMPTS)])
    code = torch.zeros(PROMPTS, PLANTED).scatter_(1, has, 1.0)
    strength = 0.5 + torch.rand(PROMPTS, PLANTED, generator=generator)
    states = torch.einsum("nf,kf,kfd->knd", code * strength, there.float(), direction)
    coder = Crosscoder.fit(
        states, n_features=16, active=2, steps=400, batch=200, learning_rate=1e-2
    )
    return states, code, birth, direction, coder


def _matched(code, coder, states) -> np.ndarray:
    """The feature most correlated with each planted one."""
    found = coder.codes(states)
    with np.errstate(invalid="ignore"):  # a feature that no prompt uses
        both = np.corrcoef(code.T.numpy(), found.T.numpy())
    return np.nan_to_num(both[:PLANTED, PLANTED:]).argmax(1)


def test_planted_features_are_found_with_their_directions_and_births(planted) -> None:
    states, code, birth, direction, coder = planted
    feature = _matched(code, coder, states)
    assert len(set(feature.tolist())) == PLANTED
    active = coder.codes(states)[:, feature] > 0
    assert (active == code.bool()).float().mean() > 0.97
    norm = coder.decoder_norm[:, feature]
    share = norm / norm.max(0).values
    assert ((share >= 0.5).float().argmax(0) == birth).all()
    for k in range(CHECKPOINTS):
        here = birth <= k
        cosine = torch.cosine_similarity(coder.decoder[feature, k], direction[k], dim=-1)
        assert (cosine[here] > 0.9).all()


def test_reconstruction_is_the_sum_of_the_active_directions(planted) -> None:
    states, *_, coder = planted
    codes = coder.codes(states)
    i, k = 7, 2
    slow = coder.decoder_bias[k].clone()
    for f in torch.nonzero(codes[i])[:, 0]:
        slow += codes[i, f] * coder.decoder[f, k]
    slow = slow * coder.scale[k, 0] + coder.mean[k, 0]
    torch.testing.assert_close(coder.reconstructed(codes)[k, i], slow, atol=1e-5, rtol=1e-5)
    error = (coder.reconstructed(codes) - states).square().mean()
    assert error < 0.1 * (states - states.mean(1, keepdim=True)).square().mean()


def test_the_code_of_a_prompt_depends_on_it_alone(planted) -> None:
    states, *_, coder = planted
    torch.testing.assert_close(coder.codes(states)[:5], coder.codes(states[:, :5]))


def test_a_checkpoint_whose_states_are_all_equal_has_features_of_no_length() -> None:
    generator = torch.Generator().manual_seed(0)
    states = torch.stack([torch.ones(80, 6), torch.randn(80, 6, generator=generator)])
    coder = Crosscoder.fit(states, n_features=8, active=2, steps=150, learning_rate=1e-2)
    blank, other = coder.decoder_norm
    used = (coder.codes(states) > 0).any(0)
    assert torch.isfinite(coder.codes(states)).all()
    assert (blank[used] < 0.3 * other[used]).all()


def test_codes_that_cannot_be_fitted_are_refused() -> None:
    states = torch.zeros(2, 5, 3)
    for n_features, active in ((4, 5), (4, 0)):
        with pytest.raises(HopscopeError, match="active"):
            Crosscoder.fit(states, n_features, active)
    with pytest.raises(HopscopeError, match="2 prompts"):
        Crosscoder.fit(states[:, :1], 4, 1)
