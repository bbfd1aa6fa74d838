"""Text that Streamlit shows literally.

Streamlit reads captions, messages and labels as Markdown with colours, icons, emoji and formulas.
Names of facts, runs and files, and errors that quote them, are plain text. Only a web address
remains a link.
"""

from __future__ import annotations

import re

WORD_JOINER = "\u2060"
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_ARROW = re.compile(r"(?<!\S)([<>=~!-]{2,3})(?!\S)")
"""Characters that Streamlit replaces if they stand alone: -> by an arrow, -- by a dash."""


def as_text(text: str) -> str:
    r"""Markdown that shows `text` as it is, on one line.

    >>> print(as_text("*Lyon* :red[x]"))
    \*Lyon\* \:red\[x\]
    """
    kept = _ARROW.sub(lambda sign: WORD_JOINER.join(sign[1]), " ".join(text.split()))
    return _PUNCTUATION.sub(r"\\\1", kept)
