"""The fields of One question and of the lab; see `app.instrument.fields`."""

from typing import NotRequired, TypedDict

from app.instrument.packed_fields import Packed

Cells = list[list[list[int]]]
"""Whole numbers by step, layer and position."""


class SentenceToken(TypedDict):
    """A token in a sentence.

    `text` is what it adds to the sentence, nothing where a letter goes on; `piece` is the token by
    itself, with "␣" for a blank; `role` is an index into the roles, -1 for none.
    """

    text: str
    piece: str
    id: int
    role: int


class SentenceRole(TypedDict):
    """What some of a sentence's tokens stand for; `kind` is the name of its colour."""

    words: str
    kind: str


class Sentence(TypedDict):
    """A question as the model reads it."""

    tokens: list[SentenceToken]
    roles: list[SentenceRole]


class Ranked(TypedDict):
    """The most likely tokens by step and rank, and their probabilities."""

    token: list[list[int]]
    share: Packed


class States(TypedDict):
    """The most likely token of each state, and probabilities by step, layer, position."""

    token: Cells
    share: Packed
    target: NotRequired[Packed]


class AnswerCurve(TypedDict):
    """The probability of one token over training."""

    token: int
    share: Packed
    colour: str


class Watched(TypedDict):
    """A name that is sought in the states, by the token with which it `begins`."""

    token: int
    begins: int
    position: int
    what: str
    where: str
    rank: Cells


class Donor(TypedDict):
    """The question whose states are swapped in.

    `fact` has, by step, the answer to the fact that the swapped bridge needs, which is `needed`;
    `begins` is the token with which the `swapped` answer begins.
    """

    what: str
    value: int | None
    swapped: int | None
    begins: int | None
    needed: str | None
    fact: list[int] | None


class Written(TypedDict):
    """What the model writes at a step, and whether it is the right answer to its end."""

    text: str
    exact: bool


class Question(TypedDict):
    """The Question page.

    `columns` has what stands at each position, `order` the positions in the order of reading,
    `attends` the columns in that order, and `kinds` the colours of names and tokens. Of a run on
    text, `written` is what the model writes at each step; answers are whole names then, and states
    say single tokens.
    """

    names: dict[str, str]
    columns: list[str]
    order: list[int]
    kinds: dict[str, str]
    answer: int | None
    top: Ranked
    curves: list[AnswerCurve]
    lens: States
    second: Cells
    attention: Packed
    attends: list[str]
    watched: list[Watched]
    swap: NotRequired[States]
    donor: NotRequired[Donor]
    sentence: NotRequired[Sentence]
    written: NotRequired[list[Written]]


class LabAnswer(TypedDict):
    """One of the most likely answers before or after."""

    name: str
    share: float
    mark: str
    kind: str


class Lab(TypedDict):
    """The Patching lab.

    `donor_names` by layer and position are what the logit lens reads in the donor's states, with
    `donor_share` as their probabilities; none where something else than a state is written.
    `order` has the positions in the order in which the question has them. `said` names question,
    donor and what is written.
    """

    said: str
    component: str
    cells: list[list[int]]
    effect: Packed
    rows: list[str]
    positions: list[str]
    order: list[int]
    measured: str
    about: str
    limits: list[float]
    before: list[LabAnswer]
    after: list[LabAnswer]
    donor_tokens: list[str]
    donor_names: list[list[str]]
    donor_share: Packed
    sentence: NotRequired[Sentence]
    donor_sentence: NotRequired[Sentence]
