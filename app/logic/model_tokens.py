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

if TYPE_CHECKING:  # torch and the tokenizers take a second to import, which pages start without
    import torch

    from circuits.text.rendering import TextWording
    from circuits.text.scoring import PredictedLogits
    from circuits.text.trie import NameTrie, NextLogits

LEAST = 1e-4
"""Whole names that are less probable count as 0: a page shows thousandths."""


@dataclass(frozen=True, eq=False)
class ModelTokens:
    """The tokens of a text run."""

    vocab: Vocab
    wording: TextWording

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

        return name_trie([self.wording.answer(name) for name in self.answers])

    def whole_names(self, logits: NextLogits, prompt: Queries) -> Float[torch.Tensor, " names"]:
        """Probability of each name of the vocabulary as the whole answer to one prompt.

        Args:
            logits: The model, patched or not.
            prompt: One question.
        """
        import torch

        from circuits.text.trie import name_log_probs

        lengths = torch.from_numpy(prompt.lengths.astype(np.int64))
        tokens = prompt.tokens[:, : int(lengths.max())]
        found = name_log_probs(self._trie, logits, tokens, lengths, float(np.log(LEAST)))
        every = torch.zeros(len(self.vocab))
        every[list(self.answers)] = found[0].exp()
        return every

    def written(self, logits: PredictedLogits, prompt: Queries) -> str:
        """What the model writes after one prompt, the most probable token each time."""
        import torch

        from circuits.text.scoring import greedy_answers

        lengths = torch.from_numpy(prompt.lengths.astype(np.int64))
        longest = int(self.wording.names.lengths.max()) + 1
        end = self.wording.tokenizer.end
        (tokens,) = greedy_answers(logits, prompt.tokens, lengths, end, longest)
        text = self.wording.decode(tokens)
        return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def tokens_of_corpus(vocab: Vocab, queries: Sequence[Queries]) -> ModelTokens | None:
    """The tokens of a run on text; None where every name is a token."""
    wording = next((each.wording for each in queries if each.wording is not None), None)
    if wording is None:
        return None
    from circuits.text.rendering import TextWording

    return ModelTokens(vocab, wording) if isinstance(wording, TextWording) else None
