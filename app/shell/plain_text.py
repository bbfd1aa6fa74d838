"""Text that Streamlit shows letter by letter.

Captions, messages and labels are Markdown to Streamlit, with colours, icons, emoji and formulas
besides. Names of facts, runs and files are none of that, and neither are errors that quote them.
Only a web address stays what it is: something to click on.
"""

from __future__ import annotations

import re

WORD_JOINER = "\u2060"
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_ARROW = re.compile(r"(?<!\S)([<>=~!-]{2,3})(?!\S)")
"""Signs that Streamlit replaces where they stand alone: -> by an arrow, -- by a dash."""


def as_text(text: str) -> str:
    r"""Markdown that shows `text` as it is, on one line.

    >>> print(as_text("*Lyon* :red[x]"))
    \*Lyon\* \:red\[x\]
    """
    kept = _ARROW.sub(lambda sign: WORD_JOINER.join(sign[1]), " ".join(text.split()))
    return _PUNCTUATION.sub(r"\\\1", kept)
