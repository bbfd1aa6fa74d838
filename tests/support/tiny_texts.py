"""Corpora of a few facts as text, with names of every shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from tiny_runs import tiny_recipe

from circuits.corpus.build import build_corpus
from circuits.corpus.vocab import Vocab
from circuits.recipes.schema import Recipe, TextSection
from circuits.text.corpus import TextCorpus, text_corpus
from circuits.text.rendering import TextWording
from circuits.text.templates import template_book
from circuits.text.tokenizers import TextTokenizer, one_token_per_name, trained_bpe

SHAPES = ("A", "É", "São Tomé", "東京", "42", "3 May 1999", "O'Brien", "'s-Hertogenbosch", "York")
SHAPES += ("New York", "New York City", "Washington, D.C.", "(none)", "a", "x?", "🙂", "<end>")
RELATIONS = ("mother", "date of birth")


def tiny_text_recipe(text: dict[str, Any] | None = None, **settings: Any) -> Recipe:
    """The tiny recipe asked in words."""
    recipe = tiny_recipe(**settings)
    return recipe.model_copy(update={"text": TextSection(**{"vocab_size": 270, **(text or {})})})


def tiny_text(text: dict[str, Any] | None = None, **settings: Any) -> TextCorpus:
    """The text of the tiny recipe."""
    recipe = tiny_text_recipe(text, **settings)
    return text_corpus(recipe, build_corpus(recipe))


def shapes_wording(tokenizer: str, **text: Any) -> TextWording:
    """Wordings over `SHAPES` and two relations."""
    vocab = Vocab(SHAPES, RELATIONS)
    book = template_book(TextSection(**text), RELATIONS, hops=2)
    facts = [f"The mother of {name} is {name}." for name in SHAPES]
    questions = ["What is the date of birth of the mother of x?"]
    made: TextTokenizer = (
        trained_bpe(facts, 300)
        if tokenizer == "bpe"
        else one_token_per_name((*SHAPES, *RELATIONS), facts + questions)
    )
    return TextWording(book, made, vocab)


def every_pair() -> np.ndarray:
    """Compositions about each name of `SHAPES`, both orders of the two relations."""
    first = len(SHAPES)
    return np.array([[s, first + r, first + 1 - r] for s in range(first) for r in (0, 1)])
