"""What a patch is: which activations are overwritten, and by what."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from operator import index
from typing import Any, Literal, get_args

from circuits.errors import HopscopeError, unknown_name

Component = Literal[
    "resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out", "z", "q", "k", "v", "pattern"
]
"""Names of TransformerLens. `pattern` is a row of the attention pattern, by destination."""

COMPONENTS: tuple[Component, ...] = get_args(Component)
HEAD_COMPONENTS: tuple[Component, ...] = ("z", "q", "k", "v", "pattern")
Source = Literal["cache", "zero", "mean"]


@dataclass(frozen=True)
class Patch:
    """What is overwritten, and by what."""

    component: Component
    """Which activation."""
    layers: tuple[int, ...]
    """Blocks; one number or several, negative ones counted from the end."""
    positions: tuple[int, ...]
    """Likewise: 0 is the subject."""
    heads: tuple[int, ...] | None = None
    """Attention heads; None: all, and the only choice for components that have no heads."""
    source: Source = "cache"
    """The other run's activation, zero, or the mean of the other run's over its examples."""

    def __post_init__(self) -> None:
        if self.component not in COMPONENTS:
            raise unknown_name("component", str(self.component), COMPONENTS)
        if self.source not in get_args(Source):
            raise unknown_name("patch source", str(self.source), get_args(Source))
        for name in ("layers", "positions", "heads"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, _indices(name, given))
        if self.heads is not None and self.component not in HEAD_COMPONENTS:
            raise HopscopeError(
                f"component {self.component!r} has no heads; give heads=None, or one of "
                f"{', '.join(HEAD_COMPONENTS)}."
            )

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


def _indices(name: str, given: Any) -> tuple[int, ...]:
    """One number, or several, as a tuple."""
    one = hasattr(given, "__index__") and not getattr(given, "ndim", 0)
    try:
        return (index(given),) if one else tuple(map(index, given))
    except TypeError:
        raise HopscopeError(
            f"a patch's {name} = {given!r} are no numbers; give one or several, e.g. (0, 1)."
        ) from None


def chosen(kind: str, given: Sequence[int] | None, size: int) -> tuple[int, ...]:
    """Indices of layers, positions or heads: all if None, negative ones counted from the end."""
    if given is None:
        return tuple(range(size))
    for i in given:
        if not -size <= int(i) < size:
            raise HopscopeError(f"{kind} {i} does not exist; the model has 0 to {size - 1}.")
    return tuple(int(i) % size for i in given)
