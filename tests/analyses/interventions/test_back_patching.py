"""Back-patching mends a model whose first hop comes after its second, and nothing else does."""

from __future__ import annotations

import numpy as np
from hand_wired import hand_wired

from analyses.catalog import CATALOG
from analyses.questions.examples import draw_examples

BACK = CATALOG["back_patching"]


def test_a_bridge_that_comes_too_late_is_mended_by_giving_it_earlier() -> None:
    late = hand_wired(n_layers=4, first_hop=2, second_hop=1)
    examples = draw_examples(late.corpus, "train_inferred", 60)
    found = BACK.run(late.model, examples, BACK.options({}))
    assert not found.right_example.any()
    own = found.mended.sel(source="late_state", position="relation_1").values
    expected = np.zeros((4, 4))  # layer_from 1 to 4, layer_to 0 to 3
    expected[2:, :2] = 1  # from after block 2 to before block 1
    earlier = np.arange(1, 5)[:, None] > np.arange(4)[None]
    np.testing.assert_array_equal(own[earlier], expected[earlier])
    assert np.isnan(own[~earlier]).all()
    placebo = found.mended.sel(source="placebo", position="relation_1")
    assert (placebo.fillna(0) < 0.3).all()
    assert (found.mended.sel(position="subject", source="late_state").fillna(0) == 0).all()


def test_patching_breaks_nothing_where_hop_one_is_done_in_time() -> None:
    wired = hand_wired(n_layers=4, first_hop=1, second_hop=2)
    examples = draw_examples(wired.corpus, "train_inferred", 60)
    found = BACK.run(wired.model, examples, BACK.options({}))
    broken = found.broken.sel(source="late_state", position="relation_1")
    assert broken.sel(layer_from=3, layer_to=2) == 0
    assert found.broken.sel(source="placebo", position="relation_1", layer_from=3, layer_to=2) > 0.5
    assert found.mended.isnull().all(), "no answer was wrong"
    assert (found.mended_n == 0).all()
