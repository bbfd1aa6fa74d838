"""Figures as PGF, whose text the reader's own LaTeX document sets in its own fonts.

Places are those of the other formats; LaTeX is asked for the size of each text, so it must be
installed. Names are written literally: what LaTeX would read as a command is escaped. Everything is
made in memory, so that a text that LaTeX cannot set leaves no half-written file.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
from matplotlib.backends import backend_pgf
from matplotlib.figure import Figure

from analyses.figures.renderers.latex import literal
from circuits.errors import HopscopeError

TEX = "pdflatex"
PREAMBLE = r"\usepackage[T1]{fontenc}\usepackage{textcomp}"


def print_pgf(figure: Figure, out: io.BytesIO) -> None:
    """Write the figure; `\\usepackage{pgf}` and `\\input` include it.

    Raises:
        HopscopeError: if LaTeX is not installed or cannot set a text.
    """
    if shutil.which(TEX) is None:
        raise HopscopeError(
            f"LaTeX sets the text of a .pgf file, and {TEX} is not installed; install it (Debian: "
            "apt-get install texlive-latex-recommended texlive-pictures), or export a .pdf file."
        )
    text = io.StringIO()
    asked = {"pgf.texsystem": TEX, "pgf.rcfonts": False, "pgf.preamble": PREAMBLE}
    with matplotlib.rc_context(asked), _literally():  # type: ignore[arg-type]
        try:
            backend_pgf.FigureCanvasPgf(figure).print_pgf(text)
        except (ValueError, RuntimeError) as error:
            said = str(error).splitlines()[0][:200]
            raise HopscopeError(
                f"LaTeX cannot set a text of this figure ({said}); export a .pdf file, which draws "
                "any script."
            ) from error
    out.write(text.getvalue().encode())


@contextmanager
def _literally() -> Iterator[None]:
    """While the block runs, the backend escapes every text; matplotlib itself takes it as LaTeX."""
    escape = backend_pgf._tex_escape  # type: ignore[attr-defined]
    backend_pgf._tex_escape = literal  # type: ignore[attr-defined]
    try:
        yield
    finally:
        backend_pgf._tex_escape = escape  # type: ignore[attr-defined]
