r"""Several names, with any characters, in one parameter of the address.

Separators divide the names; a backslash precedes a separator or a backslash inside a name. Names
without either are unchanged, so that old addresses stay valid.
"""

from __future__ import annotations

from collections.abc import Iterable

ESCAPE = "\\"


def join_names(names: Iterable[str], separator: str) -> str:
    r"""The names as one text.

    >>> print(join_names(["a|b", "c"], "|"))
    a\|b|c
    """
    escaped = (
        name.replace(ESCAPE, 2 * ESCAPE).replace(separator, ESCAPE + separator) for name in names
    )
    return separator.join(escaped)


def split_names(text: str, separator: str) -> list[str]:
    r"""The names in a text of `join_names`; a backslash before any other character is literal.

    >>> split_names(r"a\|b|c", "|")
    ['a|b', 'c']
    """
    names, rest = [""], iter(text)
    for letter in rest:
        if letter == ESCAPE:
            after = next(rest, "")
            names[-1] += after if after in (ESCAPE, separator) else ESCAPE + after
        elif letter == separator:
            names.append("")
        else:
            names[-1] += letter
    return names
