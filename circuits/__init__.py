"""The nouns and mechanisms of Hopscope: graphs, queries, the model, runs, patching."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Names are imported on first use: TransformerLens alone takes seconds to import, and reading a
# knowledge graph or a result must not pay for it.
_HOME = {
    "Corpus": "circuits.corpus.corpus",
    "HookedTransformer": "circuits.model.transformer",
    "HopscopeError": "circuits.errors",
    "KnowledgeGraph": "circuits.graph.knowledge_graph",
    "ModelConfig": "circuits.model.config",
    "Patch": "circuits.patching",
    "Queries": "circuits.corpus.queries",
    "Query": "circuits.corpus.queries",
    "Recipe": "circuits.recipes.schema",
    "Run": "circuits.runs.run",
    "Vocab": "circuits.corpus.vocab",
    "build_corpus": "circuits.corpus.corpus",
    "load_recipe": "circuits.recipes.schema",
    "load_source": "circuits.graph.sources",
    "open_run": "circuits.runs.run",
    "patch_grid": "circuits.patching",
    "run_patched": "circuits.patching",
    "to_bridge": "circuits.model.transformer_lens_4",
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'circuits' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
