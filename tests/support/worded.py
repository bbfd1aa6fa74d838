"""Questions in many tokens, made by hand: names of one to three tokens between filler tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from circuits.corpus.corpus import Corpus
from circuits.corpus.queries import Queries
from circuits.corpus.vocab import Vocab
from circuits.corpus.wording import NO_TOKEN, NameTokens

PAD, N_TOKENS = 0, 40


def spelled(vocab: Vocab, longest: int = 3) -> NameTokens:
    """Each name as one to `longest` tokens, all different."""
    rng, seen = np.random.default_rng(0), set()
    table = np.full((len(vocab), longest), NO_TOKEN)
    for i in range(len(vocab)):
        while (row := tuple(rng.integers(5, N_TOKENS, i % longest + 1).tolist())) in seen:
            pass
        seen.add(row)
        table[i, : len(row)] = row
    return NameTokens(table)


@dataclass(frozen=True, eq=False)
class Fillers:
    """A wording: before each name some filler tokens, by template; `ends` adds one at the end."""

    names: NameTokens
    ends: bool = True
    backwards: bool = False
    """Odd templates name the subject last."""

    def render(
        self, kind: str, asked_ids: np.ndarray, templates: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Right-padded token ids and spans."""
        rows, spans = [], []
        for asked, template in zip(asked_ids.tolist(), templates.tolist(), strict=True):
            row: list[int] = []
            span = {}
            order = range(len(asked))
            for place in reversed(order) if self.backwards and template % 2 else order:
                row += [1 + template % 3] * ((template + place) % 3)
                start = len(row)
                row += self.names.tokens(asked[place])
                span[place] = (start, len(row))
            found = [span[place] for place in order]
            if self.ends:
                row.append(4)
                found.append((len(row) - 1, len(row)))
            rows.append(row)
            spans.append(found)
        width = max(map(len, rows), default=asked_ids.shape[1])
        table = np.array([r + [PAD] * (width - len(r)) for r in rows], int).reshape(-1, width)
        return table, np.array(spans, int).reshape(len(rows), asked_ids.shape[1] + self.ends, 2)

    def decode(self, tokens: tuple[int, ...]) -> str:
        """Numbers, with blanks."""
        return " ".join(map(str, tokens))


def worded(queries: Queries, *, ends: bool = True, backwards: bool = False) -> Queries:
    """The same questions in many tokens."""
    names = spelled(queries.vocab)
    templates = np.arange(len(queries)) % 6
    blank = replace(
        queries, named=queries.token_ids, names=names, templates=templates,
        wording=Fillers(names, ends, backwards),
    )  # fmt: skip
    return blank.asking(queries.token_ids)


def with_spans(queries: Queries) -> Queries:
    """The same one-token questions, with the spans of their roles given explicitly."""
    start = np.broadcast_to(np.arange(queries.token_ids.shape[1]), queries.token_ids.shape)
    return replace(queries, spans=np.stack([start, start + 1], -1))


@dataclass(frozen=True)
class Padded:
    """A wording of one token per name, and junk behind the question."""

    n_junk: int = 3

    def render(
        self, kind: str, asked_ids: np.ndarray, templates: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Token ids and spans."""
        junk = (asked_ids[:, :1] + templates[:, None] + np.arange(self.n_junk)) % 7
        start = np.broadcast_to(np.arange(asked_ids.shape[1]), asked_ids.shape)
        return np.concatenate([asked_ids, junk], 1), np.stack([start, start + 1], -1)

    def decode(self, tokens: tuple[int, ...]) -> str:
        """Numbers, with blanks."""
        return " ".join(map(str, tokens))


def padded(queries: Queries) -> Queries:
    """The same questions with junk behind them, so that they are read and patched by role."""
    templates = np.arange(len(queries)) % 5
    blank = replace(queries, named=queries.token_ids, templates=templates, wording=Padded())
    return blank.asking(queries.token_ids)


def reworded(corpus: Corpus, change: Callable[[Queries], Queries]) -> Corpus:
    """The corpus with all its questions in another wording."""
    return replace(corpus, splits={name: change(q) for name, q in corpus.splits.items()})
