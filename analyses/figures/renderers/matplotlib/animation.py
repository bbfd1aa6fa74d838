"""Animations as WebP, GIF or MP4: every frame is the PNG that the figure is exported as.

WebP keeps every pixel; GIF has at most 256 colours a frame. MP4 is written by ffmpeg: that on the
PATH, or that of the package imageio-ffmpeg. Frames that are less high than others are continued
with paper below.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from analyses.figures.renderers.matplotlib.renderer import to_bytes
from analyses.figures.renderers.style import theme_of
from analyses.figures.specs.animation import Animation
from circuits.errors import HopscopeError

PER_SECOND = 4
"""Frames a second: slow enough to read a number."""
REST = 2.0
"""Seconds for which the last frame stays."""


def to_moving(
    spec: Animation,
    file_format: str,
    width: str | float = "column",
    *,
    theme: str = "light",
    title: bool = True,
) -> bytes:
    """The animation as a "webp", "gif" or "mp4" file.

    Raises:
        HopscopeError: if MP4 is wanted and there is no ffmpeg.
    """
    ffmpeg = _ffmpeg() if file_format == "mp4" else ""  # before anything is drawn
    paper = theme_of(theme).paper
    pictures = [to_bytes(one, "png", width, theme=theme, title=title) for one in spec.frames]
    frames = _alike([Image.open(io.BytesIO(data)).convert("RGB") for data in pictures], paper)
    if file_format == "mp4":
        return _mp4(frames, ffmpeg, paper)
    return _with_pillow(frames, file_format)


def _alike(frames: Sequence[Image.Image], paper: str, multiple: int = 1) -> list[Image.Image]:
    """The frames in the size of the largest, rounded up to a multiple of so many pixels."""
    wide, high = (
        -(-max(frame.size[axis] for frame in frames) // multiple) * multiple for axis in (0, 1)
    )
    found = []
    for frame in frames:
        page = Image.new("RGB", (wide, high), paper)
        page.paste(frame)
        found.append(page)
    return found


def _with_pillow(frames: list[Image.Image], file_format: str) -> bytes:
    durations = [1000 // PER_SECOND] * (len(frames) - 1) + [int(1000 * REST)]
    if file_format == "gif":
        frames = [frame.quantize(256, dither=Image.Dither.NONE) for frame in frames]
    how = {"lossless": True, "quality": 100, "method": 4} if file_format == "webp" else {}
    out = io.BytesIO()
    first, *others = frames
    first.save(
        out, file_format, save_all=True, append_images=others, duration=durations, loop=0, **how
    )
    return out.getvalue()


def _mp4(frames: Sequence[Image.Image], ffmpeg: str, paper: str) -> bytes:
    """H.264 in the colours that every player knows, which needs even sizes."""
    even = _alike(frames, paper, multiple=2)
    shown = [*even, *even[-1:] * round(PER_SECOND * REST - 1)]
    wide, high = even[0].size
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "moving.mp4"
        raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{wide}x{high}"]
        coded = ["-c:v", "libx264", "-crf", "12", "-pix_fmt", "yuv420p", "-bitexact"]
        command = [ffmpeg, "-y", "-v", "error", *raw, "-r", str(PER_SECOND), "-i", "-", *coded]
        pixels = b"".join(frame.tobytes() for frame in shown)
        done = subprocess.run([*command, str(path)], input=pixels, capture_output=True)
        if done.returncode or not path.exists():
            said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise HopscopeError(
                f"ffmpeg could not write the film ({''.join(said)}); export it as .webp or .gif."
            )
        return path.read_bytes()


def _ffmpeg() -> str:
    if found := shutil.which("ffmpeg"):
        return found
    try:
        import imageio_ffmpeg  # type: ignore[import-not-found,unused-ignore]

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        raise HopscopeError(
            "an .mp4 file needs ffmpeg, which is not installed; run `pip install imageio-ffmpeg`, "
            "or export a .webp or .gif file."
        ) from None
