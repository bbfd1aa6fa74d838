"""Several figures at once: those that can be made, and a sentence on each of the others."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from typing import TypeVar

from analyses.figures.run_figures import RunFigure
from analyses.slices.cutting import NotOnSlice
from analyses.slices.slice import NoneInSlice
from circuits.errors import HopscopeError

T = TypeVar("T")


class LeftOut:
    """Figures that could not be made, and why."""

    def __init__(self) -> None:
        self.whole: list[str] = []
        """Figures that are of all questions, and a slice was asked for."""
        self.unasked: list[str] = []
        """Figures that show no question of the slice."""
        self.none = ""
        """Of the first of those, that its split has none, and what to do."""
        self.why: dict[str, list[str]] = {}
        """The other figures, by what is wrong and what to do."""

    def add(self, name: str, error: HopscopeError) -> None:
        """Note a figure that could not be made."""
        if isinstance(error, NotOnSlice):
            self.whole.append(name)
        elif isinstance(error, NoneInSlice):
            self.unasked.append(name)
            self.none = self.none or str(error)
        else:
            self.why.setdefault(str(error), []).append(name)

    def take(self, others: LeftOut) -> None:
        """Note what another process has left out."""
        self.whole += others.whole
        self.unasked += others.unasked
        self.none = self.none or others.none
        for why, names in others.why.items():
            self.why.setdefault(why, []).extend(names)

    @property
    def sentences(self) -> list[str]:
        """One for each reason; empty: every figure was made.

        >>> left_out = LeftOut()
        >>> left_out.add("mrr_added", HopscopeError("analyze the run again."))
        >>> left_out.sentences
        ['left out mrr_added: analyze the run again.']
        """
        found = [f"left out {', '.join(names)}: {why}" for why, names in self.why.items()]
        if self.unasked:
            found.append(f"no question of the slice, so left out: {', '.join(self.unasked)}")
        if self.whole:
            found.append(f"cannot be read on a slice, so left out: {', '.join(self.whole)}")
        return found


def each_made(
    figures: Sequence[RunFigure],
    make: Callable[[RunFigure], T],
    left_out: LeftOut,
    required: Container[str] = (),
) -> Iterator[tuple[str, T]]:
    """Figures by name, each made when it is asked for; those that cannot be made are noted.

    Args:
        figures: Figures of a run.
        make: Makes one of them.
        left_out: Takes the others.
        required: Names of figures without which there is no going on.

    Raises:
        HopscopeError: if one of `required` cannot be made; or if none at all can, with why.
    """
    made = 0
    for found in figures:
        try:
            spec = make(found)
        except HopscopeError as error:
            if found.name in required or len(figures) == 1:
                raise
            left_out.add(found.name, error)
        else:
            made += 1
            yield found.name, spec
    if figures and not made:
        raise HopscopeError(left_out.none or " ".join(left_out.why) or left_out.sentences[0])
