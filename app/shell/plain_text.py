"""Text that Streamlit shows literally.

Streamlit reads captions, messages and labels as Markdown with colours, icons, emoji and formulas.
Names of facts, runs and files, and errors that quote them, are plain text. Only a web address
remains a link.
"""

from __future__ import annotations

import re

WORD_JOINER = "\u2060"
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_COMMAND = re.compile(r"(?<!`)(`hopscope [^`]+`)(?!`)")
_ARROW = re.compile(r"(?<!\S)([<>=~!-]{2,3})(?!\S)")
"""Characters that Streamlit replaces if they stand alone: -> by an arrow, -- by a dash."""


def as_text(text: str) -> str:
    r"""Markdown that shows `text` as it is, on one line; our commands in backquotes as code.

    >>> print(as_text("*Lyon* :red[x]"))
    \*Lyon\* \:red\[x\]
    >>> print(as_text("run `hopscope analyze my_run`!"))
    run `hopscope analyze my_run`\!
    """
    parts = _COMMAND.split(" ".join(text.split()))
    return "".join(part if i % 2 else _escaped(part) for i, part in enumerate(parts))


def _escaped(text: str) -> str:
    kept = _ARROW.sub(lambda sign: WORD_JOINER.join(sign[1]), text)
    return _PUNCTUATION.sub(r"\\\1", kept)
