"""Fields of the page on which a circuit is worked with."""

from typing import TypedDict

from app.instrument.packed_fields import Curve


class Component(TypedDict):
    """A component: its `name` in results, its place, and its attention head, if it is one."""

    name: str
    row: int
    position: int
    head: int | None


class BenchEdge(TypedDict):
    """A candidate edge by its place among all, and the indices of the components it joins.

    `share` is that of a token's whole effect, with its ends, `frequency` how many resampled
    circuits have it; null where it was not measured.
    """

    id: int
    name: str
    source: int
    target: int
    share: float | None
    low: float | None
    high: float | None
    frequency: float | None


class BenchCurve(TypedDict):
    """Faithfulness and accuracy of the strongest edges, by their number; `share` is the least."""

    size: list[int]
    share: Curve
    faithfulness: Curve
    faithfulness_low: Curve
    faithfulness_high: Curve
    accuracy: Curve
    accuracy_low: Curve
    accuracy_high: Curve


class Bench(TypedDict):
    """The page Circuit: components and edges of one checkpoint, and how few edges suffice.

    `edges` are the strongest ones; `ranked` the ids of all measured ones, strongest first,
    and `found` those of the discovered circuit.
    """

    rows: list[str]
    columns: list[str]
    components: list[Component]
    edges: list[BenchEdge]
    ranked: list[int]
    found: list[int]
    candidates: int
    heads: bool
    curve: BenchCurve
    n: int


class BenchState(TypedDict):
    """What the user has made of the circuit: the start, what was toggled, notes, groups of heads.

    `size` is the number of strongest edges, null for the `base` circuit, whose ids are `kept`.
    """

    size: int | None
    toggled: list[int]
    notes: dict[str, str]
    groups: dict[str, list[str]]


class Judged(TypedDict):
    """Numbers with the ends of their 95% intervals: [value, low, high]; null: no number."""

    faithfulness: Curve
    left: Curve
    alone: Curve
    without: Curve
    whole: Curve
    n: int


class Edited(TypedDict):
    """The answer to a state, beside the payload: `serial` is the state's, `source` its origin."""

    serial: int
    source: str
    base: str
    kept: list[int]
    state: BenchState
    judged: Judged
