"""Small corpora of the comparison task, one per form of the question."""

from __future__ import annotations

from circuits.corpus.build import build_corpus
from circuits.corpus.corpus import Corpus
from circuits.recipes.schema import parse_recipe


def small_corpus(form: str) -> Corpus:
    source = {
        "order": ("grokked_comparison", {"n_entities": 30, "n_attributes": 4, "n_values": 5}),
        "same": ("grokked_comparison", {"n_entities": 30, "n_attributes": 4, "n_values": 3}),
    }[form]
    table = {
        "source": {"name": source[0], "options": source[1]},
        "augmentation": {"phi": 3.0, "modes": []},
        "splits": {"task": "comparison", "comparison_form": form, "id_test_items": 60},
    }
    return build_corpus(parse_recipe(table, "a small comparison recipe"))


CORPORA = {form: small_corpus(form) for form in ("order", "same")}
