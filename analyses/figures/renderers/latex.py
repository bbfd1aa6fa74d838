"""Tables as LaTeX, to be read by `\\input`: booktabs rules, names of any script taken literally."""

from __future__ import annotations

from analyses.figures.specs.facts import Table
from circuits.errors import HopscopeError

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "–": "--", "\N{NO-BREAK SPACE}": "~", "<": r"\textless{}", ">": r"\textgreater{}",
    "\N{MINUS SIGN}": r"\ensuremath{-}", "→": r"\ensuremath{\rightarrow}",
    "×": r"\ensuremath{\times}", "≤": r"\ensuremath{\leq}", "≥": r"\ensuremath{\geq}",
    "φ": r"\ensuremath{\phi}",
}  # fmt: skip


def literal(text: str) -> str:
    r"""`text` as LaTeX prints it literally; line breaks become spaces.

    >>> literal("AT&T_50% {x}")
    'AT\\&T\\_50\\% \\{x\\}'
    """
    return "".join(_SPECIAL.get(c, c) for c in " ".join(text.split("\n")))


def table_to_latex(spec: object) -> str:
    """A `tabular` with booktabs rules (`\\usepackage{booktabs}`); its title is a comment.

    Args:
        spec: A `Table`; all its rows are written.

    Raises:
        HopscopeError: if it is another kind of figure.
    """
    if not isinstance(spec, Table):
        raise HopscopeError("only a table is written as .tex; export other figures as .pdf.")
    sides = "".join("r" if kind else "l" for kind in spec.formats)
    rows = [" & ".join(map(literal, row)) + r" \\" for row in spec.texts(len(spec.rows))]
    head = " & ".join(map(literal, spec.columns)) + r" \\"
    comment = [f"% {line}" for text in (spec.title, spec.subtitle) for line in text.splitlines()]
    lines = [
        *comment, rf"\begin{{tabular}}{{{sides}}}", r"\toprule", head, r"\midrule", *rows,
        r"\bottomrule", r"\end{tabular}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
