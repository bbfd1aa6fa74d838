"""What the model reads and says, by name: names of the graph, and tokens that are parts of them.

Names have the ids of the vocabulary. Where each is one token, these are the model's tokens too. In
a text run the model's token t is shown as `len(vocab) + t`, so that names and tokens can stand side
by side in one list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from circuits.corpus.queries import Queries
from circuits.corpus.vocab import Vocab
from circuits.corpus.wording import NO_TOKEN

if TYPE_CHECKING:  # torch and the tokenizers take a second to import, which pages start without
    import torch

    from circuits.pretrained.asked_text import FileWording
    from circuits.text.rendering import TextWording
    from circuits.text.scoring import PredictedLogits
    from circuits.text.trie import NameTrie, NextLogits

LEAST = 1e-4
"""Whole names that are less probable count as 0: a page shows thousandths."""


@dataclass(frozen=True, eq=False)
class ModelTokens:
    """The tokens of a text run."""

    vocab: Vocab
    wording: TextWording | FileWording

    def shown(self, tokens: Int[np.ndarray, "*axes"]) -> Int[np.ndarray, "*axes"]:
        """The ids by which tokens are shown beside names."""
        return tokens + len(self.vocab)

    def first(self, name: int) -> int:
        """The token with which a name begins."""
        return int(self.wording.names.first[name])

    def piece(self, shown: int) -> str:
        """The text of a token, given by the id by which it is shown."""
        from circuits.text.tokenizers import readable

        return readable(self.wording.tokenizer, shown - len(self.vocab))

    def spellings(self, name: int) -> tuple[str, ...]:
        """All texts that count as a name, its own first."""
        own = self.vocab.name(name).strip()
        return (own, *getattr(self.wording, "aliases", {}).get(own, ()))

    def beginning(self, name: int) -> str:
        """A name as far as its first token goes: "Tokyo", or "Dem…" of a longer one."""
        if len(self.wording.names.tokens(name)) == 1:
            return self.vocab.name(name)
        return f"{self.piece(len(self.vocab) + self.first(name)).strip('␣')}…"

    @cached_property
    def answers(self) -> tuple[int, ...]:
        """Every name that can be an answer: all but relations."""
        vocab = self.vocab
        return (*range(vocab.first_relation), *range(vocab.first_special, len(vocab)))

    @cached_property
    def _trie(self) -> NameTrie:
        from circuits.text.trie import name_trie

        names = self.wording.names
        return name_trie(
            [names.closed(name) for name in self.answers], closed=names.end is not None
        )

    def whole_names(self, logits: NextLogits, prompt: Queries) -> Float[torch.Tensor, " names"]:
        """Probability of each name of the vocabulary as the whole answer to one prompt.

        Of a model without an end-of-answer token: that the text goes on with the name, and not
        with one that is longer.

        Args:
            logits: The model, patched or not.
            prompt: One question.
        """
        import torch

        from circuits.text.trie import name_log_probs

        lengths = torch.from_numpy(prompt.lengths.astype(np.int64))
        tokens = prompt.tokens[:, : int(lengths.max())]
        found = name_log_probs(self._trie, logits, tokens, lengths, float(np.log(LEAST)))
        shares = found[0].exp()
        within, longer = self._nested
        every = torch.zeros(len(self.vocab))
        every[list(self.answers)] = shares.index_add(0, within, -shares[longer]).clamp(min=0.0)
        return every

    @cached_property
    def _nested(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Places in `answers` of names that begin others, and of the next longer ones of each."""
        import torch

        place = {tokens: i for i, tokens in enumerate(self._trie.names)}
        pairs = []
        for tokens, longer in place.items():
            ends = (tokens[:end] for end in range(len(tokens) - 1, 0, -1))
            within = next((place[each] for each in ends if each in place), None)
            if within is not None:
                pairs.append((within, longer))
        table = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)
        return table[:, 0], table[:, 1]

    def written(self, logits: PredictedLogits, prompt: Queries) -> str:
        """What the model writes after one prompt, the most probable token each time.

        A model without an end-of-answer token writes on: "…" stands where it was stopped.
        """
        import torch

        from circuits.text.scoring import greedy_answers

        lengths = torch.from_numpy(prompt.lengths.astype(np.int64))
        longest = int(self.wording.names.lengths.max()) + 1
        end = self.wording.names.end
        (tokens,) = greedy_answers(
            logits, prompt.tokens, lengths, NO_TOKEN if end is None else end, longest
        )
        text = self.wording.decode(tokens) + ("…" if end is None else "")
        return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def tokens_of_corpus(vocab: Vocab, queries: Sequence[Queries]) -> ModelTokens | None:
    """The tokens of a run on text; None where every name is a token."""
    wording = next((found for each in queries if (found := sentence_wording(each))), None)
    return None if wording is None else ModelTokens(vocab, wording)


def sentence_wording(queries: Queries) -> TextWording | FileWording | None:
    """How questions are put into sentences: by templates, or as a file words them."""
    if queries.wording is None:
        return None
    from circuits.pretrained.asked_text import FileWording
    from circuits.text.rendering import TextWording

    wording = queries.wording
    return wording if isinstance(wording, TextWording | FileWording) else None
