"""The record of the certificate on the Formation page: what is stored, never computed here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from analyses.certificate.certify import (
    Certificate,
    certified_steps,
    stored_certificate,
    why_refused,
)
from analyses.stored import Reader, reader
from circuits.errors import HopscopeError
from circuits.runs.run import Run

OUTCOMES = {"pass": "✓ pass", "fail": "✗ fail", "cannot be told": "? cannot be told"}


@dataclass(frozen=True)
class CertificateRecord:
    """The stored certificate of the checkpoint nearest to the timeline's step."""

    heading: str = ""
    """The verdict and its step."""
    sentence: str | None = None
    """None: there is no certificate, and `missing` says how to get one."""
    table: list[dict[str, Any]] = field(default_factory=list)
    """A row per criterion."""
    note: str = ""
    missing: str = ""


def certificate_record(
    run: Run, path: str, step: int, read: Reader | None = None
) -> CertificateRecord:
    """The record of a run; a result that cannot be read becomes a sentence.

    Args:
        run: An opened run.
        path: What the run is called in commands.
        step: The one that is looked at.
        read: Reader of the run's results; None: a new one.
    """
    remedy = f"`hopscope certify {path}` says whether this run composes, or only looks like it."
    read = read or reader(run)
    if why := why_refused(run):
        return CertificateRecord(missing=f"Not certified: {why}")
    try:
        steps = certified_steps(run, read=read)
        nearest = min(steps, key=lambda s: abs(s - step), default=None)
        found = stored_certificate(run, nearest, read=read)
    except HopscopeError as error:
        return CertificateRecord(missing=f"The certificate cannot be shown: {error}")
    if found is None:
        return CertificateRecord(missing=f"Not certified yet: {remedy}")
    return _record(found)


def _record(found: Certificate) -> CertificateRecord:
    rows = [
        {
            "criterion": c.title,
            "outcome": OUTCOMES[c.status] + ("" if c.decides else " (reported only)"),
            "found": c.finding,
            "share": f"{c.value:.2f} [{c.judged.low:.2f}, {c.judged.high:.2f}]" if c.n else "–",
            "n": c.n,
            "rule": c.rule,
        }
        for c in found.criteria
    ]
    return CertificateRecord(
        heading=f"Step {found.step:,}: {found.verdict}",
        sentence=found.sentence,
        table=rows,
        note=f"{found.history} Shares with 95% intervals; for accuracy the difference from the "
        "best shortcut.".strip(),
    )
