"""Metrics of a patched run: the default one, and checks of a user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from circuits.errors import HopscopeError

Metric = Callable[[Float[Tensor, "batch pos d_vocab"]], Any]
"""From logits to one number, or to one number per example: a tensor, an array or a float."""


def recovered_logit_difference(
    clean_logits: Float[Tensor, "batch pos d_vocab"],
    corrupted_logits: Float[Tensor, "batch pos d_vocab"],
) -> Metric:
    """A metric that is 0 for the corrupted run and 1 for the clean one, on the mean over examples.

    The difference is between the logits of the two runs' top tokens at the last position, as in
    Wang et al., arXiv 2211.00593, section 3, with the models' own answers.

    >>> import torch
    >>> clean, corrupted = torch.tensor([[[3.0, 1.0]]]), torch.tensor([[[0.0, 2.0]]])
    >>> metric = recovered_logit_difference(clean, corrupted)
    >>> metric(clean), metric(corrupted), metric((clean + corrupted) / 2)
    (tensor(1.), tensor(0.), tensor(0.5000))

    Raises:
        HopscopeError: if both runs have the same mean difference, so there is nothing to recover.
    """
    good, bad = (x[:, -1].argmax(-1, keepdim=True) for x in (clean_logits, corrupted_logits))

    def difference(logits: Tensor) -> Tensor:
        last = logits[:, -1]
        apart = last.gather(-1, good) - last.gather(-1, bad)
        return apart.to(torch.promote_types(apart.dtype, torch.float32)).mean()

    low, high = difference(corrupted_logits), difference(clean_logits)
    if torch.isclose(low, high):
        raise HopscopeError(
            "clean and corrupted runs have the same answers, so there is nothing to recover; "
            "choose other corrupted prompts or give a metric."
        )
    return lambda logits: (difference(logits) - low) / (high - low)


def measured(metric: Metric, logits: Float[Tensor, "batch pos d_vocab"]) -> np.ndarray:
    """The metric of these logits as an array of shape () or (batch,).

    Raises:
        HopscopeError: if the metric returns anything else.
    """
    given = metric(logits)
    batch = logits.shape[0]
    found = _as_array(given)
    if found is None or found.dtype.kind not in "biuf":
        raise HopscopeError(
            f"the metric gave a {type(given).__name__}; let it return one number, or one per "
            "example."
        )
    if found.shape not in ((), (batch,)):
        raise HopscopeError(
            f"the metric gave numbers of shape {found.shape} for {batch} examples; let it return "
            "one number, or one per example."
        )
    return found


def _as_array(given: Any) -> np.ndarray | None:
    """A copy that later writes into the logits do not change; bfloat16 as float32."""
    if isinstance(given, Tensor):
        given = given.detach().cpu()
        if given.is_floating_point():
            given = given.to(torch.promote_types(given.dtype, torch.float32))
        return given.numpy().copy()
    try:
        return np.array(given)
    except (TypeError, ValueError, RuntimeError):
        return None
