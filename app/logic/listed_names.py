r"""Several names in one parameter of the address, whatever the names hold.

Names stand between separators; a separator or a backslash inside a name has a backslash before it.
Names without either look as they are, so that old addresses stay good.
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
    r"""The names in a text of `join_names`; a backslash before any other letter is one.

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
