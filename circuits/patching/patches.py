"""What a patch is: which activations are overwritten, and by what."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from operator import index
from typing import Any, Literal, get_args

from circuits.errors import HopscopeError, unknown_name

Component = Literal[
    "resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out", "z", "q", "k", "v", "pattern"
]
"""TransformerLens's names. `pattern` is a row of the attention pattern, by destination."""

COMPONENTS: tuple[Component, ...] = get_args(Component)
HEAD_COMPONENTS: tuple[Component, ...] = ("z", "q", "k", "v", "pattern")
Source = Literal["cache", "zero", "mean"]
Indices = int | Sequence[int]
"""One number or several."""


@dataclass(frozen=True, init=False)
class Patch:
    """Which activations `run_patched` overwrites, and by what.

    All of its layers, positions and heads are overwritten in the same run. Numbers that count from
    the end (-1 is the last) are allowed; one number needs no brackets.

    >>> Patch("z", layers=0, positions=-1, heads=[0, 2])
    Patch(component='z', layers=(0,), positions=(-1,), heads=(0, 2), source='cache')
    >>> Patch("mlp_out", (0, 1), 2, source="mean").to_json()
    '{"component": "mlp_out", "layers": [0, 1], "positions": [2], "heads": null, "source": "mean"}'

    Raises:
        HopscopeError: if a name is unknown, an index is missing or not a whole number, or heads are
            given for a component that has none.
    """

    component: Component
    """Which activation."""
    layers: tuple[int, ...]
    """Blocks, counted through all passes."""
    positions: tuple[int, ...]
    """Token positions: in a question, 0 is the subject."""
    heads: tuple[int, ...] | None = None
    """Attention heads; None: all of them, and the only choice for a component without heads."""
    source: Source = "cache"
    """What is written: "cache" is the same activation of the source run, row by row; "mean" is its
    mean over the rows of the source run, which may be any number; "zero" needs no source run."""

    def __init__(
        self,
        component: Component,
        layers: Indices,
        positions: Indices,
        heads: Indices | None = None,
        source: Source = "cache",
    ) -> None:
        if component not in COMPONENTS:
            raise unknown_name("component", str(component), COMPONENTS)
        if source not in get_args(Source):
            raise unknown_name("patch source", str(source), get_args(Source))
        if heads is not None and component not in HEAD_COMPONENTS:
            raise HopscopeError(
                f"component {component!r} has no heads; give heads=None, or one of "
                f"{', '.join(HEAD_COMPONENTS)}."
            )
        given = {"layers": layers, "positions": positions, "heads": heads}
        indices = {name: None if i is None else _indices(name, i) for name, i in given.items()}
        for name, value in {"component": component, **indices, "source": source}.items():
            object.__setattr__(self, name, value)

    def to_json(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Patch:
        """Inverse of `to_json`."""
        try:
            table = json.loads(text)
            return cls(**table)
        except (json.JSONDecodeError, TypeError) as error:
            raise HopscopeError(f"{text!r} is not a patch: {error}.") from error


def from_the_start(patch: Patch, depth: int, n_pos: int, n_heads: int) -> Patch:
    """The same patch with indices counted from the start; an error if one does not exist."""
    return replace(
        patch,
        layers=_counted("layer", patch.layers, depth),
        positions=_counted("position", patch.positions, n_pos),
        heads=None if patch.heads is None else _counted("head", patch.heads, n_heads),
    )


def _counted(kind: str, given: Sequence[int], size: int) -> tuple[int, ...]:
    for i in given:
        if not -size <= i < size:
            raise HopscopeError(f"{kind} {i} does not exist; allowed: 0 to {size - 1}.")
    return tuple(i % size for i in given)


def _indices(name: str, given: Any) -> tuple[int, ...]:
    """One whole number, or several, as a tuple."""
    one = hasattr(given, "__index__") and not getattr(given, "ndim", 0)
    try:
        several = [given] if one else list(given)
        # True and False would pass as 1 and 0, but a mask is not a list of numbers
        if any("bool" in str(getattr(i, "dtype", type(i))) for i in several):
            raise TypeError
        found = tuple(map(index, several))
    except TypeError:
        raise HopscopeError(
            f"{name} = {given!r} are not whole numbers; give one or several, e.g. (0, 1)."
        ) from None
    if not found:
        raise HopscopeError(f"{name} = {given!r} names nothing; give one number or several.")
    return found
