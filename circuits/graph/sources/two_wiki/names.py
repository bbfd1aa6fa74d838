"""Which surface forms of 2WikiMultiHopQA are one entity.

1. `exact`: every distinct string is an entity of its own.
2. `normalised`: strings that agree up to case, spacing, typographic quotes and dashes, and the
   format of dates ("December 24, 1886" = "24 December 1886").
3. `ids`: mentions with the same Wikidata id (`evidences_id`) are one entity; a mention without one
   joins the id whose names, aliases or demonyms contain it, if there is exactly one, and is
   identified by its normalised form otherwise. Different ids of the same name stay apart: "name
   (Q1)".

An entity is named by its most frequent surface form, as the source wrote it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from circuits.graph.sources.formats.broken import Broken
from circuits.graph.sources.formats.files import opened, text_lines

Merge = Literal["exact", "normalised", "ids"]
Mention = tuple[str, str | None]
"""A surface form with the Wikidata id of this mention, if it has one."""

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAY_FIRST = re.compile(r"(\d{1,2}) ([a-z]+),? (\d{1,4})")
_MONTH_FIRST = re.compile(r"([a-z]+) (\d{1,2}),? (\d{1,4})")
_TYPOGRAPHIC = str.maketrans("‘’´`“”–—−", "''''\"\"---")
_ID = re.compile(r"Q\d+")
_EXAMPLES = 50  # merged groups that the report lists


@dataclass(frozen=True)
class Naming:
    """The name of every mention, and the report of what was merged."""

    names: dict[Mention, str]
    report: dict[str, Any]

    def __getitem__(self, mention: Mention) -> str:
        return self.names[mention]


def wikidata_id(value: object) -> str | None:
    """A Wikidata item id, or None for a literal or an empty value."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


@lru_cache(maxsize=1 << 18)
def normalised(name: str) -> str:
    """The form by which names are compared."""
    plain = unicodedata.normalize("NFC", name).translate(_TYPOGRAPHIC)
    plain = " ".join(plain.casefold().split())
    for pattern, order in ((_DAY_FIRST, (0, 1, 2)), (_MONTH_FIRST, (1, 0, 2))):
        match = pattern.fullmatch(plain)
        if match:
            day, month, year = (match.groups()[i] for i in order)
            if month in _MONTHS:
                return f"{int(year)}-{_MONTHS.index(month) + 1}-{int(day)}"
    return plain


def read_aliases(path: Path) -> dict[str, list[str]]:
    """Aliases and demonyms per id: `id_aliases.json`, one JSON object per line."""
    aliases: dict[str, list[str]] = {}
    broken = Broken(str(path))
    with opened(path) as file:
        for number, line in text_lines(file, str(path)):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
                names = [*entry.get("aliases", []), *entry.get("demonyms", [])]
                if not all(isinstance(name, str) for name in names):
                    raise TypeError
                aliases[entry["Q_id"]] = names
            except (ValueError, KeyError, TypeError, AttributeError):
                why = "is not an object with Q_id, aliases and demonyms"
                broken.add(f"line {number}", line, why)
    broken.refuse("Give the authors' id_aliases.json, or leave source.options.aliases out.")
    return aliases


def name_entities(
    mentions: Iterable[Mention], merge: Merge, aliases: Mapping[str, list[str]]
) -> Naming:
    """Decide for every mention which entity it refers to and what that entity is called."""
    counts = Counter(mentions)
    keys = _keys(counts, merge, aliases)
    groups: defaultdict[str, Counter[str]] = defaultdict(Counter)
    with_id: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (form, identity), n in counts.items():
        key = keys[form, identity]
        groups[key][form] += n
        with_id[key][form] += n * (identity is not None)
    label = {
        # a form that only an alias brought in is not what the entity is called
        key: min(forms, key=lambda f: (-with_id[key][f], -forms[f], f))
        for key, forms in groups.items()
    }
    shared = {name for name, n in Counter(label.values()).items() if n > 1}
    for key, name in label.items():
        if name in shared and _ID.fullmatch(key):
            label[key] = f"{name} ({key})"
    return Naming({m: label[k] for m, k in keys.items()}, _report(merge, groups, label, shared))


def _keys(
    counts: Counter[Mention], merge: Merge, aliases: Mapping[str, list[str]]
) -> dict[Mention, str]:
    if merge == "exact":
        return {mention: mention[0] for mention in counts}
    if merge == "normalised":
        return {mention: normalised(mention[0]) for mention in counts}
    said = _ids_by_name((identity, [form]) for form, identity in counts if identity)
    known = {identity for _, identity in counts if identity}
    also = _ids_by_name((i, names) for i, names in aliases.items() if i in known)
    keys = {}
    for form, identity in counts:
        plain = normalised(form)
        # an entity's own name counts before another one's alias
        candidates = said.get(plain) or also.get(plain) or set()
        only = next(iter(candidates)) if len(candidates) == 1 else None
        keys[form, identity] = identity or only or plain
    return keys


def _ids_by_name(entries: Iterable[tuple[str, list[str]]]) -> dict[str, set[str]]:
    ids: defaultdict[str, set[str]] = defaultdict(set)
    for identity, names in entries:
        for name in names:
            ids[normalised(name)].add(identity)
    return ids


def _report(
    merge: Merge, groups: Mapping[str, Counter[str]], label: Mapping[str, str], shared: set[str]
) -> dict[str, Any]:
    merged = {k: forms for k, forms in groups.items() if len(forms) > 1}
    largest = sorted(merged, key=lambda k: (-len(merged[k]), label[k]))
    return {
        "by": merge,
        "surface_forms": len({form for forms in groups.values() for form in forms}),
        "entities": len(groups),
        "merged_groups": len(merged),
        "names_of_several_entities": sorted(shared),
        "examples": [[label[k], sorted(set(merged[k]))] for k in largest[:_EXAMPLES]],
    }
