"""Train: start a recipe, watch its curves, stop it and go on."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import streamlit as st

import train.recipes
from app.instrument.payload import SPLITS
from app.views import address, frame, jobs
from app.views.folders import find_runs, runs_folder
from circuits.errors import HopscopeError
from circuits.recipe import Recipe, load_recipe
from circuits.runs import Run, open_run

READING = (
    "Choose a recipe, change its main settings and start; the training goes on when you close "
    "the browser."
)
REFRESH_SECONDS = 2.0
SETTINGS = (
    ("augmentation.phi", "phi (trained compositions per fact)", 0.1),
    ("training.steps", "Optimizer steps", 100),
    ("training.weight_decay", "Weight decay", 0.05),
    ("training.lr", "Learning rate", 0.0001),
    ("model.n_layers", "Layers", 1),
    ("model.d_model", "Width", 16),
    ("seed", "Seed", 1),
)
"""Recipe key, label and step of the numbers that can be changed here."""


def page() -> None:
    """Draw the page."""
    frame.plain_page(READING, _train)


def _train() -> None:
    left, right = st.columns([1, 2], gap="large")
    with left:
        _form()
    with right:
        names = list(find_runs().paths)
        if not names:
            st.info("Start a training on the left; its curves are drawn here while it runs.")
            return
        wanted = st.session_state.get("watched") or address.read().get("run")
        index = names.index(wanted) if wanted in names else 0
        name = st.selectbox("Run to watch", names, index=index)
        _watch(name, find_runs().paths[name])


def recipes() -> dict[str, Path]:
    """The recipes that come with Hopscope, by name."""
    folder = Path(next(iter(train.recipes.__path__)))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def _form() -> None:
    available = recipes()
    if not available:
        st.error("No recipe was found in train/recipes.")
        return
    chosen = st.selectbox("Recipe", list(available), key="recipe")
    recipe = load_recipe(available[chosen])
    settings = _settings(chosen, recipe)
    stamp = datetime.datetime.now().strftime("%m%d-%H%M")
    name = st.text_input("Name of the run", value=f"{chosen}-{stamp}", key=f"name_{chosen}")
    if not st.button("Start training", type="primary", icon=":material/play_arrow:"):
        return
    try:
        out = _new_folder(name)
        load_recipe(available[chosen], settings)  # refuses before a process is started
        process = jobs.start(available[chosen], out, settings)
    except HopscopeError as error:
        st.error(str(error))
        return
    st.session_state["watched"] = out.name
    st.success(f"Training {out.name} has begun (process {process}).")


def _settings(chosen: str, recipe: Recipe) -> list[str]:
    """Overrides "key=value" for what was changed."""
    overrides = []
    for key, label, step in SETTINGS:
        section, _, field = key.rpartition(".")
        value: Any = getattr(getattr(recipe, section) if section else recipe, field)
        if value is None:
            continue
        kind = type(value)
        shape: dict[str, Any] = {"value": value, "step": kind(step)}
        if kind is float:
            shape["format"] = "%.5g"
        new = st.number_input(label, key=f"{chosen}_{key}", **shape)
        if new != value:
            overrides.append(f"{key}={new}")
    return overrides


def _new_folder(name: str) -> Path:
    """Folder of a new run; a name that leads elsewhere is refused."""
    clean = name.strip()
    if not clean or clean.startswith(".") or any(c in clean for c in "/\\\0"):
        raise HopscopeError(
            f"{name!r} cannot name a run; use letters, digits, dots and dashes, e.g. demo-2."
        )
    return runs_folder() / clean


@st.fragment(run_every=REFRESH_SECONDS)
def _watch(name: str, path: Path) -> None:
    try:
        run = open_run(path)
        rows = run.rows()
        running = jobs.is_running(path)
    except HopscopeError as error:
        running = jobs.is_running(path)
        (st.info if running else st.error)(
            "The training is being prepared ..." if running else str(error)
        )
        st.code(jobs.log_tail(path) or "(nothing printed yet)", language=None)
        return
    _progress(run, rows, running)
    _buttons(path, run, running)
    if rows:
        _curves(rows)
    with st.expander("What it printed"):
        st.code(jobs.log_tail(path) or "(it was not started from here)", language=None)


def _progress(run: Run, rows: list[dict[str, Any]], running: bool) -> None:
    step, last = (rows[-1]["step"] if rows else 0), run.recipe.training.steps
    state = "training" if running else run.state
    words = f"{state}, step {step:,} of {last:,}, {len(run.steps)} checkpoints"
    if rows and rows[-1].get("steps_per_s"):
        words += f", {rows[-1]['steps_per_s']:.0f} steps a second"
    st.progress(min(1.0, step / last), words)


def _buttons(path: Path, run: Run, running: bool) -> None:
    left, right = st.columns(2)
    try:
        if left.button("Stop and save", disabled=not running, icon=":material/stop:"):
            jobs.stop(path)
            st.toast("It saves and stops after this step.")
        resumable = not running and run.state == "stopped"
        if right.button("Go on", disabled=not resumable, icon=":material/resume:"):
            jobs.resume(path)
            st.toast("It goes on.")
    except HopscopeError as error:
        st.warning(str(error))


def _curves(rows: list[dict[str, Any]]) -> None:
    import pandas as pd

    from app.instrument.palette import COLOURS

    frame_ = pd.DataFrame(rows).set_index("step")
    columns = {f"accuracy/{s}": label for s, (label, _) in SPLITS.items()}
    shown = frame_[[c for c in columns if c in frame_]].rename(columns=columns)
    colours: list[Any] = [COLOURS[c.removeprefix("accuracy/")] for c in columns if c in frame_]
    st.line_chart(shown, color=colours, height=300, y_label="accuracy", x_label="training step")
    losses = {f"loss/{s}": label for s, (label, _) in SPLITS.items()}
    shown = frame_[[c for c in losses if c in frame_]].rename(columns=losses)
    st.line_chart(shown, color=colours, height=200, y_label="loss", x_label="training step")
