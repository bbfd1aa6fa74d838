"""The tables on a corpus that `hopscope data` prints: augmentation, splits and their contents."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from app.cli.terminal import terminal
from circuits.corpus.names import SHORTCUT_WORDS, TRAIN
from circuits.corpus.shortcuts import best_shortcut
from circuits.printable import printable

_SPLITS_TITLE = "Splits, and what their questions are about: count (effective number)"
_SHORTCUTS_TITLE = "Accuracy of answerers that do not compose (circuits/corpus/shortcuts.py)"
_TYPES = 12  # learned types shown; JSON has all
_ROLES = 6  # relations of a type shown
Row = dict[str, Any]


def print_corpus(made: dict[str, Any]) -> None:
    """Print what augmentation adds, the split sizes, the shortcut baselines, and warnings.

    Args:
        made: `corpus` (its report) and `baselines`, or `no_corpus` with the reason.
    """
    console = terminal()
    if "no_corpus" in made:
        console.print(printable(made["no_corpus"]))
        return
    report, baselines = made["corpus"], made["baselines"]
    augmentation = report["augmentation"]
    console.print(_augmentation(report))
    if augmentation["types"]:
        console.print(_types(augmentation["types"]))
    for relation, why in augmentation["unreachable"].items():
        console.print(printable(f"- {relation}: {why}"))
    console.print(_splits(report))
    console.print(_shortcuts(baselines))
    for line in (*_to_beat(baselines), *augmentation["notes"], *report["notes"]):
        console.print(printable(f"- {line}"))


def _augmentation(report: Row) -> Table:
    augmentation = report["augmentation"]
    table = Table("", "before", "after", title="Augmentation", title_justify="left")
    table.add_row(
        "atomic facts", f"{augmentation['facts_before']:,}", f"{augmentation['facts_after']:,}"
    )
    table.add_row("phi", f"{augmentation['phi_before']:.3f}", f"{augmentation['phi_after']:.3f}")
    table.add_row(
        "effective number of bridges",
        f"{augmentation['bridges_before']:,.1f}",
        f"{augmentation['bridges_after']:,.1f}",
    )
    table.add_row("phi of what is trained", "", f"{report['phi_trained']:.3f}")
    for mode, n in augmentation["added"].items():
        table.add_row(f"added by {mode}", "", f"+{n:,}")
    if augmentation["facts_added"]:
        for kind in ("added_true", "added_false"):
            n = augmentation["provenance"][kind]
            table.add_row(f"of these {kind.removeprefix('added_')}", "", f"{n:,}")
    return table


def _types(types: list[Row]) -> Table:
    title = f"Types that added facts keep to ({len(types):,}), the largest first"
    table = Table("entities", "subject of", "object of", "e.g.", title=title, title_justify="left")
    for row in types[:_TYPES]:
        sides = (_listed(row[side]) for side in ("subject_of", "object_of"))
        table.add_row(f"{row['entities']:,}", *sides, _listed(row["examples"]))
    return table


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _ROLES} more" if len(names) > _ROLES else ""
    return printable(", ".join(names[:_ROLES])) + more


def _splits(report: Row) -> Table:
    table = Table(title=_SPLITS_TITLE, title_justify="left")
    table.add_column("split", no_wrap=True)
    for column in ("queries", "bridges", "half in", "(bridge, r2)", "answers", "r2 trained"):
        table.add_column(column, justify="right")
    for split, n in report["splits"].items():
        row = report["diversity"].get(split, {})
        numbers = [_both(row.get(part)) for part in ("bridges", "pairs", "answers")]
        half = f"{row['half']:,}" if "half" in row else ""
        seen = f"{row['second_hop_seen'] / n:.0%}" if n and "half" in row else ""
        table.add_row(split, f"{n:,}", numbers[0], half, *numbers[1:], seen)
    table.caption = (
        "half in: the bridges that half of the questions are about; r2 trained: questions whose "
        "last hop is the last hop of a trained question"
    )
    return table


def _both(number: dict[str, float] | None) -> str:
    return f"{number['count']:,} ({number['effective']:,.1f})" if number else ""


def _shortcuts(baselines: dict[str, dict[str, float]]) -> Table:
    table = Table("answerer", title=_SHORTCUTS_TITLE, title_justify="left")
    for split in baselines:
        table.add_column(split.replace("_", "\n", 1), justify="right")
    for name, words in SHORTCUT_WORDS.items():
        if any(name in rates for rates in baselines.values()):
            table.add_row(words, *(f"{rates[name]:.1%}" for rates in baselines.values()))
    return table


def _to_beat(baselines: dict[str, dict[str, float]]) -> list[str]:
    """Print the baseline that an accuracy on each test split must exceed."""
    best = {split: best_shortcut(rates) for split, rates in baselines.items()}
    return [
        f"An accuracy on {split} means composition only above {found[1]:.1%}: that is what "
        f"{SHORTCUT_WORDS[found[0]]} reaches."
        for split, found in best.items()
        if found is not None and split != TRAIN
    ]
