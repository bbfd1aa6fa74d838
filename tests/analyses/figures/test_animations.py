"""Animations: their frames are the exported figures, and what cannot move is refused."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from analyses import export
from analyses.figures.renderers.matplotlib.renderer import to_bytes
from analyses.figures.run_figures import moving, run_figures
from analyses.figures.verify import verify
from app.cli.main import cli
from circuits.errors import HopscopeError
from circuits.runs.run import open_run

RUN = open_run(Path(__file__).parents[3] / "assets" / "demo")
STEPS = [0, 600, 6000]


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"), dtype=int)


def frames(path: Path) -> list[np.ndarray]:
    found = []
    with Image.open(path) as film:
        for i in range(film.n_frames):
            film.seek(i)
            found.append(pixels(film))
    return found


def test_every_frame_is_the_figure_that_is_exported_at_its_step(tmp_path: Path) -> None:
    figure = run_figures(RUN)["circuit"]
    for suffix in ("webp", "gif"):
        export(moving(figure, steps=STEPS), tmp_path / f"circuit.{suffix}", 1.5)
    exact, near = frames(tmp_path / "circuit.webp"), frames(tmp_path / "circuit.gif")
    assert len(exact) == len(near) == len(STEPS)
    for step, lossless, in_256_colours in zip(STEPS, exact, near, strict=True):
        alone = pixels(Image.open(io.BytesIO(to_bytes(figure.make(step), "png", 1.5))))
        high = alone.shape[0]
        assert np.array_equal(lossless[:high], alone)
        assert (lossless[high:] == 255).all()  # paper below
        assert np.abs(in_256_colours[:high] - alone).mean() < 1
    assert verify(RUN, tmp_path)[0].status == "matches"


def test_the_last_frame_stays(tmp_path: Path) -> None:
    export(moving(run_figures(RUN)["circuit"], steps=STEPS[:2]), tmp_path / "circuit.gif", 1.0)
    with Image.open(tmp_path / "circuit.gif") as film:
        film.seek(1)
        assert film.info["duration"] == 2000


def test_a_film_without_ffmpeg_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(HopscopeError, match=r"pip install imageio-ffmpeg.*\.webp"):
        export(moving(run_figures(RUN)["circuit"], steps=STEPS), tmp_path / "circuit.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["certificate"], "certificate does not move"),
        (["circuit", "--step", "0"], "--step picks one"),
        ([], "name the figure that moves"),
    ],
)
def test_what_cannot_move_is_refused(tmp_path: Path, words: list[str], said: str) -> None:
    command = ["export", str(RUN.path), *words, "--format", "gif", "--out", str(tmp_path)]
    done = CliRunner().invoke(cli, command)
    assert isinstance(done.exception, HopscopeError)
    assert said in str(done.exception)


def test_a_still_format_of_an_animation_and_a_moving_one_of_a_figure_are_refused(
    tmp_path: Path,
) -> None:
    figure = run_figures(RUN)["circuit"]
    with pytest.raises(HopscopeError, match=r"is an animation; export circuit"):
        export(figure.make(), tmp_path / "circuit.gif")
    with pytest.raises(HopscopeError, match=r"is written as \.webp"):
        export(moving(figure, steps=STEPS), tmp_path / "circuit.pdf")
