"""The certificate as a card: a row for each criterion with its outcome and interval."""

from __future__ import annotations

import math

import xarray as xr

from analyses.certificate.certify import Certificate
from analyses.certificate.certify import judged as judged_criteria
from analyses.certificate.judging import Criterion
from analyses.certificate.verdict import verdict
from analyses.figures.builders import pick
from analyses.figures.specs.facts import Cell, Table
from analyses.figures.words import capital, words
from circuits.corpus.names import ID_TEST

COLUMNS = ("criterion", "outcome", "share", "low", "high", "n")


def certificate(ds: xr.Dataset, *, step: int | None = None, split: str | None = None) -> Table:
    """Whether the model composes: each criterion with its outcome and 95% interval."""
    step = pick.chosen_step(ds, step)
    usual = ID_TEST if ID_TEST in ds["split"].values else None
    split = str(pick.chosen(ds, "split", usual if split is None else split))
    criteria = judged_criteria(ds.sel(step=step), split)
    record = pick.provenance(ds, "certificate", step=step, split=split)
    run = (record["result"] or {}).get("run", "")
    return card(Certificate(run, step, split, verdict(criteria), criteria), record)


def card(found: Certificate, provenance: dict | None = None) -> Table:
    """The card of a certificate."""
    return Table(
        name="certificate",
        title=capital(found.verdict),
        subtitle=pick.subtitle(
            words(found.split),
            pick.at_step(found.step),
            found.history.removesuffix("."),
            "95% intervals; for accuracy the difference from the best shortcut",
        ),
        provenance=provenance or {"analysis": "evidence", **found.to_json()},
        columns=COLUMNS,
        rows=tuple(_row(criterion) for criterion in found.criteria),
        formats=("", "", ".2f", ".2f", ".2f", ","),
    )


def _row(criterion: Criterion) -> tuple[Cell, ...]:
    share = criterion.judged
    numbers = (None if math.isnan(x) else x for x in (share.value, share.low, share.high))
    title = criterion.title if criterion.decides else f"{criterion.title} (reported)"
    return (title, criterion.status, *numbers, criterion.n)
