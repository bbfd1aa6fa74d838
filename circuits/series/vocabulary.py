"""Which row of a model's embedding belongs to which token of ours.

Our vocabulary is laid out as entities, relations, special symbols; the model's rows are put in that
order. Rows that no question uses follow as special symbols, named as their tokenizer names them, or
are cut away.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from circuits.corpus.corpus import Corpus
from circuits.corpus.vocab import Vocab
from circuits.errors import HopscopeError
from circuits.series.recovered import Recovered
from circuits.series.step_files import StepFiles


class TokenTable:
    """The tokenizer of a folder: the row of a token, and the name of a row."""

    def __init__(self, files: StepFiles) -> None:
        self.folder = files.folder
        names = {path.name for path in files.tokenizer}
        if not names and (files.folder / "vocab.json").is_file():
            names = {"vocab.json"}
        if not names:
            raise HopscopeError(
                f"{files.folder} has no tokenizer, so its tokens have no names; put the files of "
                "one beside the weights, or vocab.json, a list of the tokens in their order."
            )
        self._plain = names == {"vocab.json"}
        """Whether there is only a list of tokens, with their places as rows, or a table of rows."""

    def rows(self, texts: Sequence[str]) -> list[int]:
        """The row of each text, which must be one token.

        Raises:
            HopscopeError: naming the first text that is not, and how many are not.
        """
        found = self._encoded(list(texts))
        several = [text for text, ids in zip(texts, found, strict=True) if len(ids) != 1]
        if several:
            raise HopscopeError(
                f"{len(several):,} of the {len(texts):,} names are not one token each in the "
                f"tokenizer of {self.folder}, {several[0]!r} first; the data are another model's, "
                "or not written as its tokenizer does (many have a space before a word)."
            )
        return [ids[0] for ids in found]

    def names(self, n_rows: int) -> list[str]:
        """What each row of the embedding is called; rows beyond the tokenizer by their number."""
        known = self._by_row
        return [known.get(row, f"row {row}") for row in range(n_rows)]

    @cached_property
    def _by_row(self) -> dict[int, str]:
        table = self._listed if self._plain else self._tokenizer.get_vocab()
        return {row: text for text, row in table.items()}

    def _encoded(self, texts: list[str]) -> list[list[int]]:
        if self._plain:
            return [[self._listed[text]] if text in self._listed else [] for text in texts]
        found: list[list[int]] = self._tokenizer(texts, add_special_tokens=False)["input_ids"]
        said = self._tokenizer.batch_decode(found, clean_up_tokenization_spaces=False)
        # A tokenizer may drop letters that it does not know, or say "unknown" in one token.
        return [
            ids if back.strip() == text.strip() else []
            for text, back, ids in zip(texts, said, found, strict=True)
        ]

    @cached_property
    def _listed(self) -> dict[str, int]:
        path = self.folder / "vocab.json"
        try:
            table = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise HopscopeError(f"{path} is not a readable list of tokens: {error}.") from None
        if isinstance(table, list):
            table = {text: row for row, text in enumerate(table)}
        if not isinstance(table, dict) or not all(type(row) is int for row in table.values()):
            raise HopscopeError(f"{path} is neither a list of tokens nor a table of their rows.")
        return table

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer  # takes seconds, and a plain list does without

        try:
            return AutoTokenizer.from_pretrained(
                self.folder, local_files_only=True, trust_remote_code=False
            )
        except Exception as error:  # a damaged file can raise anything
            first = (str(error) or type(error).__name__).splitlines()[0]
            raise HopscopeError(f"the tokenizer in {self.folder} cannot be read: {first}") from None


def placed(
    recovered: Recovered, table: TokenTable, n_rows: int, *, cut: bool
) -> tuple[Corpus, list[int]]:
    """The corpus with the model's whole vocabulary, and the model's row of each token of ours.

    Args:
        recovered: Questions in a vocabulary of their own names.
        table: The tokenizer.
        n_rows: Rows of the model's embedding.
        cut: Leave out rows that the data's vocabulary does not have.

    Raises:
        HopscopeError: if a name is not one token, or is a token that the model has no row for.
    """
    rows = table.rows(recovered.texts)
    for text, row in zip(recovered.texts, rows, strict=True):
        if row >= n_rows:
            raise HopscopeError(
                f"the tokenizer in {table.folder} gives {text!r} the row {row:,}, but the model "
                f"has {n_rows:,}; is the tokenizer of another model?"
            )
    if len(set(rows)) < len(rows):
        first = next(row for i, row in enumerate(rows) if row in rows[:i])
        alike = [text for text, row in zip(recovered.texts, rows, strict=True) if row == first]
        raise HopscopeError(f"{alike[0]!r} and {alike[1]!r} are the same token in {table.folder}.")
    if cut:
        return recovered.corpus, rows
    names, used = table.names(n_rows), set(rows)
    unused = [row for row in range(n_rows) if row not in used]
    return _extended(recovered.corpus, [names[row] for row in unused]), [*rows, *unused]


def _extended(corpus: Corpus, names: list[str]) -> Corpus:
    """The corpus with further special symbols at the end of its vocabulary."""
    vocab = Vocab(corpus.vocab.entities, corpus.vocab.relations, (*corpus.vocab.specials, *names))
    splits = {
        name: dataclasses.replace(queries, vocab=vocab) for name, queries in corpus.splits.items()
    }
    return dataclasses.replace(corpus, vocab=vocab, splits=splits)
