"""The circuit of a model: its candidate edges with their effects, and which of them are kept.

A circuit is data: it is compared, stored as JSON and read back without the model it was found in.
Given a model of the same shape it runs: `restricted` is the model with only the circuit, `excluded`
the model without it, and `faithfulness` says how much of what the model does the circuit alone
still does. `analyses.figure(circuit)` draws it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ConfigDict, TypeAdapter

from circuits.circuit.ablated_run import AblatedModel, Ablation
from circuits.circuit.contrast_runs import ContrastRuns, Metric
from circuits.circuit.faithfulness import Faithfulness, faithfulness
from circuits.circuit.json_records import json_object, record
from circuits.circuit.nodes_and_edges import Edge, candidate_edges, n_candidate_edges
from circuits.errors import HopscopeError, unknown_name
from circuits.files import write_atomically
from circuits.model.transformer import HookedTransformer

Method = Literal["exact", "eap", "eap_ig"]
METHODS: tuple[Method, ...] = get_args(Method)

FORMAT, VERSION = "hopscope circuit", 1

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class ScoredEdge:
    """A candidate edge: what runs along it, and whether it is kept."""

    __pydantic_config__ = _STRICT

    name: str
    """Sender and receiver, "mlp.0[1]>attn.1[2]" (see `circuits.circuit.nodes_and_edges`)."""
    effect: float | None
    """Mean fall of the metric when the edge alone is corrupted, nats; negative where what runs
    along it speaks against the answer. None: screened out and not measured."""
    low: float | None
    """Lower end of the 95% interval over prompts."""
    high: float | None
    share: float | None
    """Effect as a share of that of corrupting the prompt as a whole. Those of edges in parallel
    add up to about one, those of edges in series are each about one."""
    kept: bool
    """Whether it belongs to the circuit."""
    frequency: float | None = None
    """Share of bootstrap resamples of the prompts whose circuit has the edge."""


@dataclass(frozen=True, repr=False)
class Circuit:
    """A circuit, as `circuits.find_circuit` gives it.

    >>> from circuits.circuit.nodes_and_edges import candidate_edges
    >>> names = [edge.name(("a", "b")) for edge in candidate_edges(1, 2)]
    >>> kept = {"embed[a]>attn.0[b]", "attn.0[b]>output"}
    >>> circuit = Circuit(
    ...     tuple(ScoredEdge(name, 1.0, 0.9, 1.1, 0.5, name in kept) for name in names),
    ...     positions=("a", "b"), depth=1, n_heads=2, d_model=8,
    ... )
    >>> circuit
    Circuit(2 edges of 7: embed[a]>attn.0[b], attn.0[b]>output)
    >>> circuit.nodes
    ('embed[a]', 'attn.0[b]', 'output')
    >>> Circuit.from_json(circuit.to_json()) == circuit
    True
    """

    __pydantic_config__ = _STRICT

    candidates: tuple[ScoredEdge, ...]
    """Every candidate edge, in the order of `candidate_edges`."""
    positions: tuple[str, ...]
    """Names of the prompt's positions."""
    depth: int
    """Number of blocks that a token passes."""
    n_heads: int
    d_model: int
    heads: bool = False
    """Whether attention heads are told apart."""
    parts: bool = False
    """Whether the inputs q, k and v of attention are told apart."""
    method: str = "exact"
    """How effects were found: "exact", "eap", "eap_ig", or where they were read from."""
    metric: Metric = "logit_difference"
    ablation: Ablation = "mean"
    """What replaces everything else when the circuit is run."""
    n: int = 0
    """Number of prompts that it was found on; 0: unknown."""
    total: float | None = None
    """Mean fall of the metric when the prompt as a whole is corrupted, nats."""
    stability: float | None = None
    """Mean Jaccard index between the circuit and those found on resampled prompts."""

    def __post_init__(self) -> None:
        checked_positions(self.positions, len(self.positions))
        if min(self.depth, self.n_heads, self.d_model) < 1:
            raise HopscopeError("depth, n_heads and d_model are whole numbers of at least 1.")
        # counted first: a number in a file alone must not make us build a million edges
        plausible = self.depth * len(self.positions) <= len(self.candidates)
        shape = (self.depth, len(self.positions), self.n_heads if self.heads else None)
        if not plausible or n_candidate_edges(*shape, parts=self.parts) != len(self.candidates):
            raise HopscopeError(
                f"{len(self.candidates)} edges are not those of {self.depth} blocks and "
                f"{len(self.positions)} positions; give every edge of `candidate_edges`, in order."
            )
        for edge, found in zip(self.all_edges, self.candidates, strict=True):
            if edge.name(self.positions) != found.name:
                raise HopscopeError(
                    f"{found.name!r} stands where the edge {edge.name(self.positions)!r} belongs; "
                    "give every edge of `candidate_edges`, in order."
                )

    @property
    def edges(self) -> tuple[ScoredEdge, ...]:
        """The circuit's edges, in order of computation."""
        return tuple(edge for edge in self.candidates if edge.kept)

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the components that the circuit's edges join, in order of computation."""
        ends = {node for edge in self.kept_edges for node in (edge.sender, edge.receiver)}
        ordered = sorted(ends, key=lambda v: (v.order, v.position, v.head or 0))
        return tuple(node.name(self.positions) for node in ordered)

    @cached_property
    def all_edges(self) -> tuple[Edge, ...]:
        """The candidates as edges between components."""
        heads = self.n_heads if self.heads else None
        return candidate_edges(self.depth, len(self.positions), heads, parts=self.parts)

    @property
    def kept_edges(self) -> tuple[Edge, ...]:
        """`edges` as edges between components."""
        both = zip(self.all_edges, self.candidates, strict=True)
        return tuple(edge for edge, found in both if found.kept)

    def keeping(self, names: Iterable[str]) -> Circuit:
        """The circuit that keeps exactly these candidates, whatever was found.

        `stability` and `frequency`, which are about what was found, are None in it.

        Raises:
            HopscopeError: for a name that is not one of a candidate.

        >>> from circuits.circuit.nodes_and_edges import candidate_edges
        >>> names = [edge.name(("a", "b")) for edge in candidate_edges(1, 2)]
        >>> candidates = tuple(ScoredEdge(n, 1.0, 0.9, 1.1, 0.5, True, 1.0) for n in names)
        >>> Circuit(candidates, ("a", "b"), depth=1, n_heads=2, d_model=8).keeping(names[:1])
        Circuit(1 edge of 7: embed[a]>attn.0[b])
        """
        wanted, known = set(names), {edge.name for edge in self.candidates}
        for name in wanted:
            if name not in known:
                raise unknown_name("edge", name, known)
        candidates = tuple(
            replace(edge, kept=edge.name in wanted, frequency=None) for edge in self.candidates
        )
        return replace(self, candidates=candidates, stability=None)

    def restricted(self, model: HookedTransformer) -> AblatedModel:
        """The model with only the circuit.

        Returns:
            To be called as `restricted(tokens)` or `restricted(tokens, corrupted)`: logits at the
            last position [n, d_vocab] with everything but the circuit ablated.
        """
        return self._ablated(model, frozenset(self.kept_edges))

    def excluded(self, model: HookedTransformer) -> AblatedModel:
        """The model without the circuit; called as `restricted` is."""
        return self._ablated(model, frozenset(self.all_edges) - frozenset(self.kept_edges))

    def faithfulness(
        self,
        model: HookedTransformer,
        clean: Any,
        corrupted: Any,
        *,
        answer: Any = None,
        other: Any = None,
    ) -> Faithfulness:
        """How much of what the model does between these prompts the circuit alone does.

        Args:
            model: A model of the circuit's shape, in eval mode.
            clean: Token ids [n, pos].
            corrupted: Token ids of the same shape; what is not kept is ablated to their mean, or
                row by row to them, as `ablation` says.
            answer: As in `circuits.find_circuit`, as is `other`.
        """
        runs = self.runs_between(model, clean, corrupted, answer=answer, other=other)
        return faithfulness(runs, self.all_edges, self.kept_edges, self.ablation)

    def runs_between(
        self, model: HookedTransformer, clean: Any, corrupted: Any, **answers: Any
    ) -> ContrastRuns:
        """Runs of prompts that this circuit is for, in a model that it is for."""
        self._check_model(model)
        runs = ContrastRuns.between(model, clean, corrupted, metric=self.metric, **answers)
        if runs.clean.pos != len(self.positions):
            raise HopscopeError(
                f"prompts of {runs.clean.pos} tokens do not fit this circuit; it is one of prompts "
                f"of {len(self.positions)} tokens."
            )
        return runs

    def to_json(self) -> str:
        """The circuit as JSON text, for `from_json`."""
        table = json.loads(_RECORD.dump_json(self))
        return json.dumps({"format": FORMAT, "version": VERSION, **table})

    @classmethod
    def from_json(cls, text: str | bytes) -> Circuit:
        """Inverse of `to_json`.

        Raises:
            HopscopeError: for anything that is not a circuit of this version, naming what is wrong.
        """
        table = json_object(text, "a circuit")
        if table.pop("format", None) != FORMAT:
            raise HopscopeError(f'this is not a circuit: it does not say "format": "{FORMAT}".')
        version = table.pop("version", None)
        if version != VERSION:
            raise HopscopeError(
                f"this circuit has version {version!r} and this Hopscope reads version {VERSION}; "
                "read it with the Hopscope that wrote it."
            )
        return record(_RECORD, table, "a circuit")

    def save(self, path: str | Path) -> None:
        """Write the circuit as a JSON file, for `load`.

        Raises:
            HopscopeError: if the path holds anything but a circuit, e.g. the record that `export`
                writes beside a figure of the same name, which is left as it is.
            CannotWrite: if the folder cannot be written.
        """
        path = Path(path)
        if path.exists():
            try:
                Circuit.load(path)
            except HopscopeError as error:
                raise HopscopeError(f"{error} Choose another name, or move it away.") from None
        write_atomically(path, f"{self.to_json()}\n".encode())

    @classmethod
    def load(cls, path: str | Path) -> Circuit:
        """Inverse of `save`.

        Raises:
            HopscopeError: if the file is missing, or is not a circuit of this version; it says
                what it is instead, if that is known.
        """
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise HopscopeError(f"{path} cannot be read ({error.strerror}).") from None
        try:
            return cls.from_json(content)
        except HopscopeError as error:
            raise HopscopeError(f"{path}: {error}") from None

    def __repr__(self) -> str:
        names = [edge.name for edge in self.edges]
        more = f", ... ({len(names) - 6} more)" if len(names) > 6 else ""
        listed = f": {', '.join(names[:6])}{more}" if names else ""
        edges = "edge" if len(names) == 1 else "edges"
        return f"Circuit({len(names)} {edges} of {len(self.candidates)}{listed})"

    def _ablated(self, model: HookedTransformer, kept: frozenset[Edge]) -> AblatedModel:
        self._check_model(model)
        return AblatedModel(model, self.all_edges, kept, self.ablation, len(self.positions))

    def _check_model(self, model: HookedTransformer) -> None:
        if (model.depth, model.cfg.n_heads) != (self.depth, self.n_heads):
            raise HopscopeError(
                f"this circuit is one of {self.depth} blocks with {self.n_heads} heads; the model "
                f"has {model.depth} blocks with {model.cfg.n_heads} heads."
            )


_RECORD = TypeAdapter(Circuit)


def checked_positions(names: Sequence[str] | None, n_pos: int) -> tuple[str, ...]:
    """Names of the positions: "0", "1", ... if None; refused if they cannot stand in edge names."""
    names = tuple(map(str, range(n_pos))) if names is None else tuple(names)
    if len(names) != n_pos or not names:
        raise HopscopeError(
            f"{len(names)} names do not fit prompts of {n_pos} tokens; give one name per position."
        )
    for name in names:
        if not isinstance(name, str) or not name or set(name) & set("[]>"):
            raise HopscopeError(
                f"{name!r} cannot name a position; give some text without [, ] and >."
            )
    if len(set(names)) < len(names):
        raise HopscopeError(f"the position names {', '.join(names)} are not all different.")
    return names
