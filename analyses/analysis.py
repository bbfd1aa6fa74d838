"""What an analysis of the catalog is.

An analysis is a module with two names:

- `Options`, a subclass of `analyses.options.common.AnalysisOptions`;
- `run(model, examples, options) -> xarray.Dataset`, a pure function for one checkpoint and one
  split. The dataset has no dims `step` and `split`, which the walk adds. Per-example variables have
  the dim `example` first and a name that ends in `_example`.

A *joint* analysis looks at several checkpoints at once. Its `run(run, steps, options)` returns the
dataset with `step` (and `split`, `n`), and its `steps(run, options)` says which checkpoints it
takes unless some are named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from analyses.options.common import AnalysisOptions
from circuits.errors import HopscopeError
from circuits.recipes.schema import Task
from circuits.settings import validated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import xarray as xr

    from analyses.questions.examples import Examples
    from circuits.model.transformer import HookedTransformer
    from circuits.runs.run import Run


@dataclass(frozen=True)
class Analysis:
    """An entry of the catalog; its module is imported on first use.

    >>> from analyses import CATALOG
    >>> CATALOG["causal_tracing"].title, CATALOG["causal_tracing"].options({}).examples
    ('Causal tracing', 300)
    """

    name: str
    title: str
    about: str
    """Two sentences: what the analysis measures, and how to read it."""
    module: str
    own_options: type[AnalysisOptions] | None = None
    """The class of its options; None: `Options` of the module, imported on first use."""
    tasks: tuple[Task, ...] = ("composition",)
    version: int = 1
    """Increased whenever the same options would give other numbers, so that old results are never
    mixed with new ones."""
    splits: tuple[str, ...] = ("train_inferred", "id_test", "ood_test", "asked")
    """Splits that are analyzed unless others are named."""
    default_steps: Literal["all", "last"] = "all"
    """Checkpoints that are analyzed unless others are named; "last" if all would cost too much."""

    bridges: bool = False
    """Whether it also runs on models that are not ours (`circuits.model.bridged`)."""
    one_token: bool = False
    """Whether it needs questions in which every name is one token and roles are columns."""
    needs_text: bool = False
    """Whether it needs questions in words, for which there is a tokenizer."""
    joint: bool = False
    """Whether it looks at several checkpoints at once."""
    on_request: bool = False
    """Whether it is run only if it is named, for its cost or for a package that it needs."""
    figures: tuple[str, ...] = ()
    """Of an analysis outside this package, its figures: addresses "module:function" of builders,
    the default one first. Those of ours are in `analyses.figures.registry`."""

    @property
    def run(self) -> Callable[[HookedTransformer, Examples, Any], xr.Dataset]:
        """The function for one checkpoint and one split."""
        found = import_module(self.module).run
        return partial(_refusing_text, self.name, found) if self.one_token else found

    def run_jointly(self, run: Run, steps: Sequence[int], options: Any) -> xr.Dataset:
        """The result of a joint analysis for these checkpoints."""
        return import_module(self.module).run(run, steps, options)

    def joint_steps(self, run: Run, options: Any) -> list[int]:
        """The checkpoints that a joint analysis takes by itself."""
        return import_module(self.module).steps(run, options)

    @property
    def options_type(self) -> type[AnalysisOptions]:
        """The class of its options."""
        return self.own_options or import_module(self.module).Options

    def options(self, given: Mapping[str, Any]) -> AnalysisOptions:
        """Validate options; an unknown name or a bad value raises `HopscopeError`."""
        return validated(self.options_type, given, self.name, f"option of {self.name}")


NEEDS_ONE_TOKEN = (
    "needs questions of one token per name, since it follows the same column through all of them"
)
"""Why an analysis with `one_token` refuses questions of many tokens."""
NEEDS_TEXT = "needs questions in words, since it puts them beside a sentence of its own"
"""Why an analysis with `needs_text` refuses questions in which a name is a token."""


def _refusing_text(
    name: str, run: Callable[..., xr.Dataset], model: Any, examples: Examples, options: Any
) -> xr.Dataset:
    if examples.queries.ragged:
        raise HopscopeError(f"{name} {NEEDS_ONE_TOKEN}; use a run whose names are tokens.")
    return run(model, examples, options)
