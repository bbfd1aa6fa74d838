"""The instrument's JavaScript: how its modules are joined, what they read, and their own tests."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import types
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from analyses.figures.specs.facts import Neighbour, Neighbourhood
from app.instrument.around_fields import AroundPayload
from app.instrument.fields import Payload
from app.instrument.payload import dump, formation_payload
from app.instrument.scripts import (
    ENTRY,
    PANEL_ENTRY,
    SCRIPTS,
    SLICE_ENTRY,
    in_order,
    joined,
)
from app.instrument.typescript import RECORDS, typescript
from app.logic.neighbourhood import around_payload
from circuits.runs.run import open_run

FILES = sorted(SCRIPTS.glob("*.js"))
UNIT_TESTS = tuple(
    Path(__file__).with_name(f"test_{name}_js.mjs")
    for name in ("instrument", "formation", "bench", "heads")
)
ROOT = Path(__file__).parents[2]
NODE = shutil.which("node")
LINE, LINES = 100, 210
needs_node = pytest.mark.skipif(NODE is None, reason="node is not on the PATH")


@pytest.mark.parametrize("path", [*FILES, *UNIT_TESTS], ids=lambda path: path.name)
def test_lines_and_files_are_short(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > LINE] == []
    assert len(lines) <= (LINES if path in FILES else 400)


def test_every_file_is_joined_and_asks_to_be_checked() -> None:
    joined_files = {*in_order(), *in_order(SLICE_ENTRY), *in_order(PANEL_ENTRY)}
    assert joined_files == {path.name for path in FILES}
    for path in FILES:
        assert path.read_text(encoding="utf-8").startswith("// @ts-check\n"), path.name


@pytest.mark.parametrize(
    ("entry", "called"),
    [
        (ENTRY, "mount(component)"),
        (SLICE_ENTRY, "send({ data })"),
        (PANEL_ENTRY, "showPanel({ data, parentElement, setStateValue })"),
    ],
)
def test_a_joined_module_has_one_export_and_no_name_twice(entry: str, called: str) -> None:
    script = joined(entry)
    assert re.findall(r"^(?:import|export).*", script, re.MULTILINE) == [
        f"export default function {called} {{"
    ]
    defined = re.findall(r"^(?:class|const|let|function) (\w+)", script, re.MULTILINE)
    assert sorted(defined) == sorted(set(defined))


def test_the_script_that_is_sent_with_every_slice_is_small() -> None:
    assert len(joined(SLICE_ENTRY)) < 3000


def test_a_file_comes_after_all_that_it_imports(tmp_path: Path) -> None:
    (tmp_path / ENTRY).write_text(
        'import { b } from "./b.js";\nimport {\n  a,\n  c,\n} from "./a.js";\nexport default b;\n'
    )
    (tmp_path / "b.js").write_text('import { a } from "./a.js";\nexport const b = a;\n')
    (tmp_path / "a.js").write_text("export const a = 1;\nexport function c() {}\n")
    assert in_order(ENTRY, tmp_path) == ["a.js", "b.js", ENTRY]
    assert joined(folder=tmp_path) == (
        "const a = 1;\nfunction c() {}\n\nconst b = a;\n\nexport default b;\n"
    )


def test_files_that_import_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / ENTRY).write_text('import { b } from "./b.js";\n')
    (tmp_path / "b.js").write_text('import { a } from "./main.js";\n')
    with pytest.raises(ImportError, match=r"main.js -> b.js -> main.js"):
        joined(folder=tmp_path)


def test_names_are_never_read_as_markup() -> None:
    ways = "innerHTML|outerHTML|insertAdjacentHTML|document.write|DOMParser|eval\\("
    assert re.findall(ways, joined() + joined(PANEL_ENTRY)) == []


def test_the_typescript_of_the_payload_is_up_to_date() -> None:
    assert (SCRIPTS / "payload.d.ts").read_text(encoding="utf-8") == typescript(), (
        "run `python -m app.instrument.typescript > app/instrument/js/payload.d.ts`"
    )


def test_no_field_is_sent_that_no_script_reads() -> None:
    text = joined() + joined(PANEL_ENTRY)
    code = re.sub(r"^\s*(//|/?\*).*$", "", text, flags=re.MULTILINE)
    read = {*re.findall(r"\.(\w+)", code)}
    for names in re.findall(r"\{([^{}]*)\}(?= = | of |[^\n;]*\) (?:\{|=>))", code):
        read |= set(re.findall(r"\w+", names))
    fields = {name for record in RECORDS for name in get_type_hints(record)}
    assert fields - read == set()


def misfits(value: Any, kind: Any, where: str = "payload") -> list[str]:
    """Where a value is not of its type, or a record lacks a field or has one too many."""
    if get_origin(kind) in (Union, types.UnionType):
        return [] if any(not misfits(value, k) for k in get_args(kind)) else [where]
    if kind in RECORDS:
        hints = get_type_hints(kind)
        wrong = (set(value) - set(hints)) | (kind.__required_keys__ - set(value))
        found = [f"{where}.{name}" for name in sorted(wrong)]
        known = ((n, v) for n, v in value.items() if n in hints)
        return found + [m for n, v in known for m in misfits(v, hints[n], f"{where}.{n}")]
    plain = get_origin(kind) or kind
    if not isinstance(value, (int, float) if plain is float else plain):
        return [where]
    if plain is list:
        item = get_args(kind)[0]
        return [m for i, v in enumerate(value) for m in misfits(v, item, f"{where}[{i}]")]
    if plain is dict:
        item = get_args(kind)[1]
        return [m for n, v in value.items() for m in misfits(v, item, f"{where}[{n!r}]")]
    return []


def test_the_first_page_of_the_demo_is_sent_with_these_fields() -> None:
    from app.shell.opened import results_of, stamp

    path = ROOT / "assets" / "demo"
    datasets, _ = results_of(stamp(path))
    sent = json.loads(formation_payload(open_run(path), datasets))
    assert misfits(sent, Payload) == []
    assert sent["measures"]["id_test"]["discovered"]["step"]


def test_the_facts_around_an_entity_are_sent_with_these_fields() -> None:
    fact = Neighbour(name="France", relation="country", side="out", provenance="real")
    spec = Neighbourhood(name="n", title="t", entity="Lyon", facts=(fact,))
    sent = json.loads(dump(around_payload(spec)))
    assert misfits(sent, AroundPayload) == []
    assert misfits(sent | {"more": 1}, AroundPayload) == ["payload.more"]


@needs_node
def test_the_joined_module_is_javascript(tmp_path: Path) -> None:
    (tmp_path / "joined.mjs").write_text(joined(), encoding="utf-8")
    subprocess.run([str(NODE), "--check", str(tmp_path / "joined.mjs")], check=True, timeout=60)


@needs_node
def test_the_parts_that_need_no_browser_pass_their_tests_in_node() -> None:
    command = [str(NODE), "--test", *map(str, UNIT_TESTS)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout
    assert "# pass 0" not in run.stdout


def typescript_compiler() -> list[str]:
    """`tsc` from the PATH or from a node_modules folder above; nothing is downloaded."""
    for command in (["tsc"], ["npx", "--no-install", "tsc"]):
        if (program := shutil.which(command[0])) is None:
            continue
        found = [program, *command[1:]]
        said = subprocess.run(
            [*found, "--version"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if said.returncode == 0 and said.stdout.startswith("Version "):
            return found
    pytest.skip("TypeScript is not installed: neither tsc nor npx --no-install tsc runs")


def test_the_scripts_agree_with_their_types() -> None:
    command = [*typescript_compiler(), "-p", str(SCRIPTS / "jsconfig.json")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout
