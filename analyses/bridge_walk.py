"""Any TransformerLens tool over all checkpoints: a function of a bridge, its results beside ours.

1. Each step's model becomes a `TransformerBridge`: ours by `to_bridge`, a bridged one as it is.
2. The function gets the bridge and the questions in the bridge's own token ids, and returns
   numbers: an array, a dict of arrays, or an xarray object.
3. What it returns is stored with the axes (step, split, ...) in the run's results under the given
   name, with the function's name and a digest of its source, and read by `stored_result` as ours.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import tokenize
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.catalog import CATALOG
from analyses.stored import USERS, user_store
from circuits.errors import HopscopeError
from circuits.runs.run import Run, open_run

if TYPE_CHECKING:
    import xarray as xr
    from jaxtyping import Int
    from torch import Tensor

    from circuits.corpus.queries import Queries
    from circuits.runs.results import ResultStore

_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_DIM = "dim_{}"


@dataclass(frozen=True, eq=False)
class Asked:
    """The questions of one split, for a bridge."""

    queries: Queries
    """The questions in the run's vocabulary: names, positions, bridges."""
    tokens: Int[Tensor, "n pos"]
    """Token ids of the bridge, on its device."""
    answer: Int[Tensor, " n"]
    """The answers, in ids of the bridge."""
    entity: Int[Tensor, " n"]
    """The bridge entities, in ids of the bridge; the answers where questions have none."""

    def __len__(self) -> int:
        return len(self.answer)


Function = Callable[[Any, Asked], Any]
"""From a `TransformerBridge` in eval mode and the questions to numbers."""


def walk_bridge(
    run: Run | str | Path,
    function: Function,
    *,
    name: str,
    steps: Sequence[int] | None = None,
    splits: Sequence[str] = ("id_test",),
    examples: int = 100,
    seed: int = 0,
    version: int = 1,
    again: bool = False,
) -> xr.Dataset:
    """What a function finds in the bridge of every checkpoint, stored in the run.

    Args:
        run: A run or its folder; also a series of `open_series`.
        function: Takes the bridge and an `Asked`; returns an array (stored under `name`), a dict of
            arrays, or an xarray object. Its first call decides names and shapes.
        name: Under which the result is stored: small letters, digits, underscores; not the name of
            an analysis of the catalog.
        steps: Checkpoints; None: all. Steps that are stored already are not computed again.
        splits: Splits whose questions are asked, a call for each.
        examples: Questions per split; all of them where there are fewer.
        seed: Of their draw.
        version: Increase it when the function changes; a change of its source is noticed too.
        again: Compute anew whatever is stored under this name.

    Returns:
        Dataset (step, split, ...), rising in step.

    Raises:
        HopscopeError: if the name or a split is refused, if what is stored under the name was made
            by another function or for other questions, or if the function returns anything else.

    >>> import tempfile
    >>> from circuits import open_run, open_series
    >>> demo = open_run("assets/demo")
    >>> series = open_series([0, 6000], demo.model, demo.corpus)
    >>> def right(bridge, asked):
    ...     return (bridge(asked.tokens)[:, -1].argmax(-1) == asked.answer).float().mean()
    >>> found = walk_bridge(series, right, name="right")
    >>> found.right.dims, [bool(x) for x in found.right.sel(split="id_test") > 0.9]
    (('step', 'split'), [False, True])
    """
    from analyses.joining import joined_steps

    run = run if isinstance(run, Run) else open_run(run)
    store = user_store(run, _checked(name), _settings(function, splits, examples, seed, version))
    if again:
        store.delete()
    wanted = run.steps if steps is None else sorted({run.checked_step(s) for s in steps})
    _refuse_stale(store, name)
    asked = {split: _drawn(run, split, examples, seed) for split in dict.fromkeys(splits)}
    for step in sorted(set(wanted) - set(store.steps())):
        found = _of_step(run, function, name, step, asked)
        store.append(joined_steps([found.assign_attrs(_attrs(run, store, name))]))
    store.put_in_order()
    return store.load(wanted)


def _checked(name: str) -> str:
    if name in CATALOG:
        raise HopscopeError(
            f"{name!r} is an analysis of the catalog; give the result another name."
        )
    if not _NAME.fullmatch(name):
        raise HopscopeError(
            f"name = {name!r} is refused; give small letters, digits and underscores, a letter "
            "first, e.g. name='sparse_probe'."
        )
    return name


def _settings(
    function: Function, splits: Sequence[str], examples: int, seed: int, version: int
) -> dict[str, Any]:
    try:
        source = hashlib.sha256(inspect.getsource(function).encode()).hexdigest()
    except (OSError, TypeError, SyntaxError, tokenize.TokenError):  # made in a console, say
        source = "unknown"
    module, known_as = (getattr(function, f"__{part}__", "?") for part in ("module", "qualname"))
    return {
        "version": version,
        "splits": list(splits),
        "options": {"examples": examples, "seed": seed},
        USERS: {"name": f"{module}.{known_as}", "source": source},
    }


def _refuse_stale(store: ResultStore, name: str) -> None:
    if store.is_stale():
        raise HopscopeError(
            f"{store.path} was made by another function (or version of it) or for other questions; "
            f"give another name, or walk_bridge(..., name={name!r}, again=True) to replace it."
        )


def _drawn(run: Run, split: str, n: int, seed: int) -> Any:
    from analyses.questions.examples import draw_examples

    return draw_examples(run.corpus, split, n, seed)


def _of_step(
    run: Run, function: Function, name: str, step: int, asked: Mapping[str, Any]
) -> xr.Dataset:
    """All splits of one checkpoint."""
    import torch
    import xarray as xr

    bridge, ids = _bridge(run.model(step))
    parts = []
    with torch.no_grad():
        for split, drawn in asked.items():
            queries = drawn.queries
            entity = queries.bridge if queries.bridge_ids.shape[1] else queries.answer
            tensors = (ids(part) for part in (queries.tokens, queries.answer, entity))
            found = _as_dataset(function(bridge, Asked(queries, *tensors)), name)
            parts.append(found.expand_dims(split=[split]))
    whole = xr.concat(parts, "split", join="exact")
    return whole.expand_dims(step=[step])


def _bridge(model: Any) -> tuple[Any, Callable[[Tensor], Tensor]]:
    """The bridge of a model, and what turns ids of the run into its own."""
    from circuits.model.bridged import BridgedModel
    from circuits.model.transformer_lens_4 import to_bridge

    if isinstance(model, BridgedModel):
        return model.bridge, lambda ids: model.own_ids(ids.to(model.device))
    return to_bridge(model), lambda ids: ids.to(model.device)


def _as_dataset(found: Any, name: str) -> xr.Dataset:
    import torch
    import xarray as xr

    if isinstance(found, xr.Dataset):
        return found
    if isinstance(found, xr.DataArray):
        return found.to_dataset(name=found.name or name)
    table = found if isinstance(found, Mapping) else {name: found}
    variables = {}
    for key, value in table.items():
        if isinstance(value, torch.Tensor):
            value = value.detach().float().cpu() if value.is_floating_point() else value.cpu()
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise HopscopeError(
                f"the function returned {type(value).__name__} for {key!r}; return numbers: an "
                "array, a dict of arrays, or an xarray object."
            )
        variables[str(key)] = ([f"{key}_{_DIM.format(i)}" for i in range(array.ndim)], array)
    return xr.Dataset(variables)


def _attrs(run: Run, store: ResultStore, name: str) -> dict[str, str]:
    settings = store.settings
    about = {"run": run.path.name, "analysis": name, **settings, "seed": run.recipe.seed}
    versions = {k: run.manifest.get(k) for k in ("commit", "hopscope", "versions")}
    return {
        "analysis": name,
        "function": settings[USERS]["name"],
        "version": str(settings["version"]),
        "options": json.dumps(settings["options"]),
        "provenance": json.dumps({**about, **versions}),
    }
