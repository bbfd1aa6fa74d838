"""Names as plotly must be given them, so that it draws what they say.

plotly reads a handful of HTML tags and entities in every text, TeX between dollar signs where a
page has MathJax, and %{...} in hover templates. Names of facts are none of that.
"""

from __future__ import annotations

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;"}
_TABLE = str.maketrans(_ENTITIES)


def plain(text: str) -> str:
    """`text` such that plotly draws it letter by letter; lines are broken where it has newlines.

    Not for hover templates, in which names have no place: give them as `customdata` or `text`.

    >>> plain("<b>AT&T</b>")
    '&lt;b&gt;AT&amp;T&lt;/b&gt;'
    """
    return text.translate(_TABLE).replace("\n", "<br>")
