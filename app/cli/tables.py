"""The tables on a graph that `hopscope data` prints."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from typing import Any

from rich.table import Table

from app.cli.terminal import terminal
from circuits.graph.overlaps import RelationOverlap
from circuits.graph.report import GraphReport
from circuits.printable import printable

_PAIRS = 8  # relation pairs shown; JSON has more
_RELATIONS = 40  # relations shown, least phi_r first; JSON has all
_EXAMPLES = 5  # merged names shown
_OVERLAPS = 10

Made = dict[str, Any]
"""`corpus` and `baselines` of the recipe, or `no_corpus` with the reason."""


def print_graph(report: GraphReport, made: Made) -> None:
    """Print the source's totals, phi per relation before and after augmentation, and warnings."""
    console = terminal()
    console.print(_totals(report))
    console.print(_relations(report, made))
    if report.relation_pairs:
        console.print(_pairs(report))
    for line in (*_overlaps(report.overlaps), *_verdict(report)):
        console.print(printable(line))
    for line in (*_what_was_read(report.notes), *report.remarks):
        console.print(f"- {printable(line)}")


def _totals(report: GraphReport) -> Table:
    table = Table(title=printable(report.name), show_header=False, title_justify="left")
    origins = ", ".join(f"{n:,} {p.replace('_', ' ')}" for p, n in report.provenance.items() if n)
    rows = [
        ("entities", f"{report.entities:,} ({report.subjects:,} with outgoing facts)"),
        ("atomic facts", f"{report.atomic:,} ({origins})"),
        ("inferred facts (two-hop paths that can be asked)", f"{report.inferred:,}"),
        ("phi", f"{report.phi:.3f}"),
        (
            "mean out-degree",
            f"{report.branching:.2f} over all entities, largest {report.largest_out_degree:,}",
        ),
        (
            "Lemma 1: two-hop paths of a random graph",
            f"{report.lemma_1_paths:,.0f} predicted, {report.all_paths:,} found",
        ),
        (
            "never asked, being ambiguous",
            f"{report.ambiguous_paths:,} paths over {report.multi_valued_keys:,} keys with several "
            f"objects (with them phi would be {report.all_paths / report.atomic:.3f})",
        ),
        ("true facts held back", f"{report.held_back:,}"),
    ]
    if report.shortcuts:
        cuts = report.shortcuts
        sampled = f" (on {cuts.paths:,} drawn paths)" if cuts.sampled else ""
        rows += [
            ("answerable from (h, r2) alone", f"{cuts.h_r2:.1%}{sampled}"),
            ("answerable from (r1, r2) alone", f"{cuts.r1_r2:.1%}{sampled}"),
            ("answerable from (h, r1) alone", f"{cuts.h_r1:.1%}{sampled}"),
            ("answered by their own subject", f"{cuts.copy_subject:.1%}{sampled}"),
            ("most frequent answer", f"{cuts.majority:.1%}{sampled}"),
        ]
    for row in rows:
        table.add_row(*row)
    return table


def _relations(report: GraphReport, made: Made) -> Table:
    after = made["corpus"]["augmentation"]["phi_r_after"] if "corpus" in made else {}
    table = Table(title="phi per relation, least first", title_justify="left")
    table.add_column("relation", overflow="fold")
    for column in ("facts", "inferred", "phi_r", "after augmentation", f">= {report.phi_g:g}"):
        table.add_column(column, justify="right")
    for relation in report.relations[:_RELATIONS]:
        later = after.get(relation.name)
        final = relation.phi_r if later is None else later
        table.add_row(
            printable(relation.name),
            f"{relation.facts:,}",
            f"{relation.inferred:,}",
            f"{relation.phi_r:.2f}",
            "" if later is None else f"{later:.2f}",
            "yes" if final >= report.phi_g else "no",
        )
    if (rest := len(report.relations) - _RELATIONS) > 0:
        highest = max(relation.phi_r for relation in report.relations)
        table.caption = f"and {rest:,} more, phi_r up to {highest:.2f}; --json has all"
    return table


def _pairs(report: GraphReport) -> Table:
    title = f"Most frequent of {report.n_relation_pairs:,} relation pairs"
    table = Table("relation 1", "relation 2", title=title, title_justify="left")
    table.add_column("paths", justify="right")
    table.add_column("phi", justify="right")
    for pair in report.relation_pairs[:_PAIRS]:
        names = printable(pair.relation_1), printable(pair.relation_2)
        table.add_row(*names, f"{pair.inferred:,}", f"{pair.phi:.2f}")
    return table


def _overlaps(found: tuple[RelationOverlap, ...]) -> list[str]:
    """Print relations that state each other's facts, and how to leave them out."""
    if not found:
        return []
    said = {"duplicate": "states", "inverse": "states, turned round,", "symmetric": "turned round,"}
    lines = ["Relations that state each other's facts, so that copying may pass for reasoning:"]
    for one in found[:_OVERLAPS]:
        if one.kind == "symmetric":
            what = f"{one.relation} is its own inverse in {one.facts:,} facts ({one.share:.0%})"
        else:
            what = f"{one.relation} {said[one.kind]} {one.facts:,} facts of {one.other}"
            what += f" ({one.share:.0%} of them)"
        lines.append(f"- {one.kind}: {what}")
    if rest := len(found) - _OVERLAPS:
        lines += [f"- and {rest:,} more; --json has them."] * (rest > 0)
    if names := _covering(found):
        option = f"source.leave_out_relations={json.dumps(names, ensure_ascii=False)}"
        lines.append(f"To leave one of each pair out: --set {shlex.quote(option)}")
    return lines


def _covering(found: tuple[RelationOverlap, ...]) -> list[str]:
    """A few relations that cover every inverse or duplicate pair, chosen most common first."""
    pairs = [{one.relation, one.other} for one in found if one.kind != "symmetric"]
    smaller = {one.other for one in found}
    names: list[str] = []
    while pairs:
        often = Counter(name for pair in pairs for name in pair)
        names.append(max(often, key=lambda name: (often[name], name in smaller, name)))
        pairs = [pair for pair in pairs if names[-1] not in pair]
    return names


def _verdict(report: GraphReport) -> list[str]:
    if report.fully_generalizable:
        verdict = f"Fully generalizable for phi_G = {report.phi_g:g}: every relation reaches it."
    else:
        verdict = (
            f"Not fully generalizable for phi_G = {report.phi_g:g}: "
            f"{len(report.failing_relations)} of {len(report.relations)} relations are below."
        )
    if report.lemma_2_branching is None:
        return [verdict]
    return [
        verdict,
        f"Lemma 2 (random graph) asks for more than {report.lemma_2_branching:.2f} facts per "
        f"entity of every relation; {len(report.lemma_2_failing)} of {len(report.relations)} "
        "have fewer.",
    ]


def _what_was_read(notes: dict[str, Any]) -> list[str]:
    """Print what the reader did to the data, so that nothing is left out silently."""
    lines = []
    if notes.get("duplicates"):
        lines.append(f"{notes['duplicates']:,} repeated facts count once.")
    policy = notes.get("multi_valued", {})
    if policy.get("keys"):
        lines.append(
            f"{policy['keys']:,} (subject, relation) keys have several objects "
            f"({policy['facts']:,} facts); policy {policy['policy']!r} left out "
            f"{policy['facts_left_out']:,} facts."
        )
    for name, n in notes.get("left_out", {}).items():
        lines.append(f"{name} is left out with its {n:,} facts.")
    read = notes.get("report", {})
    if read.get("broken"):
        lines.append(f"{read['broken']:,} broken lines were left out; {read['first_broken']}.")
    if read.get("blank_or_comment"):
        lines.append(f"{read['blank_or_comment']:,} blank or comment lines.")
    if notes.get("questions_without_evidences"):
        lines.append(f"{notes['questions_without_evidences']:,} questions have no evidences.")
    merged = notes.get("merged")
    if merged:
        lines.append(
            f"{merged['surface_forms']:,} surface forms are {merged['entities']:,} entities "
            f"(by {merged['by']}; {merged['merged_groups']:,} merged)."
        )
        examples = merged["examples"][:_EXAMPLES]
        lines += [" = ".join(dict.fromkeys((name, *forms))) for name, forms in examples]
    exact = notes.get("as_read")
    if exact:
        lines.append(
            f"As read, by exact strings: {exact['facts']:,} distinct triples, "
            f"{exact['paths']:,} two-hop paths, phi {exact['phi']:.3f}."
        )
    return [*lines, *notes.get("reading", ())]
