"""Pictures of the dashboard on the textbook run for the README, taken in chromium.

    python tests/benchmarks/record_pictures.py [FOLDER]      (default: assets)

Writes formation_before.png, formation_memorized.png and formation_generalized.png, and
formation.webp: the circuit forming, one frame per checkpoint.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from dashboard_browser import browser_page, dashboard, ready

from circuits.runs.run import open_run

ROOT = Path(__file__).resolve().parents[2]
FRAME_MS, LAST_MS = 110, 2500
WIDTH = 960
"""Pixels of the animation."""


def main() -> None:
    """Take all pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "assets"
    run = open_run(ROOT / "assets" / "textbook")
    known = run.grok.get("memorization_step") or run.steps[len(run.steps) // 2]
    memorized = min(step for step in run.steps if step >= known)
    before = max(step for step in run.steps if step <= memorized / 4)
    named = {"before": before, "memorized": memorized, "generalized": run.steps[-1]}
    with dashboard(run.path) as (url, _), browser_page() as (page, problems):
        page.goto(f"{url}/?run=textbook&step=0")
        ready(page, "formation")
        page.mouse.move(640, 700)
        frames = []
        for i, step in enumerate(run.steps):
            if i:
                page.keyboard.press("ArrowRight")
            page.locator(f".instrument[data-step='{step}']").wait_for()
            frames.append(_picture(page))
        for name, step in named.items():
            frames[run.steps.index(step)].save(folder / f"formation_{name}.png", optimize=True)
        assert not problems, problems
    small = [
        f.resize((WIDTH, WIDTH * f.height // f.width), Image.Resampling.LANCZOS) for f in frames
    ]
    times = [FRAME_MS] * (len(small) - 1) + [LAST_MS]
    small[0].save(
        folder / "formation.webp",
        save_all=True,
        append_images=small[1:],
        duration=times,
        loop=0,
        quality=70,
        method=4,
    )


def _picture(page: Any) -> Image.Image:
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


if __name__ == "__main__":
    main()
