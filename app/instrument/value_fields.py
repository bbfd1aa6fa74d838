"""The fields of the JSON before the values of single questions, and of the panel; see `fields`."""

from typing import NotRequired, TypedDict

from app.instrument.fields import ComparedSeries


class Stored(TypedDict):
    """Whole numbers in the bytes after the JSON: unsigned, of `size` bytes each, from `first`."""

    size: int
    shape: list[int]
    first: int


class Terms(TypedDict):
    """What a mean is taken of: each distinct value once, and a number of it for every question.

    `codes` has the axes of the measure and then its questions; `asked` says which of the split's
    questions those are. A null in the table: the question has no value.
    """

    table: list[float | None]
    codes: Stored
    asked: Stored


class NamesAsked(TypedDict):
    """The names at one place of the questions, each once, and which of them each question has."""

    names: list[str]
    codes: Stored


class SplitQuestions(TypedDict):
    """The measured questions of a split: what slices are made of, and what is drawn of them.

    `right` by step and question: 0, 1, or 2 where that is not known. `learned`: the step, -1 for
    never, null where that is not known. `accuracy` has no values yet. `unasked`: what is said of a
    slice without questions.
    """

    n: int
    named: dict[str, NamesAsked]
    shortcut: NotRequired[Stored]
    right: Stored
    learned: list[float | None]
    accuracy: ComparedSeries
    unasked: str
    lens: NotRequired[Terms]
    tracing: NotRequired[Terms]
    bridge: NotRequired[Terms]


class QuestionValues(TypedDict):
    """The values of single questions by split.

    `quantiles`: Student's, of the 95% interval of a mean of so many values; `least`: the fewest of
    which one is given; `z`: the normal one. `about` says what is drawn, with {n} for the number.
    """

    bySplit: dict[str, SplitQuestions]
    quantiles: list[float]
    z: float
    least: int
    about: str


class SliceCondition(TypedDict):
    """A condition of a slice: pairs of value and words to choose from; `typed`: or to type.

    `note`: that no question has the name, or "".
    """

    name: str
    label: str
    options: list[list[str]]
    typed: bool
    note: str


class SlicePanel(TypedDict):
    """What a slice is chosen by, and the one that the server knows after so many choices."""

    conditions: list[SliceCondition]
    chosen: dict[str, str]
    told: int
    note: str
