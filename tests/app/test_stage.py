"""The address follows an instrument also when a callback was interrupted by the next request."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app.shell import address, exporting, stage


class Parameters(dict[str, str]):
    """As `st.query_params` is."""

    def to_dict(self) -> dict[str, str]:
        return dict(self)

    def from_dict(self, values: dict[str, str]) -> None:
        self.clear()
        self.update(values)


class Again(Exception):
    """The script begins anew."""


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Any:
    def rerun() -> None:
        raise Again

    shown = SimpleNamespace(session_state={}, query_params=Parameters(), rerun=rerun)
    for module in (address, exporting, stage):
        monkeypatch.setattr(module, "st", shown)
    monkeypatch.setattr(stage, "mount", lambda *_, **callbacks: callbacks)
    return shown


def show(**how: Any) -> Any:
    run = SimpleNamespace(state="done", steps=[0, 100], corpus=SimpleNamespace(splits={}))
    at = SimpleNamespace(id="run")
    return stage.show_instrument(
        SimpleNamespace(run=run, at=at, name="run", step=100), "formation", b"", **how
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ({"kept": {"tour": None}}, {"run": "run"}),
        ({"step": 0}, {"run": "run", "tour": "1", "step": "0"}),
    ],
    ids=["the tour is left", "the timeline moves"],
)
def test_what_an_interrupted_callback_was_told_is_in_the_address_after_the_next_request(
    session: Any, told: dict[str, Any], kept: dict[str, str]
) -> None:
    address.write(run="run", tour=1)
    show()
    session.session_state["formation"] = told  # and no callback gets as far as writing it
    with pytest.raises(Again):
        show()
    assert session.query_params == kept
    show()  # once is enough


def test_an_address_that_is_changed_by_hand_stays_though_the_instrument_said_otherwise(
    session: Any,
) -> None:
    address.write(run="run", tour=1)
    callbacks = show()
    session.session_state["formation"] = {"kept": {"tour": 5}}
    callbacks["on_kept"]()
    assert session.query_params["tour"] == "5"
    session.query_params.from_dict({"run": "run"})
    address.read()
    show()
    assert session.query_params == {"run": "run"}


def test_of_what_happens_in_a_part_of_a_page_a_step_draws_the_whole_page(session: Any) -> None:
    address.write(run="run")
    callbacks = show(part=True)
    session.session_state["formation"] = {"step": 0, "pick": [[0, 1]]}
    callbacks["on_pick"]()  # the part, since the whole is not asked for
    assert stage.picked("formation") == [[0, 1]]
    with pytest.raises(Again):
        callbacks["on_step"]()
    assert session.query_params["step"] == "0"


def test_a_pick_draws_the_whole_page_while_its_figures_can_be_exported(session: Any) -> None:
    callbacks = show(part=True)
    session.session_state |= {"export_open": True, "formation": {"pick": [[0, 1]]}}
    with pytest.raises(Again):
        callbacks["on_pick"]()
    assert stage.picked("formation") == [[0, 1]]
