"""Circuit: the discovered circuit as an object to work with: thresholds, edges, notes, groups."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import streamlit as st

from analyses.circuits.saved_circuits import SavedCircuit, saved_circuit, saved_names
from analyses.figures.words import FIRST_SPLIT, split_of
from app.shell import address, frame
from app.shell.opened import Stamp, model_of, opened, results_of
from app.shell.plain_text import as_text
from app.shell.saving import save_box
from app.shell.stage import picked, show_instrument, timeline_of
from circuits.errors import HopscopeError
from circuits.runs.run import Run

if TYPE_CHECKING:
    from analyses.figures.specs.charts import Spec
    from app.instrument.bench_fields import BenchState
    from app.logic.circuit_bench import Bench

READING = (
    "Click an edge to remove it or put it back, pull the slider to keep the strongest ones only; "
    "the numbers say what the circuit does alone. Everything else is ablated."
)
ABLATIONS = {"mean": "its mean", "interchange": "another question's"}
ANALYSIS = "circuit_discovery"


def page() -> None:
    """Draw the page."""
    frame.page(lambda run: "" if _why_none(run) else READING, _circuit, sliced=False)


def _circuit(shown: frame.Shown) -> list[Spec]:
    _require_circuits(shown)
    _follow_the_address(shown)
    left, middle, right, switch = st.columns([3, 2, 2, 2], vertical_alignment="bottom")
    saved = _choose_saved(shown, left)
    split = _choose_split(shown, saved, middle)
    ablation = _chosen_of("Everything else becomes", "ablation", ABLATIONS, right)
    heads = _heads_apart(shown, saved, switch)
    bench = _bench(shown.at, shown.step, split, heads, ablation)
    state, serial = _state(shown, saved)
    base, kept = _base(bench, saved)
    chosen = bench.kept(state["size"], base, state["toggled"])
    judged = _judged(shown.at, shown.step, split, heads, ablation, frozenset(chosen))

    from app.logic.circuit_record import edited

    body = _body(shown.at, shown.step, split, heads, ablation)
    saves = st.session_state.get("circuit_saves", 0)
    source = f"{saved.name if saved else ''}:{saves}:{address.moved()}:{split}:{heads}"
    answer = edited(serial, source, kept, base, state, judged)
    content = hashlib.sha256(body).hexdigest()[:12]
    show_instrument(shown, "circuit", body, content, edited=answer)
    save_box(shown, bench, chosen, split, state)
    from analyses.figures.registry import figure

    return [figure(bench.chosen(chosen))]


def _why_none(run: Run) -> str:
    """Why no circuit can be discovered in a run; "" if one can."""
    if run.corpus.task != "composition":
        return "this run compares values"
    if run.bridged:
        return "the models of this run are others"
    return "names in this run have several tokens" if run.corpus.text else ""


def _require_circuits(shown: frame.Shown) -> None:
    """Refuse runs whose circuit was not measured, or cannot be."""
    if why := _why_none(shown.run):
        raise frame.NothingToShow(
            "Circuits are discovered in runs of the composition task, with Hopscope's own model "
            f"and names of one token; {why}. The page Formation shows which states the answers "
            "depend on."
        )
    found, problems = results_of(shown.at)
    if ANALYSIS not in found:
        told = [sentence for sentence in problems if ANALYSIS in sentence]
        from app.logic.circuit_bench import missing

        if told:
            raise HopscopeError(told[0])
        raise frame.NothingToShow(missing(shown.run, heads=False))


def _follow_the_address(shown: frame.Shown) -> None:
    """Forget what was made on the page once another run is chosen or the address was changed."""
    cause = (shown.name, address.moved())
    if st.session_state.get("circuit_moved") != cause:
        st.session_state["circuit_moved"] = cause
        for key in ("picked_circuit", "circuit_state", "circuit_saved", "circuit_split",
                    "circuit_ablation", "circuit_heads"):  # fmt: skip
            st.session_state.pop(key, None)


def _choose_saved(shown: frame.Shown, column: Any) -> SavedCircuit | None:
    """The saved circuit that is worked on; None: the discovered one."""
    names = saved_names(shown.run)
    wanted = address.read().get("saved")
    if wanted is not None and wanted not in names:
        there = f"It has {', '.join(names)}." if names else "It has none; save one below."
        st.warning(as_text(f"This run has no saved circuit {wanted[:60]!r}. {there}"))
        address.write(saved=None)
    key = "circuit_saved"
    if st.session_state.get(key) not in ("", *names):
        st.session_state[key] = wanted if wanted in names else ""
    name = column.selectbox(
        "Circuit",
        ["", *names],
        format_func=lambda name: f"saved: {name}" if name else "as discovered",
        key=key,
        on_change=_begin_anew,
    )
    if not name:
        address.write(saved=None)
        return None
    try:
        found = saved_circuit(shown.run, name)
    except HopscopeError as error:
        st.warning(as_text(f"{error} The discovered circuit is shown."))
        address.write(saved=None)
        return None
    address.write(saved=name)
    return found


def _begin_anew() -> None:
    """Another circuit was chosen: what was made of the one before it goes."""
    st.session_state.pop("circuit_state", None)
    name = st.session_state["circuit_saved"]
    address.write(saved=name or None, size=None, toggled=None)
    for key in ("circuit_split", "circuit_heads"):
        st.session_state.pop(key, None)


def _choose_split(shown: frame.Shown, saved: SavedCircuit | None, column: Any) -> str:
    """The questions; at first those of the saved circuit, or of the address."""
    splits = [str(name) for name in results_of(shown.at)[0][ANALYSIS]["split"].values]
    wanted = saved.split if saved else address.read().get("split") or FIRST_SPLIT
    if st.session_state.get("circuit_split") not in splits:
        offered = [name for name in (wanted, FIRST_SPLIT) if name in splits]
        st.session_state["circuit_split"] = (*offered, *splits)[0]
    split: str = column.selectbox(
        "Questions", splits, format_func=lambda name: split_of(name).short, key="circuit_split"
    )
    address.write(split=split if split != FIRST_SPLIT else None)
    return split


def _chosen_of(label: str, parameter: str, choices: dict[str, str], column: Any) -> Any:
    """A choice that the address keeps; the first one is left out there."""
    key, first = f"circuit_{parameter}", next(iter(choices))
    if st.session_state.get(key) not in choices:
        wanted = address.read().get(parameter)
        st.session_state[key] = wanted if wanted in choices else first
    chosen = column.selectbox(label, list(choices), format_func=choices.__getitem__, key=key)
    address.write(**{parameter: chosen if chosen != first else None})
    return chosen


def _heads_apart(shown: frame.Shown, saved: SavedCircuit | None, column: Any) -> bool:
    """Whether attention heads are told apart, which a result of its own does."""
    key = "circuit_heads"
    if key not in st.session_state:
        wanted = saved.heads if saved else address.read().get("apart") == "1"
        st.session_state[key] = wanted
    apart = column.toggle("Heads apart", key=key, disabled=saved is not None)
    if apart and _heads_missing(shown.at):
        from app.logic.circuit_bench import missing

        st.info(as_text(missing(shown.run, heads=True)))
        apart = False
    address.write(apart="1" if apart else None)
    return bool(apart)


def _heads_missing(at: Stamp) -> bool:
    from analyses.stored import stored_result

    return stored_result(opened(at), ANALYSIS, heads=True) is None


@st.cache_resource(max_entries=6, show_spinner="Judging the circuit ...", hash_funcs={Stamp: str})
def _bench(at: Stamp, step: int, split: str, heads: bool, ablation: str) -> Bench:
    from app.logic.circuit_bench import Bench

    return Bench.of(opened(at), model_of(at, step), step, split, heads, ablation)  # type: ignore[arg-type]


@st.cache_data(max_entries=12, show_spinner="Judging the circuit ...", hash_funcs={Stamp: str})
def _body(at: Stamp, step: int, split: str, heads: bool, ablation: str) -> bytes:
    from app.logic.circuit_record import bench_payload

    return bench_payload(timeline_of(at), _bench(at, step, split, heads, ablation))


@st.cache_resource(max_entries=256, show_spinner=False, hash_funcs={Stamp: str})
def _judged(
    at: Stamp, step: int, split: str, heads: bool, ablation: str, kept: frozenset[int]
) -> Any:
    return _bench(at, step, split, heads, ablation).judged(kept)


def _base(bench: Bench, saved: SavedCircuit | None) -> tuple[frozenset[int], str]:
    """The edges that the circuit starts from, and what they are called."""
    from app.logic.circuit_record import edges_of

    if saved is None:
        return bench.found, f"discovered at step {bench.step:,}"
    return edges_of(bench, saved), f"saved at step {saved.step:,}"


def _state(shown: frame.Shown, saved: SavedCircuit | None) -> tuple[BenchState, int]:
    """What the user has made of the circuit, and the serial number of the page's message."""
    from app.logic.circuit_record import checked_state

    known = st.session_state.get("circuit_state")
    if known is None:
        asked = address.read()
        size, toggled = asked.get("size", ""), re.findall(r"\d{1,7}", asked.get("toggled", ""))
        begin = {
            "size": int(size) if re.fullmatch(r"\d{1,7}", size) else None,
            "toggled": [int(i) for i in toggled],
            "notes": saved.notes if saved else {},
            "groups": {g: list(heads) for g, heads in saved.groups.items()} if saved else {},
        }
        known = (checked_state(begin), 0)
    sent = picked("circuit")
    st.session_state.pop("picked_circuit", None)
    if isinstance(sent, dict) and isinstance(sent.get("serial"), int):
        known = (checked_state(sent.get("state")), sent["serial"])
    st.session_state["circuit_state"] = known
    state, serial = known
    address.write(
        size=state["size"],
        toggled=",".join(map(str, state["toggled"])) or None,
    )
    return state, serial
