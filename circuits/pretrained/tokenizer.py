"""A series' own tokenizer: prompts as they are, and names as they follow a prompt.

Prompts are encoded with the special tokens that the tokenizer adds by itself (a beginning of text,
in some families). A name follows a prompt after a blank, and which tokens it then has depends on
the tokenizer; so they are read off a text that ends with the name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tokenizers

from circuits.errors import HopscopeError
from circuits.files import write_atomically
from circuits.text.tokenizers import TextTokenizer

FILE = "tokenizer.json"
_BEFORE = "This is the name of"


@dataclass(frozen=True, eq=False)
class SeriesTokenizer(TextTokenizer):
    """The tokenizer of a series that others trained; it has no marks of ours."""

    @property
    def pad(self) -> int:
        """Fills up shorter rows; attention is causal, so that it may be any token."""
        return 0

    @property
    def end(self) -> int:
        """There is none: an answer ends where its name does."""
        raise HopscopeError("the tokenizer of an imported series has no end-of-answer token.")

    def encode(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """Token ids of each prompt, and their characters in it."""
        found = self.inner.encode_batch(list(texts))
        return [(each.ids, list(each.offsets)) for each in found]

    def names(self, names: Sequence[str]) -> list[tuple[int, ...]]:
        """Tokens of each name as it follows a prompt; none where it cannot be told apart."""
        encode = self.inner.encode_batch
        (before, *whole) = encode(
            [_BEFORE, *(f"{_BEFORE} {name}" for name in names)], add_special_tokens=False
        )
        n = len(before.ids)
        return [tuple(each.ids[n:]) if each.ids[:n] == before.ids else () for each in whole]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of token ids without special tokens."""
        return str(self.inner.decode(list(tokens))).strip()

    def save(self, folder: Path) -> None:
        """Write tokenizer.json."""
        write_atomically(folder / FILE, self.to_json().encode())


def series_tokenizer(folder: Path) -> SeriesTokenizer:
    """The tokenizer in the folder of a checkpoint; no code of the folder is run.

    Raises:
        HopscopeError: if there is none, or it is not one of the fast tokenizers.
    """
    path = folder / FILE
    if path.is_file():
        return stored_series_tokenizer(path)
    from transformers import AutoTokenizer  # older folders have vocab.json and merges.txt

    try:
        found = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        inner = tokenizers.Tokenizer.from_str(found.backend_tokenizer.to_str())
    except Exception as error:  # a damaged file can raise anything
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise HopscopeError(
            f"{folder} has no tokenizer that can be read ({first}); put the model's "
            "tokenizer.json beside the weights."
        ) from None
    return _bare(inner)


def stored_series_tokenizer(path: Path) -> SeriesTokenizer:
    """The tokenizer of a tokenizer.json.

    Raises:
        HopscopeError: if the file is missing or damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
        json.loads(text)
        return _bare(tokenizers.Tokenizer.from_str(text))
    except Exception as error:  # the library raises plain Exceptions
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise HopscopeError(
            f"{path} is missing or not a tokenizer ({first}); put the model's own there."
        ) from None


def _bare(inner: tokenizers.Tokenizer) -> SeriesTokenizer:
    inner.no_truncation()
    inner.no_padding()
    return SeriesTokenizer(inner)
