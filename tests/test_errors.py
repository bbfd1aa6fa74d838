"""Errors go from process to process and say what to do."""

from __future__ import annotations

import errno
import importlib
import pickle
import pkgutil
from pathlib import Path

import pytest

import analyses
import circuits
import train
from circuits.errors import CannotWrite, HopscopeError


def all_kinds() -> list[type[HopscopeError]]:
    for package in (circuits, train, analyses):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    kinds = [HopscopeError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return kinds


def test_every_kind_of_error_survives_the_way_to_another_process() -> None:
    kinds = all_kinds()
    assert len(kinds) >= 4
    for kind in kinds:
        error = kind.__new__(kind, "the sentence.")
        error.step = 7  # type: ignore[attr-defined]
        error.add_note("a note")
        back = pickle.loads(pickle.dumps(error))
        assert type(back) is kind
        assert (str(back), back.step, back.__notes__) == ("the sentence.", 7, ["a note"])


def test_a_failed_write_survives_it_as_it_was_made() -> None:
    error = CannotWrite(Path("run/file"), OSError(errno.ENOSPC, "No space left on device"))
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "make it writable"),
        (errno.ENOENT, "moved or deleted"),
        (errno.EIO, "choose another folder"),
    ],
)
def test_the_remedy_of_a_failed_write_fits_its_cause(number: int, said: str) -> None:
    assert said in str(CannotWrite(Path("run/file"), OSError(number, "why")))
