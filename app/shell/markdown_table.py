"""A table as text: its cells wrap, and no grid has to be loaded to show it."""

from __future__ import annotations

from collections.abc import Sequence

from app.shell.plain_text import as_text


def markdown_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[bool] = ()
) -> str:
    r"""A small table of plain text, as Markdown; Streamlit's own loads half a megabyte of grid.

    Args:
        heads: Names of the columns.
        rows: Their cells.
        numbers: Whether each column holds numbers, which are set to the right; (): none does.

    >>> print(markdown_table(["name", "n"], [["a|b", "3"]], [False, True]))
    | name | n |
    | --- | ---: |
    | a\|b | 3 |
    """
    ends = [":" if number else "" for number in numbers] or [""] * len(heads)
    lines = [[as_text(cell) for cell in line] for line in (heads, *rows)]
    lines.insert(1, [f"---{end}" for end in ends])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
