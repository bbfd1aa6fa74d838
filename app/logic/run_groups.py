"""Which runs are seeds of one another, and in what the others differ.

Runs are seeds of one another only if their whole resolved recipes agree but for the seed, which
differs. A run that was trained twice from one seed repeats its numbers and is no second seed, and
nothing is known of the seed of an imported one.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from analyses.figures.specs.facts import Table
from circuits.runs.run import Run

UNKNOWN = "unknown"
"""A setting that an imported run does not say."""

NAMED_BY = 3
"""The most settings that can be the name of a group; one of more settings has its runs' names."""


def settings(run: Run) -> dict[str, Any]:
    """The recipe as flat "section.key" values; `UNKNOWN` where an imported run does not say."""
    flat = _flat(run.recipe.model_dump(mode="json"))
    return {k: v if run.knows(k.partition(".")[0]) else UNKNOWN for k, v in flat.items()}


def _flat(table: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= (
            _flat(value, f"{before}{key}.") if isinstance(value, dict) else {before + key: value}
        )
    return flat


def differing(runs: Mapping[str, Run]) -> list[str]:
    """Settings in which the runs differ, apart from seeds and from what is unknown of one."""
    tables = [settings(run) for run in runs.values()]
    keys = {key for table in tables for key in table} - {"seed"}
    values = {key: [table.get(key) for table in tables] for key in keys}
    return sorted(
        key
        for key, found in values.items()
        if UNKNOWN not in found and len({repr(value) for value in found}) > 1
    )


def known_to_differ(tables: Sequence[Mapping[str, Any]]) -> list[str]:
    """Settings of which at least two values are known among these recipes, apart from seeds."""
    keys = {key for table in tables for key in table} - {"seed"}
    found = {key: {repr(t.get(key)) for t in tables if t.get(key) != UNKNOWN} for key in keys}
    return sorted(key for key, values in found.items() if len(values) > 1)


def apart_from(run: Run, *keys: str) -> str:
    """Text that two runs share if their recipes agree in everything but these settings."""
    kept = {key: value for key, value in settings(run).items() if key not in keys}
    return json.dumps(kept, sort_keys=True)


def groups(runs: Mapping[str, Run]) -> dict[str, list[str]]:
    """The runs of each group, by the group's name; those of one group are seeds of one another.

    A group is called by the settings that distinguish the groups if these are few, and otherwise by
    its runs.
    """
    keys = differing(runs)
    tables = {name: settings(run) for name, run in runs.items()}
    found: dict[tuple[str, int, str], list[str]] = defaultdict(list)
    seen: Counter[tuple[str, int]] = Counter()
    for name in sorted(tables, key=lambda name: _order([tables[name].get(k) for k in keys])):
        recipe, seed = apart_from(runs[name], "seed"), runs[name].recipe.seed
        imported = name if runs[name].manifest.get("imported") else ""
        found[recipe, seen[recipe, seed], imported].append(name)
        seen[recipe, seed] += 1
    members = list(found.values())
    if all(len(names) == 1 for names in members):
        return {name: [name] for name in runs}
    labels = [_settings_named(tables[names[0]], keys) for names in members]
    if len(keys) > NAMED_BY or len(set(labels)) < len(labels):
        labels = [_runs_named(names) for names in members]
    return dict(zip(labels, members, strict=True))


def _settings_named(table: Mapping[str, Any], keys: Sequence[str]) -> str:
    named = ", ".join(f"{key.rpartition('.')[2]} {table.get(key)}" for key in keys)
    return named or "same recipe"


def _runs_named(names: Sequence[str]) -> str:
    more = len(names) - 1
    return f"{names[0]} + {more} seed{'s' * (more > 1)}" if more else names[0]


def places(runs: Mapping[str, Run], grouped: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Each group's place in 0..1, if three or more levels of one number distinguish them.

    Empty if anything else does: then they are categories.
    """
    keys = differing(runs)
    if len(keys) != 1:
        return {}
    values = {label: settings(runs[names[0]]).get(keys[0]) for label, names in grouped.items()}
    levels = {label: float(value) for label, value in values.items() if is_number(value)}
    order = sorted(set(levels.values()))
    if len(order) < 3 or len(levels) < len(values):
        return {}
    return {label: order.index(level) / (len(order) - 1) for label, level in levels.items()}


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a setting is a number (true and false are none)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def recipe_table(runs: Mapping[str, Run], grouped: Mapping[str, Sequence[str]]) -> Table:
    """Seeds, length and every differing setting of each group of runs."""
    tables = {name: settings(run) for name, run in runs.items()}
    rows: list[tuple[str, ...]] = [
        ("seed", *(_each(str(tables[n]["seed"]) for n in names) for names in grouped.values())),
        ("last step", *(_each(f"{runs[n].steps[-1]:,}" for n in names if runs[n].steps)
                        for names in grouped.values())),
    ]  # fmt: skip
    rows += [
        (key, *(_shown(tables[names[0]].get(key)) for names in grouped.values()))
        for key in differing(runs)
    ]
    return Table(
        name="compare_recipes",
        title="In what the compared runs differ",
        subtitle="runs are seeds of one another only if everything else in their recipes agrees",
        provenance={"groups": {label: list(names) for label, names in grouped.items()}},
        columns=("setting", *grouped),
        rows=tuple(rows),
        formats=("",) * (1 + len(grouped)),
    )


def grouping_in_words(grouped: Mapping[str, Sequence[str]], n_settings: int) -> str:
    """How many runs are seeds of one another, and in how many settings the groups differ."""
    n_runs, several = sum(map(len, grouped.values())), [n for n in grouped.values() if len(n) > 1]
    if n_runs == 1:
        return "One run"
    if len(grouped) == 1:
        return f"{n_runs} seeds of one recipe"
    differ = f"recipes that differ in {n_settings} setting{'s' * (n_settings != 1)}"
    if not n_settings:
        differ = "no second seed among them, although the recipes agree"
    if not several:
        return f"{n_runs} runs, none a seed of another: {differ}"
    sizes = Counter(map(len, several))
    seeds = ", ".join(f"{f'{k} times ' * (k > 1)}{n} seeds" for n, k in sorted(sizes.items()))
    return f"{n_runs} runs in {len(grouped)} groups ({seeds}): {differ}"


def _each(values: Any) -> str:
    """The values, said once if they agree."""
    said = list(values)
    return said[0] if len(set(said)) == 1 else ", ".join(said)


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _order(values: Sequence[Any]) -> list[tuple[float, str]]:
    """Sorts numbers by size and the rest by name."""
    return [
        (float(v), "") if isinstance(v, int | float) else (float("inf"), str(v)) for v in values
    ]
