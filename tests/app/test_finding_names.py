"""Names are found among very many, and stand in the address whatever they hold."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.logic.listed_names import join_names, split_names
from app.logic.name_index import NameIndex
from app.shell.plain_text import as_text
from circuits.errors import unknown_name


@given(st.lists(st.text("ab|\\, ", max_size=6), min_size=1, max_size=4), st.sampled_from("|,"))
def test_names_with_separators_come_back_from_the_address(names: list[str], sign: str) -> None:
    assert split_names(join_names(names, sign), sign) == names


@pytest.mark.parametrize("old", ["Lyon|country|currency", r"a\b|c|d"])
def test_addresses_of_before_mean_what_they_meant(old: str) -> None:
    assert split_names(old, "|") == old.split("|")


def test_a_name_that_is_what_was_typed_comes_first() -> None:
    index = NameIndex([3, 5, 7, 9], ["New York City", "York", "Yorkshire", "Lyon"])
    assert index.search("york") == [5, 7, 3]
    assert index.search("CITY new") == [3]
    assert index.search("york", 1) == [5]
    assert index.search("") == [3, 5, 7, 9]
    assert 9 in index
    assert 4 not in index


def test_one_of_39000_names_is_found_and_a_mistyped_one_refused_at_once() -> None:
    names = [f"Entity number {i} of many" for i in range(39_000)]
    index = NameIndex(range(39_000), names)
    began = time.perf_counter()
    assert index.search("number 38999 of")[0] == 38_999
    error = unknown_name("entity", "Entity number 38999 of mny", names)
    assert "Did you mean 'Entity number 38999 of many'?" in str(error)
    assert time.perf_counter() - began < 2  # it took 3 s on an idle machine, now a tenth of that


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("*Lyon* `x`", r"\*Lyon\* \`x\`"),
        (":red[in] :smile:", r"\:red\[in\] \:smile\:"),
        ("$x^2$", r"\$x\^2\$"),
        ("a -> b", "a \\-\N{WORD JOINER}\\> b"),
        ("two\nlines", "two lines"),
        ("do `hopscope x a_b` *now*", r"do `hopscope x a_b` \*now\*"),
        ("``hopscope *x*`", r"\`\`hopscope \*x\*\`"),
    ],
)
def test_a_name_in_a_message_is_no_markdown(name: str, shown: str) -> None:
    assert as_text(name) == shown
