"""The fields of the JSON of the drawing of an entity's neighbourhood; see `fields`."""

from typing import TypedDict


class Fact(TypedDict):
    """A fact of the entity in the middle."""

    name: str
    relation: str
    provenance: str


class Side(TypedDict):
    """The facts that lead to the entity, or away from it."""

    heading: str
    facts: list[Fact]


class AroundPayload(TypedDict):
    """The facts around an entity; `sides` are "in" and "out"."""

    entity: str
    sides: dict[str, Side]
    colours: dict[str, str]
