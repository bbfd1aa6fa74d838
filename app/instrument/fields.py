"""The fields of the JSON that the instrument is sent: names and types, in one place.

`app.instrument.typescript` prints them for the scripts. Builders of payloads are checked against
the classes by mypy.
"""

from typing import NotRequired, TypedDict

from app.instrument.bench_fields import Bench
from app.instrument.heads_fields import Heads
from app.instrument.packed_fields import Curve, Packed, PackedBytes, PackedMeasure
from app.instrument.question_fields import Lab, Question


class Metrics(TypedDict):
    """Accuracy and loss by split over the evaluated steps.

    `low` and `high` are the ends of the accuracies' 95% intervals, `n` the questions behind each.
    """

    step: list[int]
    accuracy: dict[str, Curve]
    loss: dict[str, Curve]
    low: NotRequired[dict[str, Curve]]
    high: NotRequired[dict[str, Curve]]
    n: NotRequired[dict[str, int]]


class SplitName(TypedDict):
    """A split that can be chosen; `dash` is that of its lines, "" for none."""

    name: str
    label: str
    about: str
    dash: str


class Named(TypedDict):
    """A token position or a target of the lens: its name, in sentences, and short."""

    name: str
    label: str
    short: str


class NamedPosition(Named):
    """A token position, with the symbol that stands for it where there is little room."""

    symbol: str


class Vocabulary(TypedDict):
    """Names of splits and of shortcuts."""

    splits: dict[str, str]
    shortcuts: dict[str, str]


class Phase(TypedDict):
    """A phase or event of training; `span` is its first and last step.

    One that cannot be dated is named, but not marked on the timeline; `text` says why.
    """

    name: str
    step: int
    span: list[int] | None
    text: str
    dated: bool


class Edge(TypedDict):
    """An edge of the circuit between places [row, position]; no target is the answer."""

    name: str
    source: list[int]
    target: list[int] | None


class Discovered(TypedDict):
    """The parts of the discovered circuit that do not change with the step."""

    rows: list[str]
    symbols: list[str]
    edges: list[Edge]
    candidates: int


class SinglesEnd(TypedDict):
    """The questions at one end, by step, pair and rank, and their effects in 127ths."""

    question: PackedBytes
    code: PackedBytes


class Singles(TypedDict):
    """Effects on single questions, by step and pair of edge and token."""

    edge: list[list[int]]
    token: list[list[int]]
    n: list[list[int]]
    largest: Packed
    most: SinglesEnd
    least: SinglesEnd


class DiscoveredMeasures(TypedDict):
    """The discovered circuit of one split at every step."""

    step: list[int]
    kept: PackedBytes
    carries: PackedBytes
    strength: PackedMeasure
    effect: PackedMeasure
    frequency: Packed
    alone: PackedMeasure
    whole: PackedMeasure
    examples: NotRequired[list[str]]
    singles: NotRequired[Singles]


class ComparedSeries(TypedDict):
    """A curve with its band: of a run, of a group of runs, or of one measure.

    `alone` has the runs of a group that go on where another one has ended.
    """

    name: str
    colour: str
    dash: str | None
    steps: list[int]
    values: Curve
    low: NotRequired[Curve]
    high: NotRequired[Curve]
    alone: NotRequired[list[Curve]]
    n: NotRequired[int]


class ComparedPanel(TypedDict):
    """Curves of one kind; `unit` is "share" or "MRR"."""

    title: str
    hint: str
    unit: NotRequired[str]
    series: list[ComparedSeries]


class SplitMeasures(TypedDict, total=False):
    """Measurements on one split, at every step."""

    lens: PackedMeasure
    added: PackedMeasure
    tracing: PackedMeasure
    moved: PackedMeasure
    bridge: PackedMeasure
    flips: PackedBytes
    drawn: PackedBytes
    right: PackedBytes
    examples: list[str]
    discovered: DiscoveredMeasures
    further: list[ComparedPanel]
    sliced: ComparedSeries
    about: str


class Sliced(TypedDict):
    """What a page shows on a slice, beside its payload."""

    measures: dict[str, SplitMeasures]


class Diagram(TypedDict):
    """A setting by training; one table (level x place) for each kind.

    `held` has the other settings in which the compared runs differ.
    """

    setting: str
    held: str
    levels: list[str]
    n_runs: list[int]
    kinds: list[str]
    tables: list[Packed]


class Compared(TypedDict):
    """The Compare page."""

    panels: list[ComparedPanel]
    aligned: str
    phases: list[Diagram]


class TourStop(TypedDict):
    """A stop of the guided tour: where on the timeline, what is shown, and a sentence."""

    title: str
    step: int
    text: str
    split: str
    circuit: str


class Tour(TypedDict):
    """The guided tour; it is offered from `least` stops on."""

    stops: list[TourStop]
    least: int


class CheckMark(TypedDict):
    """What a check of the run found at one step, in words."""

    step: int
    text: str


class Payload(TypedDict):
    """The payload of a page: what the timeline needs, then the page's own part."""

    steps: list[int]
    metrics: Metrics
    splits: list[SplitName]
    vocabulary: Vocabulary
    baselines: dict[str, dict[str, float]]
    phases: list[Phase]
    checked: NotRequired[list[CheckMark]]
    colours: dict[str, str]
    measures: dict[str, SplitMeasures]
    unit: NotRequired[str]
    positions: NotRequired[list[NamedPosition]]
    layers: NotRequired[int]
    usable: NotRequired[list[list[bool]]]
    targets: NotRequired[list[Named]]
    discovered: NotRequired[Discovered]
    question: NotRequired[Question]
    lab: NotRequired[Lab]
    compared: NotRequired[Compared]
    bench: NotRequired[Bench]
    heads: NotRequired[Heads]
    tour: NotRequired[Tour]
