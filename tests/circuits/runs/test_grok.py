"""The grok rule on accuracies whose dates are known beforehand."""

from __future__ import annotations

from circuits.runs.grok import GrokSummary, grok_summary, grok_summary_of_rows


def test_generalization_counts_from_memorization_on() -> None:
    steps = [0, 100, 200, 300, 400]
    train = [0.0, 0.98, 0.99, 1.0, 1.0]
    held_out = [0.0, 0.96, 0.5, 0.94, 0.95]
    assert grok_summary(steps, train, held_out) == GrokSummary(200, 400, 2.0)


def test_both_may_fall_on_one_step() -> None:
    assert grok_summary([0, 50], [0.1, 1.0], [0.0, 1.0]) == GrokSummary(50, 50, 1.0)


def test_what_has_not_happened_is_none() -> None:
    assert grok_summary([0, 50], [0.1, 0.9], [0.0, 1.0]) == GrokSummary(None, None, None)
    assert grok_summary([0, 50], [0.1, 1.0], [0.0, 0.9]) == GrokSummary(50, None, None)
    assert grok_summary_of_rows([{"step": 0}]) == GrokSummary(None, None, None)
