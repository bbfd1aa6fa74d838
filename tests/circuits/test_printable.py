"""Names on a terminal are text."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from circuits.printable import printable


def test_escape_sequences_lose_their_power_and_letters_stay():
    assert printable("Lyon\x1b[31m") == "Lyon\\x1b[31m"
    assert printable("a\x00b\rc\td") == "a\\x00b\\rc\\td"
    assert printable("right\u202eleft") == "right\\u202eleft"
    assert printable("Ly\ud800on") == "Ly\\ud800on"
    for name in ("Kraków", "東京", "[/film/genre]", ":key:", "می\u200cخواهم", "👩\u200d🚀"):
        assert printable(name) == name


@given(st.text(st.characters(codec=None)))
def test_nothing_that_acts_on_a_terminal_is_left(text):
    shown = printable(text)
    assert not any(unicodedata.category(c) in {"Cc", "Cs"} for c in shown)
    shown.encode()


def test_a_message_may_keep_its_lines():
    assert printable("one\ntwo\x07", keep="\n") == "one\ntwo\\x07"
