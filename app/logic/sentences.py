"""A question of a text run as a sentence with its roles marked."""

from __future__ import annotations

from collections.abc import Sequence

from analyses.figures.words import words
from app.instrument.question_fields import Sentence, SentenceToken
from app.logic.model_tokens import sentence_wording
from circuits.corpus.queries import Queries
from circuits.corpus.role_names import ANSWER
from circuits.text.tokenizers import TextTokenizer, readable

KINDS = {
    "subject": "edge", "relation_1": "bridge",
    "attribute": "edge", "entity_1": "value_1", "entity_2": "value_2",
}  # fmt: skip
"""Colour of a role whose own name is not that of one: that of what is looked up there."""
BROKEN = "\ufffd"
"""Stands for bytes that are not a whole letter."""


def sentence_of(prompt: Queries) -> Sentence:
    """One question, token by token.

    Args:
        prompt: A single question of a text run.
    """
    wording, spans = sentence_wording(prompt), prompt.spans
    assert wording is not None
    assert spans is not None
    ids = prompt.token_ids[0, : prompt.lengths[0]].tolist()
    texts = added_texts(wording.tokenizer, ids)
    tokens: list[SentenceToken] = []
    for at, (token, text) in enumerate(zip(ids, texts, strict=True)):
        inside = [i for i, (start, end) in enumerate(spans[0].tolist()) if start <= at < end]
        piece = readable(wording.tokenizer, token)
        role = inside[0] if inside else -1
        tokens.append({"text": text, "piece": piece, "id": token, "role": role})
    roles = prompt.positions
    return {"tokens": tokens, "roles": [{"words": _about(r), "kind": kind_of(r)} for r in roles]}


def _about(role: str) -> str:
    return "where the answer is predicted" if role == ANSWER else words(role)


def kind_of(role: str) -> str:
    """The colour of a role."""
    return KINDS.get(role, role)


def added_texts(tokenizer: TextTokenizer, tokens: Sequence[int]) -> list[str]:
    """What each token adds to the text of those before it; a letter's last token adds the letter.

    >>> from circuits.text.tokenizers import trained_bpe
    >>> tokenizer = trained_bpe(["Ada Ada"], 262)
    >>> added_texts(tokenizer, tokenizer.encode(["Ada 東"])[0][0])
    ['Ada', ' ', '', '', '東']
    """
    found, before = [], ""
    for end in range(1, len(tokens) + 1):
        whole = tokenizer.inner.decode(list(tokens[:end])).rstrip(BROKEN)
        found.append(whole[len(before) :])
        before = whole if len(whole) > len(before) else before
    if found:
        found[0] = found[0].lstrip()
    return found


def columns_of(prompt: Queries) -> tuple[str, ...]:
    """The words at each role of one question: a name's, or the last token before the answer.

    Args:
        prompt: A single question of a text run.
    """
    wording, spans = sentence_wording(prompt), prompt.spans
    assert wording is not None
    assert spans is not None
    ids = prompt.token_ids[0].tolist()
    texts = added_texts(wording.tokenizer, ids[: prompt.lengths[0]])
    found = ["".join(texts[start:end]).strip() for start, end in spans[0].tolist()]
    return tuple(found)
