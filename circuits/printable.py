"""How names from files are shown in a terminal: as text, never as commands to it."""

from __future__ import annotations

import unicodedata

_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories that move the cursor, colour, reorder or cannot be encoded."""
_JOINERS = {"\u200c", "\u200d"}
"""These only shape letters in Persian, Indic scripts and emoji, so they are allowed."""


def printable(text: object, keep: str = "") -> str:
    r"""`text` with every character that would control a terminal replaced by its escape.

    Args:
        text: A name, or a sentence with names in it; other objects are taken by `str`.
        keep: Characters to leave as they are, e.g. "\n" in a message of several lines.

    >>> printable("Lyon \x1b[31min\x1b[0m")
    'Lyon \\x1b[31min\\x1b[0m'
    >>> printable("Kraków, 東京, [/film/genre], :key:")
    'Kraków, 東京, [/film/genre], :key:'
    """
    return "".join(c if c in keep or not _acts(c) else _escape(c) for c in str(text))


def _acts(character: str) -> bool:
    return unicodedata.category(character) in _UNSEEN and character not in _JOINERS


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
