"""Escape names, so that plotly draws them literally.

plotly reads a handful of HTML tags and entities in every text, TeX between dollar signs where a
page has MathJax, and %{...} in hover templates. Names of facts are plain text.
"""

from __future__ import annotations

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;"}
_TABLE = str.maketrans(_ENTITIES)


def plain(text: str) -> str:
    """`text` escaped such that plotly draws it literally; newlines become line breaks.

    Not for hover templates, which must not contain names: give those as `customdata` or `text`.

    >>> plain("<b>AT&T</b>")
    '&lt;b&gt;AT&amp;T&lt;/b&gt;'
    """
    return text.translate(_TABLE).replace("\n", "<br>")
