"""Train: start a recipe, watch its circuit form, stop and resume it."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import streamlit as st

from app.background import jobs
from app.instrument.component import mount
from app.instrument.measures import Datasets
from app.instrument.payload import formation_payload
from app.logic.drawn_results import CORE_ANALYSES
from app.shell import address, frame
from app.shell.folders import find_runs, runs_folder
from app.shell.opened import Stamp, opened, results_of, stamp
from app.shell.plain_text import as_text
from circuits.errors import HopscopeError
from circuits.recipes.schema import Recipe, load_recipe
from circuits.runs.run import Run
from train.recipes import shipped

READING = (
    "Choose a recipe, change its main settings and start; the training continues after you close "
    "the browser."
)
REFRESH_SECONDS = 2.0
SETTINGS = (
    ("augmentation.phi", "phi", "Trained compositions per fact.", 0.1),
    ("training.steps", "Steps", "Optimizer steps.", 100),
    ("training.weight_decay", "Weight decay", "Decoupled, as in AdamW.", 0.05),
    ("training.lr", "Learning rate", "After the warm-up.", 0.0001),
    ("model.n_layers", "Layers", "Blocks of the transformer.", 1),
    ("model.d_model", "Width", "Size of a state, d_model.", 16),
    ("seed", "Seed", "Decides on the splits, the first weights and the batches.", 1),
)
"""Recipe key, label, meaning and step of the numbers that can be changed here."""


def page() -> None:
    """Draw the page."""
    frame.plain_page(READING, _train)


def _train() -> None:
    with st.container(key="train"):  # dashboard.py's style stacks its columns on a narrow page
        form, watched = st.columns([1, 3.2])
    with form, st.container(border=True, key="train_form"):
        _form()
    with watched:
        _watch()


def _watch() -> None:
    """A run as it is now: its progress and its circuit."""
    paths = find_runs().paths
    started = st.session_state.get("watched")
    if started is not None and started not in paths:  # its folder appears in a moment
        paths = {started: runs_folder() / started, **paths}
    if not paths:
        st.info("Start a training on the left; its circuit is drawn here while it forms.")
        return
    names = list(paths)
    wanted = started or address.read().get("run")
    index = names.index(wanted) if wanted in names else 0
    with st.container(key="watched_run"):
        column, rest = st.columns([1.1, 4], vertical_alignment="center")
    name = column.selectbox("Run to watch", names, index=index, label_visibility="collapsed")
    address.write(run=name, step=None)
    alive = jobs.is_running(paths[name]) or jobs.is_measuring(paths[name])
    with rest:
        st.fragment(_status, run_every=REFRESH_SECONDS if alive else None)(paths[name])
    st.fragment(_forming, run_every=REFRESH_SECONDS if alive else None)(name, paths[name])


def recipes() -> dict[str, Path]:
    """The recipes that come with Hopscope, and those in the runs folder, by name."""
    mine = sorted(runs_folder().glob("*.toml"))
    return {path.stem: path for path in mine if not path.is_symlink()} | shipped()


def _form() -> None:
    available = recipes()
    if not available:
        st.error("No recipe was found in train/recipes.")
        return
    names = sorted(available, key=lambda name: name != "demo")
    chosen = st.selectbox("A new run of the recipe", names, key="recipe")
    recipe = load_recipe(available[chosen])
    # Proposed once: a text field loses what was typed into it when its default changes.
    now = datetime.datetime.now().strftime("%m%d-%H%M")
    proposed = st.session_state.setdefault(f"proposed_{chosen}", f"{chosen}-{now}")
    name = st.text_input("Name of the run", value=proposed, key=f"name_{chosen}")
    settings = _settings(chosen, recipe)
    measured = st.toggle("Measure the circuit meanwhile", value=True, key="measured")
    if not st.button(
        "Start training", type="primary", icon=":material/play_arrow:", width="stretch"
    ):
        return
    try:
        out = _new_folder(name)
        load_recipe(available[chosen], settings)  # refuses settings before a process starts
        jobs.start(available[chosen], out, settings)
        if measured:
            jobs.measure(out)
    except HopscopeError as error:
        st.error(as_text(str(error)))
        return
    st.session_state["watched"] = out.name
    st.toast(f"Training {as_text(out.name)} has begun.")


def _settings(chosen: str, recipe: Recipe) -> list[str]:
    """Overrides "key=value" for the changed settings."""
    overrides = []
    columns = st.columns(2)
    for i, (key, label, words, step) in enumerate(SETTINGS):
        section, _, field = key.rpartition(".")
        value: Any = getattr(getattr(recipe, section) if section else recipe, field)
        if value is None:
            continue
        kind = type(value)
        shape: dict[str, Any] = {"value": value, "step": kind(step), "help": words}
        if kind is float:
            shape["format"] = "%.5g"
        new = columns[i % 2].number_input(label, key=f"{chosen}_{key}", **shape)
        if new != value:
            overrides.append(f"{key}={new}")
    return overrides


def _new_folder(name: str) -> Path:
    """Folder of a new run; a name that leads out of the runs folder is refused."""
    clean = name.strip()
    if not clean or clean.startswith(".") or any(c in clean for c in "/\\\0"):
        raise HopscopeError(
            f"{name!r} cannot name a run; use letters, digits, dots and dashes, e.g. demo-2."
        )
    return runs_folder() / clean


def _status(path: Path) -> None:
    """The training's progress, and the buttons that stop and resume it."""
    running = jobs.is_running(path)
    try:
        run = opened(stamp(path))
    except HopscopeError as error:
        if running:
            st.info("The training is being prepared ...", icon=":material/hourglass_top:")
        else:
            told = jobs.log_tail(path, 3)  # why it was refused; then there is no folder to open
            st.error(as_text(f"The training did not start. {told}" if told else str(error)))
        return
    left, *places = st.columns([3.4, 1.1, 1.1, 1.3], vertical_alignment="center")
    with left:
        _progress(run, run.rows(), running)
    try:
        if _pressed(places, path, run, running):
            st.rerun()
    except HopscopeError as error:
        st.warning(as_text(str(error)))


def _pressed(places: list[Any], path: Path, run: Run, running: bool) -> bool:
    """Draw the three buttons; returns whether one of them has started or stopped something."""
    stop, go_on, measure = places
    if stop.button("Stop", disabled=not running, icon=":material/stop:", width="stretch"):
        jobs.stop(path)
        st.toast("It saves and stops after this step.")
        return True
    resumable = not running and run.state == "stopped"
    if go_on.button("Go on", disabled=not resumable, icon=":material/resume:", width="stretch"):
        jobs.resume(path)
        if jobs.has_been_measured(path):
            jobs.measure(path)
        st.toast("The training continues.")
        return True
    possible = not jobs.is_measuring(path) and not _is_measured(path, run)
    if measure.button("Measure", disabled=not possible, icon=":material/hub:", width="stretch"):
        jobs.measure(path)
        return True
    return False


def _is_measured(path: Path, run: Run) -> bool:
    datasets, _ = results_of(stamp(path))
    return bool(datasets) and measured_steps(datasets)[-1:] == run.steps[-1:]


def measured_steps(datasets: Datasets) -> list[int]:
    """Steps at which every analysis that accompanies a training is done."""
    made = [datasets[name] for name in CORE_ANALYSES if name in datasets]
    every = [set(ds["step"].values.tolist()) for ds in made]
    return sorted(set.intersection(*every)) if every else []


def _progress(run: Run, rows: list[dict[str, Any]], running: bool) -> None:
    step, last = run.last_step, run.recipe.training.steps
    checkpoints = f"{len(run.steps)} checkpoints"
    if run.imported is not None:  # how long it was meant to be is unknown
        st.markdown(f"imported up to step {step:,}, {checkpoints}")
        return
    state = "training" if running else run.state
    words = f"{state}, step {step:,} of {last:,}, {checkpoints}"
    if rows and rows[-1].get("steps_per_s"):
        words += f", {rows[-1]['steps_per_s']:.3g} steps per second"
    st.progress(min(1.0, step / last), words)


def _forming(name: str, path: Path) -> None:
    """Draw the instrument of the first page, which grows with the run."""
    try:
        at = stamp(path)
        run = opened(at)
        n_rows = len(run.rows())
        if not run.steps or not n_rows:
            st.caption("The first picture comes with the first checkpoint.")
            return
        datasets, _ = results_of(at)
        body = _payload(at, n_rows)
    except HopscopeError:
        st.code(jobs.log_tail(path) or "(nothing printed yet)", language=None)
        return
    steps = measured_steps(datasets)
    _say_what_is_measured(path, run, steps)
    header = {
        "page": "formation",
        "id": f"{at.id}:{n_rows}",
        "live": name,
        "step": (steps or run.steps)[-1],
        "jump": name,
        "split": "id_test",
    }
    mount(header, body, key="forming")
    with st.expander("What it printed"):
        st.code(jobs.log_tail(path) or "(it was not started from here)", language=None)


@st.cache_resource(max_entries=2, show_spinner=False, hash_funcs={Stamp: str})
def _payload(at: Stamp, n_rows: int) -> bytes:
    return formation_payload(opened(at), results_of(at)[0])


def _say_what_is_measured(path: Path, run: Run, steps: list[int]) -> None:
    if jobs.is_measuring(path):
        words = f"The circuit is measured meanwhile: {len(steps)} of {len(run.steps)} checkpoints."
    elif steps:
        words = f"The circuit is measured at {len(steps)} of {len(run.steps)} checkpoints."
        if len(steps) < len(run.steps):  # the reason why it ended
            words += f" {jobs.log_tail(path, 1, jobs.MEASURING_LOG)}"
    else:
        words = "The circuit has not been measured: only accuracy and loss are drawn."
        words += f" {jobs.log_tail(path, 2, jobs.MEASURING_LOG)}"
    st.caption(as_text(words))
