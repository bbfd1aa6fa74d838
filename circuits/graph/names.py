"""Names of entities and relations: checked once, when they are read.

1. Refused: control characters (NUL, escape, line breaks, ...) and half surrogate pairs. The former
   break terminals, tables and files; the latter cannot be written as UTF-8.
2. Unified: outer spaces are removed, and canonically equivalent spellings are one name (Unicode
   normalization form C), because "é" looks the same as one character or as "e" and an accent.
3. Everything else is kept as it is, "NA", "null" and "None" included.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from circuits.errors import HopscopeError

UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, line and paragraph separators, and surrogates."""
_EXAMPLES = 20  # unified names that a report lists


def name_fault(name: str) -> str | None:
    r"""Why this text cannot be a name, or None if it can.

    >>> name_fault("Lyon\x00")
    'has a name with the control character U+0000'
    >>> name_fault("Kraków") is None
    True
    """
    found = UNWRITABLE.search(name)
    if found is None:
        return None
    code = ord(found[0])
    kind = "half surrogate pair" if 0xD800 <= code <= 0xDFFF else "control character"
    return f"has a name with the {kind} U+{code:04X}"


def check_names(kind: str, names: Iterable[str]) -> None:
    """Refuse a name that `Names` would not have let in.

    Raises:
        HopscopeError: for the first one with a control character or half a surrogate pair.
    """
    for name in names:
        fault = name_fault(name)
        if fault:
            raise HopscopeError(f"{kind} {name!r} {fault}; leave the character out.")


class Names(dict[str, str]):
    """Name by spelling: `names[text]` checks and unifies a text when it is first seen.

    Raises:
        ValueError: from `names[text]`, with what is wrong with the text.

    >>> names = Names()
    >>> names[" Lyon "], names["NA"]
    ('Lyon', 'NA')
    >>> names.report()["spellings"], names.report()["unified"]
    (2, 0)
    """

    def __missing__(self, text: str) -> str:
        fault = name_fault(text)
        if fault:
            raise ValueError(fault)
        name = text.strip()
        if not name.isascii():
            name = unicodedata.normalize("NFC", name)
        self[text] = name
        return name

    def report(self) -> dict[str, Any]:
        """Counts of spellings and names, and the names with several spellings."""
        changed = {name for text, name in self.items() if text != name}
        spellings: defaultdict[str, list[str]] = defaultdict(list)
        for text, name in self.items() if changed else ():
            if name in changed:
                spellings[name].append(text)
        unified = {name: sorted(texts) for name, texts in spellings.items() if len(texts) > 1}
        return {
            "spellings": len(self),
            "names": len(self) - sum(len(texts) - 1 for texts in unified.values()),
            "unified": len(unified),
            "examples": [[name, unified[name]] for name in sorted(unified)[:_EXAMPLES]],
        }

    def sentences(self) -> list[str]:
        """What was unified, in words; empty if nothing was."""
        report = self.report()
        if not report["unified"]:
            return []
        name, texts = report["examples"][0]
        return [
            f"{report['unified']:,} names are spelled in several ways that differ only in outer "
            "spaces or in how accents are encoded (Unicode NFC); each is one name, e.g. "
            f"{name!r} for {', '.join(map(ascii, texts))}."
        ]
