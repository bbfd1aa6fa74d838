"""The page of an analysis, from its entry in the catalog and the docstring of its module."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analyses.catalog import Analysis

ROOT = Path(__file__).resolve().parents[2]
HOW, MISLEADS, GIVEN = "How to read: ", "What misleads: ", "True by construction"
ARXIV = re.compile(r"(?<![\w/])(?:arXiv )?(\d{4}\.\d{5})\b")
LISTED = re.compile(r"^ {3}(?! )", re.MULTILINE)
"""What belongs to an item of a numbered list is indented by three spaces in docstrings; Python's
Markdown wants four."""

KINDS = {
    "readouts": "What can be read",
    "interventions": "What a change does",
    "circuits": "Circuits",
    "over_training": "Over training",
    "certificate": "The certificate",
    "latent": "Latent composition",
}


@dataclass(frozen=True)
class Told:
    """A module docstring in parts; each paragraph is Markdown."""

    title: str
    definition: list[str]
    how: list[str]
    misleads: list[str]
    papers: list[str]
    """Numbers of the papers on arXiv that it names."""


def kind_of(entry: Analysis) -> str:
    """The heading in the navigation under which an analysis stands: its room, in words."""
    return KINDS[entry.module.split(".")[1]]


def told(entry: Analysis) -> Told:
    """The docstring of an analysis, sorted into what it defines, how to read it, what misleads."""
    source = (ROOT / f"{entry.module.replace('.', '/')}.py").read_text(encoding="utf-8")
    text = LISTED.sub("    ", ast.get_docstring(ast.parse(source)) or "")
    title, *paragraphs = text.split("\n\n")
    parts: dict[str, list[str]] = {"definition": [], HOW: [], MISLEADS: [], GIVEN: []}
    into = "definition"
    for paragraph in paragraphs:
        start = next((s for s in (HOW, MISLEADS, GIVEN) if paragraph.startswith(s)), None)
        if start or not paragraph.startswith(("- ", " ", "|")):  # a list goes with what it follows
            into = start or "definition"
        shown = paragraph if start in (None, GIVEN) else paragraph.removeprefix(start)
        parts[into].append(shown)
    papers = list(dict.fromkeys(ARXIV.findall(text)))
    misleads = [*parts[MISLEADS], *parts[GIVEN]]
    return Told(title, parts["definition"], parts[HOW], misleads, papers)


def page(entry: Analysis, figure: str, caption: str) -> str:
    """The page's Markdown.

    Args:
        entry: The analysis.
        figure: Address of its picture relative to the page.
        caption: What the picture shows and of which run.
    """
    doc = told(entry)
    how_to_run = f"```sh\nhopscope analyze RUN {entry.name}\nhopscope export RUN {entry.name}\n```"
    parts = [
        f"# {entry.title}",
        entry.about,
        f"![{caption}]({figure}){{ .figure }}",
        f"*{caption}*",
        "## How to read it",
        *doc.how,
        "## What misleads",
        *doc.misleads,
        "## Definition",
        _linked(doc.title),
        *map(_linked, doc.definition),
        "## Options",
        how_to_run,
        _facts(entry),
        options_table(entry),
        *(
            ["## Papers", "\n".join(f"- {_address(number)}" for number in doc.papers)]
            * bool(doc.papers)
        ),
        f"Source: `{entry.module}`",
    ]
    return "\n\n".join(parts) + "\n"


def _facts(entry: Analysis) -> str:
    """When and on what it runs, in a sentence or two."""
    when = "only if it is named" if entry.on_request else "by default"
    steps = {"all": "every checkpoint", "last": "the last checkpoint"}[entry.default_steps]
    what = "several checkpoints at once" if entry.joint else steps
    models = "any model" if entry.bridges else "Hopscope's own models"
    return (
        f"For the task {' and '.join(entry.tasks)}; runs {when}, on {what}, for {models}. "
        f"Splits: {', '.join(f'`{split}`' for split in entry.splits)}."
    )


def options_table(entry: Analysis) -> str:
    """Every option with its default and what it means."""
    rows = ["| option | default | meaning |", "|---|---|---|"]
    for name, field in entry.options_type.model_fields.items():
        about = " ".join((field.description or "").split()).replace("|", "\\|")
        rows.append(f"| `{name}` | `{_default(field.default)}` | {about} |")
    return "\n".join(rows)


def _default(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value).replace("|", "\\|")


def _linked(paragraph: str) -> str:
    return ARXIV.sub(lambda found: _address(found[1]), paragraph)


def _address(number: str) -> str:
    return f"[arXiv {number}](https://arxiv.org/abs/{number})"


def navigation(catalog: Mapping[str, Analysis]) -> list[Any]:
    """The analyses by kind, as the navigation of the site has them."""
    items: list[Any] = [{"All analyses": "analyses/index.md"}]
    for kind, entries in by_kind(catalog).items():
        items.append({kind: [{entry.title: f"analyses/{entry.name}.md"} for entry in entries]})
    return items


def overview(catalog: Mapping[str, Analysis]) -> str:
    """The page that lists all analyses."""
    parts = ["# Analyses", OVERVIEW]
    for kind, entries in by_kind(catalog).items():
        lines = [f"- [{entry.title}]({entry.name}.md): {entry.about}" for entry in entries]
        parts += [f"## {kind}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def by_kind(catalog: Mapping[str, Analysis]) -> dict[str, list[Analysis]]:
    """Analyses in the catalog's order, sorted into kinds."""
    sorted_out: dict[str, list[Analysis]] = {kind: [] for kind in KINDS.values()}
    for entry in catalog.values():
        sorted_out[kind_of(entry)].append(entry)
    return sorted_out


OVERVIEW = """Each page says how to read an analysis and what misleads, and then how it is done.
S[i, p] is the residual stream after i blocks at position p. `hopscope analyze RUN` runs all that
fit the run, except those on request.

Three things hold by construction in every causal model, and so are no findings:

- S[i, relation_1] of a question (h, r1, r2) is, bit for bit, the state of the atomic prompt
  (h, r1). After the last block it gives the bridge in every model that knows the fact, whatever it
  does with questions, and no block is left to read it. Figures hatch such states.
- S[0, p] holds the token at p alone, so writing it is replacing that token.
- After the last block only the last position reaches the answer, and there it *is* the answer."""
