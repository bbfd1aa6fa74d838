"""Every public name of patching has an example; tests/test_docstrings.py runs them."""

from __future__ import annotations

import pytest

import circuits.patching

PUBLIC = sorted(set(circuits.patching.__all__) - {"COMPONENTS", "HEAD_COMPONENTS", "Component"})


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_an_example(name: str) -> None:
    assert ">>> " in getattr(circuits.patching, name).__doc__
