"""Arrays in the JSON that the instrument is sent; `app.instrument.fields` has the records."""

from typing import NotRequired, TypedDict

Curve = list[float | None]


class Packed(TypedDict):
    """Thousandths, row-major; null where nothing was measured."""

    shape: list[int]
    values: list[int | None]


class PackedBytes(TypedDict):
    """Bits (first bit highest) or small whole numbers (little-endian), row-major, as base64."""

    shape: list[int]
    base64: str


class PackedMeasure(TypedDict):
    """A mean with the ends of its 95% interval, where it has one, and its n.

    `n` has size 1 along the axes on which it does not depend.
    """

    value: Packed
    low: NotRequired[Packed]
    high: NotRequired[Packed]
    n: NotRequired[Packed]
