"""English wordings of relations that are no nouns, or are said in other ways as well.

Most relations of the built-in sources and of 2WikiMultiHopQA are noun phrases already ("date of
death", "largest city") and are used as they are. A recipe's [text] adds to these or replaces them.
"""

from __future__ import annotations

PHRASES: dict[str, tuple[str, ...]] = {
    "award received": ("award",),
    "cast member": ("actor",),
    "child": ("child", "son or daughter"),
    "children": ("child", "son or daughter"),
    "country of citizenship": ("country of citizenship", "nationality"),
    "date of birth": ("date of birth", "birth date"),
    "date of death": ("date of death", "death date"),
    "educated at": ("place of education", "university"),
    "father": ("father", "male parent"),
    "founded by": ("founder",),
    "has part": ("part",),
    "has part(s)": ("part",),
    "inception": ("date of foundation",),
    "itself": ("name",),
    "language": ("language", "official language"),
    "largest city": ("largest city", "most populous city"),
    "mother": ("mother", "female parent"),
    "next city east": ("next city to the east",),
    "next city north": ("next city to the north",),
    "next city south": ("next city to the south",),
    "next city west": ("next city to the west",),
    "parents": ("parent",),
    "place of birth": ("place of birth", "birthplace"),
    "place of death": ("place of death", "death place"),
    "place of detention": ("prison",),
    "publication date": ("publication date", "release date"),
    "spouse": ("spouse", "husband or wife"),
    "student of": ("teacher",),
}
"""Noun phrases of relations, as they stand in "the ... of {subject}"."""

STATEMENTS: dict[str, tuple[str, ...]] = {
    "capital": ("The [capital] of {subject} is {object}.",),
    "country": (
        "The [country] of {subject} is {object}.",
        "{subject} lies in the [country] of {object}.",
    ),
    "date of birth": (
        "The [date of birth] of {subject} is {object}.",
        "{subject} was [born on] {object}.",
    ),
    "date of death": (
        "The [date of death] of {subject} is {object}.",
        "{subject} [died on] {object}.",
    ),
    "educated at": ("{subject} was [educated at] {object}.",),
    "employer": (
        "The [employer] of {subject} is {object}.",
        "{subject} [works for] {object}.",
    ),
    "founded by": ("{subject} was [founded by] {object}.",),
    "inception": ("{subject} was [founded on] {object}.",),
    "itself": ("The [name] of {subject} is {object}.",),
    "place of birth": (
        "The [place of birth] of {subject} is {object}.",
        "{subject} was [born in] {object}.",
    ),
    "place of death": (
        "The [place of death] of {subject} is {object}.",
        "{subject} [died in] {object}.",
    ),
    "spouse": (
        "The [spouse] of {subject} is {object}.",
        "{subject} is [married to] {object}.",
    ),
}
"""Statements of relations; the words in brackets stand for the relation."""
