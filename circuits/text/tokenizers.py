"""Tokenizers: byte-level BPE trained on the facts, one token per name, or somebody else's.

All are `tokenizers.Tokenizer`s, stored as `tokenizer.json`, with two marks added where they lack
them: padding, and the end of an answer. Every text and every name is encoded with a leading blank,
so that a name has the same tokens at the beginning of a text, inside it and as an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers

from circuits.errors import HopscopeError

PAD, END = "<pad>", "<end>"


@dataclass(frozen=True, eq=False)
class TextTokenizer:
    """A tokenizer with the two marks.

    >>> tokenizer = trained_bpe(["The mother of Ada is Eve."], 270)
    >>> ids, _ = tokenizer.encode(["Ada"])[0]
    >>> tokenizer.decode(ids), ids == tokenizer.encode(["of Ada"])[0][0][-len(ids):]
    ('Ada', True)
    """

    inner: tokenizers.Tokenizer

    def __len__(self) -> int:
        return int(self.inner.get_vocab_size(with_added_tokens=True))

    @property
    def pad(self) -> int:
        """Token id that fills up shorter rows."""
        return self._mark(PAD)

    @property
    def end(self) -> int:
        """Token id that ends an answer."""
        return self._mark(END)

    def _mark(self, mark: str) -> int:
        number = self.inner.token_to_id(mark)
        assert number is not None, f"{mark} is added when the tokenizer is made"
        return int(number)

    def encode(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """Token ids of each text, and their characters in it.

        The blank that is put before a text has no character in it: offsets are those in the text
        as given, and a token of the blank alone ends at 0.
        """
        found = self.inner.encode_batch([f" {text}" for text in texts], add_special_tokens=False)
        return [
            (each.ids, [(max(start - 1, 0), end - 1) for start, end in each.offsets])
            for each in found
        ]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of token ids without the marks."""
        marks = (self.pad, self.end)
        text: str = self.inner.decode([t for t in tokens if t not in marks])
        return text.strip()

    def pieces(self, tokens: Sequence[int]) -> list[str]:
        """The text of each token, as far as it is text by itself."""
        return [self.inner.decode([token], skip_special_tokens=False) for token in tokens]

    def to_json(self) -> str:
        """The content of tokenizer.json."""
        return str(self.inner.to_str(pretty=False))


def readable(tokenizer: TextTokenizer, token: int) -> str:
    """A token as people can read it: "␣" for a blank, and bytes that are not a whole letter in hex.

    >>> tokenizer = trained_bpe(["Ada Ada"], 262)
    >>> ids, _ = tokenizer.encode(["Ada 東"])[0]
    >>> [readable(tokenizer, token) for token in ids]
    ['␣Ada', '␣', '‹E6›', '‹9D›', '‹B1›']
    """
    (text,) = tokenizer.pieces([token])
    if "\ufffd" in text or not text.replace("\n", "").isprintable():
        raw = tokenizer.inner.id_to_token(token) or ""
        text = "‹" + " ".join(_byte(letter) for letter in raw) + "›"
    return text.replace(" ", "␣").replace("\n", "⏎") or "‹nothing›"


def _byte(letter: str) -> str:
    """The byte that a letter stands for in GPT-2's alphabet: printable ones for themselves."""
    number = ord(letter)
    if number >= 256:  # in order, the bytes that do not print
        printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
        number = [byte for byte in range(256) if byte not in printable][number - 256]
    return f"{number:02X}"


def trained_bpe(texts: Iterable[str], vocab_size: int) -> TextTokenizer:
    """Byte-level BPE (GPT-2's form), trained on texts; the same texts give the same tokenizer.

    >>> len(trained_bpe(["Ada Ada Ada"], 260))
    260
    """
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator((f" {text}" for text in texts), trainer)
    return _marked(inner)


def one_token_per_name(names: Iterable[str], texts: Iterable[str]) -> TextTokenizer:
    """A token per name, and one per other word or punctuation mark of the texts.

    >>> tokenizer = one_token_per_name(["New York", "York"], ["The mayor of New York is here."])
    >>> tokenizer.pieces(tokenizer.encode(["The mayor of New York is"])[0][0])
    ['The', 'mayor', 'of', 'New York', 'is']
    """
    names = list(dict.fromkeys(names))
    split = pre_tokenizers.Whitespace()
    words = {word for text in texts for word, _ in split.pre_tokenize_str(text)}
    order = [PAD, END, "<unknown>", *sorted(words - set(names))]
    vocabulary = {word: number for number, word in enumerate(order)}
    inner = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token="<unknown>"))
    inner.pre_tokenizer = split
    inner.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    inner.add_tokens([AddedToken(n, single_word=True, normalized=False) for n in names])
    return _marked(inner)


def given_tokenizer(name: str) -> TextTokenizer:
    """A tokenizer.json by path, or a tokenizer by its name on the Hugging Face hub.

    Raises:
        HopscopeError: if it cannot be read.

    >>> given_tokenizer("nowhere/tokenizer.json")
    Traceback (most recent call last):
    circuits.errors.HopscopeError: text.tokenizer: nowhere/tokenizer.json cannot be read ...
    """
    path = Path(name)
    try:
        if name.endswith(".json") or path.exists():
            path = path / "tokenizer.json" if path.is_dir() else path
            return _marked(tokenizers.Tokenizer.from_str(path.read_text(encoding="utf-8")))
        return _marked(tokenizers.Tokenizer.from_pretrained(name))
    except HopscopeError:
        raise
    except Exception as error:  # the library raises plain Exceptions
        if isinstance(error, OSError) and not isinstance(error, UnicodeError):
            why = error.strerror or str(error)
        else:
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise HopscopeError(
            f"text.tokenizer: {name} cannot be read ({why}); give bpe, names, the path of a "
            "tokenizer.json, or the name of a model on the Hugging Face hub that has one."
        ) from error


def stored_tokenizer(path: Path) -> TextTokenizer:
    """The tokenizer.json of a run folder."""
    try:
        inner = tokenizers.Tokenizer.from_str(path.read_text(encoding="utf-8"))
        if inner.token_to_id(PAD) is None or inner.token_to_id(END) is None:
            raise ValueError("it lacks its marks")
    except Exception as error:  # the library raises plain Exceptions
        raise HopscopeError(
            f"{path} is missing or damaged ({error}); train the run again from its recipe.toml."
        ) from error
    inner.encode_special_tokens = True
    return TextTokenizer(inner)


def _marked(inner: tokenizers.Tokenizer) -> TextTokenizer:
    """With both marks, without truncation or padding, and blind to marks inside a text."""
    inner.no_truncation()
    inner.no_padding()
    inner.add_special_tokens([AddedToken(mark, special=True) for mark in (PAD, END)])
    inner.encode_special_tokens = True
    return TextTokenizer(inner)
