"""The learning coefficient of losses whose coefficient is arithmetic, and of a small model."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from hand_wired import hand_wired, random_model
from torch import nn

from analyses.catalog import CATALOG
from analyses.fitting import usual_analyses
from analyses.questions.examples import draw_examples
from analyses.readouts import learning_coefficient as llc
from circuits.errors import HopscopeError
from circuits.model.plain import PlainTransformer

COEFFICIENT = CATALOG["learning_coefficient"]
WIRED = hand_wired()
EXAMPLES = draw_examples(WIRED.corpus, "train_inferred", 20)
QUICK = {"n_beta": 100, "chains": 1, "burn_in": 5, "draws": 10, "batch": 64, "lr": 1e-6}


@pytest.fixture
def sampler() -> None:
    pytest.importorskip("devinterp", reason="devinterp is an optional package")


class Power(nn.Module):
    """The loss sum_i w_i ** power, whatever is asked."""

    def __init__(self, width: int, power: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(width))
        self.power = power

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return (self.w**self.power).sum().expand(len(rows), 1)


@pytest.mark.usefixtures("sampler")
@pytest.mark.parametrize(("power", "lr"), [(2, 1e-3), (4, 3e-3)])
def test_a_loss_that_is_a_sum_of_powers_has_the_width_over_the_power(power: int, lr: float) -> None:
    """Under exp(-n_beta sum_i |w_i| ** p) the mean of n_beta |w_i| ** p is 1 / p."""
    width = 64
    options = COEFFICIENT.options(
        {
            "lr": lr,
            "n_beta": 100,
            "localization": 0,
            "burn_in": 120,
            "draws": 240,
            "batch": 4,
            "chains": 2,
        }
    )
    point = Power(width, power)
    traces = llc.loss_traces(point, llc._Rows(8), llc._loss_of, llc.every_weight(point), options)
    found = llc.estimate(traces[None], 0.0, options)
    chains = found["coefficient_chain"][1][0]
    assert chains.mean() == pytest.approx(width / power, rel=0.12)
    assert (point.w == 0).all(), "the chains moved a copy"
    assert (np.abs(found["drift_chain"][1]) < 0.2).all()


def test_the_burn_in_is_no_part_of_the_mean() -> None:
    options = COEFFICIENT.options({"burn_in": 2, "draws": 4, "n_beta": 10, "chains": 1})
    traces = np.array([[[9.0, 9, 1, 1, 2, 2]]])
    found = llc.estimate(traces, 0.5, options)
    assert found["coefficient_chain"][1].item() == pytest.approx(10 * (1.5 - 0.5))
    assert found["drift_chain"][1].item() == pytest.approx(1.0)
    assert np.isnan(found["coefficient_low"][1]).all(), "one chain gives no interval"


@pytest.mark.usefixtures("sampler")
def test_a_head_alone_is_sampled_and_all_other_weights_are_held() -> None:
    model = random_model(WIRED.corpus)
    point = PlainTransformer(model.cfg)
    point.load_state_dict(model.state_dict())
    seen: list[nn.Module] = []

    def loss_of(module: nn.Module, rows: torch.Tensor) -> torch.Tensor:
        seen[:] = [module]
        return module(rows)

    answering = llc._Answering(point, WIRED.corpus.training_set())
    masks = llc.head_weights(point, 1, 0, "model.")
    options = COEFFICIENT.options({**QUICK, "chains": 1})
    llc.loss_traces(answering, llc._Rows(100), loss_of, masks, options)
    moved = {
        name: (new != old)
        for (name, new), old in zip(
            seen[0].model.named_parameters(), point.parameters(), strict=True
        )
        if (new != old).any()
    }
    assert set(moved) == {f"blocks.1.attn.{name}" for name in llc.OF_A_HEAD}
    for where in moved.values():
        assert where[0].all()
        assert not where[1].any()


@pytest.mark.usefixtures("sampler")
@torch.no_grad()  # as the walk runs it
def test_the_loss_is_that_of_the_answers_of_the_whole_training_set() -> None:
    model = random_model(WIRED.corpus, n_layers=1)
    found = COEFFICIENT.run(model, EXAMPLES, COEFFICIENT.options(QUICK))
    losses = []
    for name in WIRED.corpus.trained:
        queries = WIRED.corpus.queries(name)
        log_p = model(queries.tokens)[:, -1].log_softmax(-1)
        losses += [-log_p[i, a].item() for i, a in enumerate(queries.answer.tolist())]
    assert found.loss.item() == pytest.approx(np.mean(losses), abs=1e-5)
    assert found.part.values.tolist() == ["all weights", "head 0.0", "head 0.1"]
    assert found.loss_trace.shape == (3, 1, 15)
    expected = 100 * (found.loss_trace[..., 5:].mean("draw") - found.loss)
    np.testing.assert_allclose(found.coefficient_chain, expected, atol=1e-3)
    whole = COEFFICIENT.run(model, EXAMPLES, COEFFICIENT.options({**QUICK, "heads": False}))
    assert whole.equals(found.isel(part=[0])), "the same seed gives the same chains"


def test_without_devinterp_a_sentence_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "devinterp.slt.sampler", None)
    with pytest.raises(HopscopeError, match=r'pip install "hopscope\[llc\]"'):
        COEFFICIENT.run(random_model(WIRED.corpus), EXAMPLES, COEFFICIENT.options({}))


def test_it_is_run_only_if_it_is_named() -> None:
    assert "learning_coefficient" not in usual_analyses("composition")
