"""The nouns and mechanisms of Hopscope: graphs, questions, the model, patching, circuits, runs.

Rooms, in the order in which they may import each other: `recipes` and `graph`, then `corpus` and
`model`, then `patching`, `circuit`, `runs` and `series`. Nothing here draws, and nothing here
imports `train`, `analyses` or `app`.

The names below are public and stable:

>>> from circuits import ModelConfig
>>> ModelConfig(n_layers=2, d_model=8, n_heads=2, d_vocab=20, n_ctx=4).d_head
4
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from circuits.circuit.circuit import Circuit
    from circuits.circuit.find import find_circuit
    from circuits.corpus.build import build_corpus
    from circuits.corpus.corpus import Corpus
    from circuits.corpus.queries import Queries, Query
    from circuits.corpus.vocab import Vocab
    from circuits.errors import HopscopeError
    from circuits.graph.knowledge_graph import KnowledgeGraph
    from circuits.graph.sources import load_source
    from circuits.model.config import ModelConfig
    from circuits.model.transformer import HookedTransformer
    from circuits.model.transformer_lens_4 import to_bridge
    from circuits.model.tuned_lens import TunedLens
    from circuits.patching import Patch, patch_grid, run_patched
    from circuits.recipes.schema import Recipe, load_recipe
    from circuits.runs.run import Run, open_run
    from circuits.series.given import open_series

__version__ = "0.2.0"

__all__ = [
    "Circuit",
    "Corpus",
    "HookedTransformer",
    "HopscopeError",
    "KnowledgeGraph",
    "ModelConfig",
    "Patch",
    "Queries",
    "Query",
    "Recipe",
    "Run",
    "TunedLens",
    "Vocab",
    "__version__",
    "build_corpus",
    "find_circuit",
    "load_recipe",
    "load_source",
    "open_run",
    "open_series",
    "patch_grid",
    "run_patched",
    "to_bridge",
]

# Where each public name lives. They are imported on first use: PyTorch and TransformerLens take
# seconds to import, and reading a knowledge graph or a result must not pay for them. A test holds
# this table against the imports above.
_HOME = {
    "Circuit": "circuits.circuit.circuit",
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
    "TunedLens": "circuits.model.tuned_lens",
    "Vocab": "circuits.corpus.vocab",
    "build_corpus": "circuits.corpus.build",
    "find_circuit": "circuits.circuit.find",
    "load_recipe": "circuits.recipes.schema",
    "load_source": "circuits.graph.sources",
    "open_run": "circuits.runs.run",
    "open_series": "circuits.series.given",
    "patch_grid": "circuits.patching",
    "run_patched": "circuits.patching",
    "to_bridge": "circuits.model.transformer_lens_4",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'circuits' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
