"""The figures of each analysis, and how to make one from a result."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from analyses.catalog import CATALOG
from analyses.figures.builders import (
    any_circuit,
    certificate,
    circuit,
    circuit_discovery,
    formation,
    heads,
    seeds,
    training,
)
from analyses.figures.builders.interventions import (
    attention_knockout,
    back_patching,
    bridge_patching,
    causal_tracing,
    component_patching,
    edit_propagation,
    interchange,
    mixing,
)
from analyses.figures.builders.over_training import (
    composability,
    coverage,
    crosscoder,
    first_usable,
    learning_coefficient,
)
from analyses.figures.builders.readouts import (
    attention,
    logit_lens,
    probes,
    trace_classes,
    tuned_lens,
    weights,
)
from analyses.figures.nothing import said_if_empty
from analyses.figures.specs.charts import Spec
from circuits.errors import HopscopeError, unknown_name

if TYPE_CHECKING:
    from circuits.circuit.circuit import Circuit

Builder = Callable[..., Spec]
"""(result, *, step, ...) -> Spec; its first docstring line says what the figure shows."""

_LENS: dict[str, Builder] = {
    "mrr": logit_lens.mrr,
    "mrr_added": logit_lens.mrr_added,
    "mrr_over_training": logit_lens.mrr_over_training,
    "mrr_map_over_training": logit_lens.mrr_map_over_training,
}
_TRACING: dict[str, Builder] = {
    "strength": causal_tracing.strength,
    "strength_over_training": causal_tracing.strength_over_training,
    "strength_change": causal_tracing.strength_change,
}
_FIRST_USABLE: dict[str, Builder] = {
    "order": first_usable.order,
    "first_layers": first_usable.first_layers,
}

FIGURES: dict[str, dict[str, Builder]] = {
    "training": {
        "accuracy": training.accuracy,
        "accuracy_all_splits": training.accuracy_all_splits,
        "loss": training.loss,
    },
    "logit_lens": _LENS,
    "tuned_lens": {
        "mrr": tuned_lens.mrr,
        "mrr_added": tuned_lens.mrr_added,
        "mrr_over_training": tuned_lens.mrr_over_training,
        "divergence": tuned_lens.divergence,
    },
    "comparison_lens": {
        "mrr": logit_lens.comparison_mrr,
        "mrr_added": logit_lens.mrr_added,
        "mrr_over_training": logit_lens.comparison_mrr_over_training,
    },
    "causal_tracing": _TRACING,
    "comparison_tracing": _TRACING,
    "bridge_patching": {
        "success": bridge_patching.success,
        "success_over_training": bridge_patching.success_over_training,
    },
    "circuit": {"circuit": circuit.circuit},
    "component_patching": {
        "effects": component_patching.effects,
        "heads": component_patching.heads,
        "head_effects": heads.head_effects,
    },
    "path_patching": {"strongest_paths": component_patching.strongest_paths},
    "attribution": {"agreement": component_patching.agreement},
    "formation": {"curves": formation.curves, "edge_steps": formation.edge_steps},
    "first_usable": _FIRST_USABLE,
    "first_usable_patchscopes": _FIRST_USABLE,
    "circuit_agreement": {
        "pairs": seeds.pairs,
        "shared_edges": seeds.shared_edges,
    },
    "route_ablation": {"route": circuit_discovery.faithfulness_of_route},
    "circuit_discovery": {
        "found_circuit": circuit_discovery.found_circuit,
        "faithfulness": circuit_discovery.faithfulness,
        "edges_over_training": circuit_discovery.edges_over_training,
        "stability": circuit_discovery.stability,
    },
    "trace_classes": {
        "class_shares": trace_classes.class_shares,
        "recovery": trace_classes.recovery,
    },
    "coverage": {
        "accuracy_by_k": coverage.accuracy_by_k,
        "accuracy_by_k_over_training": coverage.accuracy_by_k_over_training,
    },
    "crosscoder": {
        "features_and_probe": crosscoder.features_and_probe,
        "births": crosscoder.births,
        "bridge_features": crosscoder.bridge_features,
    },
    "probes": {
        "probe_accuracy": probes.probe_accuracy,
        "probe_accuracy_over_training": probes.probe_accuracy_over_training,
        "geometry": probes.geometry,
        "geometry_over_training": probes.geometry_over_training,
        "state_map": probes.state_map,
        "state_map_mds": probes.state_map_mds,
    },
    "back_patching": {"mended": back_patching.mended, "broken": back_patching.broken},
    "attention_knockout": {
        "answers_lost": attention_knockout.answers_lost,
        "accuracy_over_training": attention_knockout.accuracy_over_training,
    },
    "mixing": {
        "mixed_accuracy": mixing.mixed_accuracy,
        "gain_over_training": mixing.gain_over_training,
    },
    "attention": {
        "attention_paid": attention.attention_paid,
        "attention_over_training": attention.attention_over_training,
        "head_scores": attention.head_scores,
        "head_map": heads.head_map,
        "head_pattern": heads.head_pattern,
    },
    "weights": {
        "weight_norms": weights.weight_norms,
        "effective_ranks": weights.effective_ranks,
        "gradient_cosines": weights.gradient_cosines,
    },
    "learning_coefficient": {
        "coefficients": learning_coefficient.coefficients,
        "coefficient_over_training": learning_coefficient.coefficient_over_training,
        "chains": learning_coefficient.chains,
    },
    "edit_propagation": {"edit_outcomes": edit_propagation.edit_outcomes},
    "transfer": {"transfer_curve": edit_propagation.transfer_curve},
    "bridge_subspace": {"subspace_swaps": bridge_patching.subspace_swaps},
    "interchange": {"interchange": interchange.interchange},
    "sparse_probes": {"sparse_probes": interchange.sparse_probes},
    "jacobian_lens": {
        "mrr": tuned_lens.jacobian_mrr,
        "mrr_over_training": tuned_lens.jacobian_mrr_over_training,
    },
    "composability": {
        "answered": composability.answered,
        "answered_over_training": composability.answered_over_training,
        "hops_and_answers": composability.hops_and_answers,
    },
    "patchscopes": {
        "mrr": tuned_lens.patchscopes_mrr,
        "mrr_over_training": tuned_lens.patchscopes_mrr_over_training,
    },
    "evidence": {"certificate": certificate.certificate},
}
"""Builders by analysis and figure; the first figure of an analysis is its default."""

NEEDS = {"mrr_added": "mrr_added"}
"""Figures of a variable that older results lack, and its name."""


def builders_of(analysis: str) -> dict[str, Builder]:
    """The builders of an analysis by figure, also of one outside this package; empty: none.

    >>> list(builders_of("bridge_patching"))
    ['success', 'success_over_training']
    """
    entry = CATALOG.get(analysis)
    if entry is None or not entry.figures:
        return FIGURES.get(analysis, {})
    addresses = [address.partition(":") for address in entry.figures]
    return {name: getattr(import_module(module), name) for module, _, name in addresses}


def figures(ds: xr.Dataset) -> dict[str, str]:
    """The figures that a result has: name -> what it shows, the default one first."""
    return about_figures(_builders(ds))


def about_figures(builders: Mapping[str, Builder]) -> dict[str, str]:
    """What each figure shows, by name."""
    return {n: (inspect.getdoc(build) or n).split("\n")[0] for n, build in builders.items()}


def figure(
    ds: xr.Dataset | Circuit, name: str | None = None, step: int | None = None, **sel: Any
) -> Spec:
    """The spec of one figure of a result.

    Args:
        ds: A result of `analyze` (or `training_of`, `circuit_dataset`); or a circuit, which has one
            figure and no selections.
        name: One of `figures(ds)`; None: the first.
        step: The step shown or, in figures over training, the cursor's step. None: the last step,
            without a cursor.
        **sel: Selections that the figure takes: split, layer, position, target, control, ...

    >>> from analyses import figure, stored_result
    >>> from circuits import open_run
    >>> tracing = stored_result(open_run("assets/demo"), "causal_tracing")
    >>> spec = figure(tracing, "strength", split="id_test")
    >>> spec.title, spec.columns
    ('Which states the answer depends on', ('subject', 'relation 1', 'relation 2'))
    """
    if not isinstance(ds, xr.Dataset):
        if name is not None or step is not None or sel:
            raise HopscopeError("a circuit has one figure; give it alone: figure(circuit).")
        return any_circuit.diagram(ds)
    builders = _builders(ds)
    name = next(iter(builders)) if name is None else name
    check_complete(ds, name)
    if name not in builders:
        raise unknown_name("figure", name, builders)
    build = builders[name]
    allowed = set(inspect.signature(build).parameters) - {"ds", "step"}
    for key in sel:
        if key not in allowed:
            raise unknown_name(f"selection for the figure {name!r}", key, allowed)
    return said_if_empty(build(ds, step=step, **sel), ds, sel.get("split"))


def lacks(ds: xr.Dataset, name: str) -> str:
    """The variable that a figure of a result needs and the result does not have; "" if none."""
    needed = NEEDS.get(name, "")
    there = name in builders_of(str(ds.attrs.get("analysis")))
    return needed if there and needed not in ds else ""


def check_complete(ds: xr.Dataset, name: str, run: str | Path = "RUN") -> None:
    """Refuse a figure whose variable an older result lacks, with the command that adds it.

    Raises:
        HopscopeError: if the result has to be made again for this figure.
    """
    if variable := lacks(ds, name):
        analysis = ds.attrs["analysis"]
        raise HopscopeError(
            f"the figure {name!r} needs {variable}, which the stored result of {analysis} lacks, "
            f"since an earlier version of Hopscope made it; run `hopscope analyze {run} {analysis} "
            "--again`."
        )


def takes_split(name: str, ds: xr.Dataset) -> bool:
    """Whether a figure of this result is drawn of one split at a time, or can be."""
    return "split" in inspect.signature(_builders(ds)[name]).parameters


def frames(ds: xr.Dataset, name: str | None = None, **sel: Any) -> list[Spec]:
    """The same figure at every step of a result, in order and on common scales."""
    return [figure(ds, name, step=int(step), **sel) for step in ds["step"].values]


def _builders(ds: xr.Dataset) -> dict[str, Builder]:
    analysis = ds.attrs.get("analysis")
    if not isinstance(analysis, str):
        raise HopscopeError(
            "this dataset does not say which analysis it comes from (attribute 'analysis'); "
            "give one that analyze() returned."
        )
    every = builders_of(analysis).items()
    if not every:
        raise unknown_name("analysis with figures", analysis, FIGURES)
    return {name: build for name, build in every if name not in NEEDS or NEEDS[name] in ds}
