"""Questions in many tokens, made by hand: names of one to three tokens between filler tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

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
        width = max(map(len, rows))
        return np.array([r + [PAD] * (width - len(r)) for r in rows]), np.array(spans)

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
