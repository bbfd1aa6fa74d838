"""Accuracy of answerers that do not compose: the baselines shown beside every accuracy.

Of compositions (h, r1, r2):
- `h_r2`, `r1_r2`, `h_r1`, `majority` look at that part of the question and give its most frequent
  answer among the trained inferred facts (the smallest token id in a tie); for an unseen part they
  give the most frequent answer overall;
- `copy_subject` answers h;
- `inverse_r1` answers h if, among the trained questions with (r1, r2), h was right more often than
  any other answer (capital, capital of), and otherwise what `r1_r2` answers;
- `same_fact` gives the answer to a trained question that differs by duplicate relations only
  (birthplace, born in), to the last one if there are several, and the most frequent answer of all
  where there is none;
- `one_fact` knows the atomic facts and gives, per (r1, r2), what was right most often among the
  trained: h, the object of a fact (h, r), or the only subject of a fact (x, r, h). It is what one
  hop can reach.

Of comparisons (attribute, entity 1, entity 2): the lookups `attribute_entity_1`,
`attribute_entity_2`, `attribute` and `majority`.

Real graphs have strong shortcuts: an accuracy is evidence of composition only above the best
shortcut of its split.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Int

from circuits.corpus.corpus import Corpus
from circuits.corpus.names import SHORTCUT_WORDS, TEST_QUESTIONS, TRAIN
from circuits.corpus.queries import Queries
from circuits.corpus.relation_rules import RelationRules

COMPOSITION_SHORTCUTS: dict[str, tuple[int, ...]] = {
    "h_r2": (0, -1),
    "r1_r2": (1, -1),
    "h_r1": (0, 1),
    "majority": (),
}
"""Names of the question that each lookup sees, by place; -1 is the last."""

COMPARISON_SHORTCUTS: dict[str, tuple[int, ...]] = {
    "attribute_entity_1": (0, 1),
    "attribute_entity_2": (0, 2),
    "attribute": (0,),
    "majority": (),
}


def baselines(corpus: Corpus) -> dict[str, dict[str, float]]:
    """Accuracy of every shortcut on every question split; empty splits are left out.

    >>> from circuits import open_run
    >>> rates = baselines(open_run("assets/demo").corpus)["ood_test"]
    >>> {name: round(rate, 3) for name, rate in rates.items() if rate > 0.06}
    {'h_r2': 0.077, 'one_fact': 0.244}
    """
    trained = corpus.splits[TRAIN]
    if not len(trained):  # an imported run of which it is unknown: a lookup has nothing to look up
        return {}
    tests = {n: corpus.splits[n] for n in (TRAIN, *TEST_QUESTIONS) if n in corpus.splits}
    rules = _rules(corpus)
    return {
        split: {name: _rate(given, asked) for name, given in _answers(trained, asked, rules)}
        for split, asked in tests.items()
        if len(asked)
    }


def shortcut_answers(corpus: Corpus, asked: Queries) -> dict[str, Int[np.ndarray, " n"]]:
    """What each shortcut answers to these questions, as token ids.

    >>> from circuits import open_run
    >>> corpus = open_run("assets/demo").corpus
    >>> asked = corpus.queries("ood_test")
    >>> given = shortcut_answers(corpus, asked)["one_fact"]
    >>> round(float((given == asked.answer_ids).mean()), 3)
    0.244
    """
    return dict(_answers(corpus.splits[TRAIN], asked, _rules(corpus)))


def best_shortcut(rates: Mapping[str, float]) -> tuple[str, float] | None:
    """(name, accuracy) of the best shortcut of one split, None where there is none.

    >>> best_shortcut({"h_r2": 0.1, "one_fact": 0.2})
    ('one_fact', 0.2)
    """
    return max(rates.items(), key=lambda item: item[1], default=None)


def verdict(accuracy: float, n: int, rates: Mapping[str, float]) -> str:
    """How an accuracy compares with the best shortcut of its split, in words.

    Args:
        accuracy: Share of right answers.
        n: Questions it was measured on.
        rates: Accuracy of each shortcut on that split.

    "Above" and "below" mean a difference of more than two standard errors of a share.

    >>> verdict(0.25, 169, {"h_r2": 0.05, "one_fact": 0.21})
    'no better than the best shortcut, one fact of the subject (.210)'
    """
    best = best_shortcut(rates)
    if best is None:
        return ""
    name, rate = best
    margin = 2 * float(np.sqrt(max(accuracy * (1 - accuracy), rate * (1 - rate)) / max(n, 1)))
    stands = "no better than"
    if accuracy > rate + margin:
        stands = "above"
    elif accuracy < rate - margin:
        stands = "below"
    shown = f"{rate:.3f}".removeprefix("0")
    return f"{stands} the best shortcut, {SHORTCUT_WORDS.get(name, name)} ({shown})"


def _rules(corpus: Corpus) -> RelationRules | None:
    """The answerers that look up facts, which only compositions have."""
    trained = corpus.splits[TRAIN]
    return RelationRules(corpus.graph, trained) if trained.kind == "composition" else None


def _answers(
    trained: Queries, asked: Queries, rules: RelationRules | None
) -> Iterator[tuple[str, Int[np.ndarray, " n"]]]:
    """Name and answers of each shortcut."""
    for name, seen in _lookups(trained).items():
        yield name, _looked_up(trained, asked, seen)
    if rules is None:
        return
    usual = _looked_up(trained, asked, ())
    for name, given in (
        ("copy_subject", asked.asked_ids[:, 0]),
        ("inverse_r1", _copied_where_usual(trained, asked)),
        ("same_fact", rules.same_fact(asked)),
        ("one_fact", rules.one_fact(asked)),
    ):
        yield name, np.where(given < 0, usual, given)


def _copied_where_usual(trained: Queries, asked: Queries) -> Int[np.ndarray, " n"]:
    """The subject, for relations whose trained questions it answers best; else their best
    answer."""
    relations = tuple(range(1, trained.asked_ids.shape[1]))
    parts = np.concatenate([_part(trained, relations), _part(asked, relations)])
    part = np.unique(parts, return_inverse=True)[1]
    group, n_groups = part[: len(trained)], part.max(initial=0) + 1
    subject, best = trained.asked_ids[:, 0], _looked_up(trained, trained, relations)
    copied, constant = (
        np.bincount(group, answer == trained.answer_ids, n_groups) for answer in (subject, best)
    )
    copies = (copied > constant)[part[len(trained) :]]
    return np.where(copies, asked.asked_ids[:, 0], _looked_up(trained, asked, relations))


def _lookups(trained: Queries) -> dict[str, tuple[int, ...]]:
    return COMPARISON_SHORTCUTS if trained.kind == "comparison" else COMPOSITION_SHORTCUTS


def _rate(answers: Int[np.ndarray, " n"], asked: Queries) -> float:
    return float((answers == asked.answer_ids).mean())


def _looked_up(trained: Queries, asked: Queries, seen: tuple[int, ...]) -> Int[np.ndarray, " n"]:
    """The answer to each query of the shortcut that sees these positions."""
    n_answers = len(trained.vocab)
    parts = np.concatenate([_part(trained, seen), _part(asked, seen)])
    part = np.unique(parts, return_inverse=True)[1]
    pair, count = np.unique(
        part[: len(trained)] * n_answers + trained.answer_ids, return_counts=True
    )
    best = np.full(part.max(initial=0) + 1, _most_frequent(trained.answer_ids))
    # Ascending counts, so that the last one written for a part is its most frequent answer.
    order = np.lexsort((-pair, count))
    best[pair[order] // n_answers] = pair[order] % n_answers
    return best[part[len(trained) :]]


def _part(queries: Queries, seen: tuple[int, ...]) -> Int[np.ndarray, " n"]:
    """What the shortcut sees of each query, as one number."""
    part, names = np.zeros(len(queries), np.int64), queries.named_ids
    for position in seen:
        part = part * len(queries.vocab) + names[:, position]
    return part


def _most_frequent(answers: Int[np.ndarray, " n"]) -> int:
    return int(np.bincount(answers).argmax()) if len(answers) else 0
