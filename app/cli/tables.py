"""The tables that `hopscope data` prints."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from circuits.graph.report import GraphReport

_PAIRS = 8  # relation pairs shown; JSON has more
_RELATIONS = 40  # relations shown, those that are trained least; JSON has all
_EXAMPLES = 5  # merged names shown
_SPLITS_TITLE = "Splits, with what an answerer reaches that sees these parts of the question alone"

Made = dict[str, Any]
"""`corpus` and `baselines` of the recipe, or `no_corpus` with the reason."""


def print_graph(report: GraphReport, made: Made) -> None:
    """What the source gave: totals, phi per relation before and after augmentation, warnings."""
    console = Console()
    console.print(_totals(report))
    console.print(_relations(report, made))
    if report.relation_pairs:
        console.print(_pairs(report))
    _print_verdict(console, report)
    _print_notes(console, report.notes)
    for remark in report.remarks:
        console.print(f"- {remark}", markup=False, highlight=False)


def print_corpus(made: Made) -> None:
    """What augmentation adds, the split sizes, and the shortcut baselines."""
    console = Console()
    if "no_corpus" in made:
        console.print(made["no_corpus"], markup=False, highlight=False)
        return
    report = made["corpus"]
    augmentation = report["augmentation"]
    table = Table("", "before", "after", title="Augmentation", title_justify="left")
    table.add_row(
        "atomic facts", f"{augmentation['facts_before']:,}", f"{augmentation['facts_after']:,}"
    )
    table.add_row("phi", f"{augmentation['phi_before']:.3f}", f"{augmentation['phi_after']:.3f}")
    table.add_row("phi of what is trained", "", f"{report['phi_trained']:.3f}")
    for mode, counts in augmentation["added"].items():
        for provenance, n in counts.items():
            table.add_row(f"{mode}: {provenance.replace('_', ' ')}", "", f"+{n:,}")
    console.print(table)
    for relation, why in augmentation["unreachable"].items():
        console.print(f"- {relation}: {why}", markup=False, highlight=False)
    console.print(_splits(report, made["baselines"]))
    for note in (*augmentation["notes"], *report["notes"]):
        console.print(f"- {note}", markup=False, highlight=False)


def _totals(report: GraphReport) -> Table:
    table = Table(title=report.name, show_header=False, title_justify="left")
    origins = ", ".join(f"{n:,} {p.replace('_', ' ')}" for p, n in report.provenance.items() if n)
    rows = [
        ("entities", f"{report.entities:,} ({report.subjects:,} with outgoing facts)"),
        ("atomic facts", f"{report.atomic:,} ({origins})"),
        ("inferred facts (two-hop paths)", f"{report.inferred:,}"),
        ("phi", f"{report.phi:.3f}"),
        (
            "mean out-degree",
            f"{report.branching:.2f} over all entities, largest {report.largest_out_degree:,}",
        ),
        (
            "Lemma 1: two-hop paths of a random graph",
            f"{report.lemma_1_paths:,.0f} predicted, {report.inferred:,} found",
        ),
        (
            "ambiguous",
            f"{report.multi_valued_keys:,} keys with several objects, "
            f"{report.ambiguous_paths:,} paths over them",
        ),
        ("true facts held back", f"{report.held_back:,}"),
    ]
    if report.shortcuts:
        cuts = report.shortcuts
        sampled = f" (on {cuts.paths:,} drawn paths)" if cuts.sampled else ""
        rows += [
            ("answerable from (h, r2) alone", f"{cuts.h_r2:.1%}{sampled}"),
            ("answerable from (r1, r2) alone", f"{cuts.r1_r2:.1%}{sampled}"),
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
            relation.name,
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
        table.add_row(pair.relation_1, pair.relation_2, f"{pair.inferred:,}", f"{pair.phi:.2f}")
    return table


def _splits(report: dict[str, Any], baselines: dict[str, dict[str, float]]) -> Table:
    shortcuts = sorted({name for rates in baselines.values() for name in rates})
    table = Table(title=_SPLITS_TITLE, title_justify="left")
    table.add_column("split")
    for column in ("queries", *shortcuts):
        table.add_column(column, justify="right")
    for split, n in report["splits"].items():
        rates = baselines.get(split, {})
        cells = (f"{rates[s]:.1%}" if s in rates else "" for s in shortcuts)
        table.add_row(split, f"{n:,}", *cells)
    return table


def _print_verdict(console: Console, report: GraphReport) -> None:
    if report.fully_generalizable:
        verdict = f"Fully generalizable for phi_G = {report.phi_g:g}: every relation reaches it."
    else:
        verdict = (
            f"Not fully generalizable for phi_G = {report.phi_g:g}: "
            f"{len(report.failing_relations)} of {len(report.relations)} relations are below."
        )
    console.print(verdict, markup=False)
    if report.lemma_2_branching is not None:
        console.print(
            f"Lemma 2 (random graph) asks for more than {report.lemma_2_branching:.2f} facts per "
            f"entity of every relation; {len(report.lemma_2_failing)} of {len(report.relations)} "
            "have fewer.",
            markup=False,
        )


def _print_notes(console: Console, notes: dict[str, Any]) -> None:
    """What the reader did to the data, so that nothing is left out in silence."""
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
    for line in (*lines, *notes.get("reading", ())):
        console.print(f"- {line}", markup=False, highlight=False)
