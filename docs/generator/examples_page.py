"""The page of the examples: every script and notebook of `docs/examples`, as it stands."""

from __future__ import annotations

import ast
import json
from pathlib import Path

from generator.staging import DOCS, Staging

EXAMPLES = DOCS / "examples"

INTRODUCTION = """# Examples

Short scripts, each complete, and two notebooks. The tests run all on the demo. Run them from
the root of the repository: `python docs/examples/patch_the_bridge.py`."""


def write(staging: Staging) -> None:
    """Write the page, and bring the notebooks along."""
    scripts = sorted(EXAMPLES.glob("*.py"))
    notebooks = sorted(EXAMPLES.glob("*.ipynb"))
    parts = [INTRODUCTION, *map(script, scripts), *map(notebook, notebooks)]
    staging.write("examples.md", "\n\n".join(parts) + "\n")


def script(path: Path) -> str:
    """A script under its docstring's first line."""
    text = path.read_text(encoding="utf-8")
    title, _, rest = (ast.get_docstring(ast.parse(text)) or "").partition("\n\n")
    code = text.split('"""', 2)[2].strip()
    body = [f"## {title.rstrip('.')}", f"`docs/examples/{path.name}`", rest]
    return "\n\n".join([*filter(None, body), f"```python\n{code}\n```"])


def notebook(path: Path) -> str:
    """The cells of a notebook; its title is one level lower than in the notebook."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        is_title = text.startswith("# ") and cell["cell_type"] == "markdown"
        if cell["cell_type"] == "code":
            parts.append(f"```python\n{text}\n```")
        else:
            parts.append(f"#{text}\n\n`docs/examples/{path.name}`" if is_title else text)
    return "\n\n".join(parts)
