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
    "award received": (
        "The [award] of {subject} is {object}.",
        "{subject} [received] {object}.",
    ),
    "capital": ("The [capital] of {subject} is {object}.",),
    "cause of death": (
        "The [cause of death] of {subject} is {object}.",
        "{subject} [died of] {object}.",
    ),
    "child": (
        "A [child] of {subject} is {object}.",
        "{subject} is a [parent of] {object}.",
    ),
    "composer": (
        "The [composer] of {subject} is {object}.",
        "{subject} was [composed by] {object}.",
    ),
    "country": (
        "The [country] of {subject} is {object}.",
        "{subject} lies in the [country] of {object}.",
    ),
    "country of origin": (
        "The [country of origin] of {subject} is {object}.",
        "{subject} [originates from] {object}.",
    ),
    "date of birth": (
        "The [date of birth] of {subject} is {object}.",
        "{subject} has the [birth date] {object}.",
    ),
    "date of death": (
        "The [date of death] of {subject} is {object}.",
        "{subject} has the [death date] {object}.",
    ),
    "director": (
        "The [director] of {subject} is {object}.",
        "{subject} was [directed by] {object}.",
    ),
    "editor": (
        "The [editor] of {subject} is {object}.",
        "{subject} was [edited by] {object}.",
    ),
    "educated at": (
        "{subject} was [educated at] {object}.",
        "{subject} [studied at] {object}.",
    ),
    "employer": (
        "The [employer] of {subject} is {object}.",
        "{subject} [works for] {object}.",
    ),
    "father": (
        "The [father] of {subject} is {object}.",
        "{subject}'s [father] is {object}.",
    ),
    "founded by": (
        "{subject} was [founded by] {object}.",
        "The [founder] of {subject} is {object}.",
    ),
    "inception": (
        "The [date of foundation] of {subject} is {object}.",
        "{subject} has existed [since] {object}.",
    ),
    "itself": ("The [name] of {subject} is {object}.",),
    "mother": (
        "The [mother] of {subject} is {object}.",
        "{subject}'s [mother] is {object}.",
    ),
    "performer": (
        "The [performer] of {subject} is {object}.",
        "{subject} was [performed by] {object}.",
    ),
    "place of birth": (
        "The [place of birth] of {subject} is {object}.",
        "{subject} was [born in] {object}.",
    ),
    "place of burial": (
        "The [place of burial] of {subject} is {object}.",
        "{subject} was [buried in] {object}.",
    ),
    "place of death": (
        "The [place of death] of {subject} is {object}.",
        "{subject} [died in] {object}.",
    ),
    "place of detention": (
        "The [prison] of {subject} is {object}.",
        "{subject} was [imprisoned in] {object}.",
    ),
    "producer": (
        "The [producer] of {subject} is {object}.",
        "{subject} was [produced by] {object}.",
    ),
    "publication date": (
        "The [publication date] of {subject} is {object}.",
        "{subject} has the [release date] {object}.",
    ),
    "publisher": (
        "The [publisher] of {subject} is {object}.",
        "{subject} was [published by] {object}.",
    ),
    "sibling": (
        "A [sibling] of {subject} is {object}.",
        "{subject} is a [sibling of] {object}.",
    ),
    "spouse": (
        "The [spouse] of {subject} is {object}.",
        "{subject} is [married to] {object}.",
    ),
}
"""Statements of relations; the words in brackets stand for the relation. Dates may be whole or a
year alone, and a country may be an adjective ("American"), so both fit."""
