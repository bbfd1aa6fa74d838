"""The nouns and mechanisms of Hopscope: graphs, queries, the model, runs, patching."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Names are imported on first use: TransformerLens alone takes seconds to import, and reading a
# knowledge graph or a result must not pay for it.
_HOME = {
    "Corpus": "circuits.corpus",
    "HookedTransformer": "circuits.model",
    "HopscopeError": "circuits.errors",
    "KnowledgeGraph": "circuits.knowledge_graph",
    "ModelConfig": "circuits.config",
    "Patch": "circuits.patching",
    "Queries": "circuits.queries",
    "Query": "circuits.queries",
    "Recipe": "circuits.recipe",
    "Run": "circuits.runs",
    "Vocab": "circuits.vocab",
    "build_corpus": "circuits.corpus",
    "load_recipe": "circuits.recipe",
    "load_source": "circuits.sources",
    "open_run": "circuits.runs",
    "patch_grid": "circuits.patching",
    "run_patched": "circuits.patching",
    "to_bridge": "circuits.bridge",
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'circuits' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
