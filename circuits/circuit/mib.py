"""Circuits in the JSON of the MIB benchmark's circuit track, which EAP-IG reads and writes as well.

Format (Mueller et al., arXiv 2504.13151; `Graph.to_json` of hannamw/EAP-IG):

    {"cfg": {"n_layers": 2, "n_heads": 4, "parallel_attn_mlp": false, "d_model": 64},
     "nodes": {"input": {"in_graph": true}, "a0.h0": {"in_graph": false, "score": 0.1}, "m0": ...},
     "edges": {"input->a0.h0<q>": {"score": 0.3, "in_graph": true}, "m0->logits": ...}}

Nodes are "input", "a{block}.h{head}", "m{block}" and "logits"; an edge into a head says which of
its inputs it is. A score is how far the metric falls when the edge alone is corrupted, so its sign
is that of our effects. A node has a `score` only if nodes were scored themselves.

The benchmark does not tell positions apart, as we do. An edge written there has the sum of the
effects at all positions, as in the benchmark's own scores, and is in the graph if it is kept at one
of them; an edge that is read stands at every position, with its score divided among them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import ConfigDict, TypeAdapter

from circuits.circuit.circuit import Circuit, ScoredEdge, checked_positions
from circuits.circuit.json_records import json_object, record
from circuits.circuit.nodes_and_edges import Edge, Node, bounded_candidate_edges
from circuits.errors import HopscopeError, unknown_name

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class MibConfig:
    """Shape of the model."""

    __pydantic_config__ = _STRICT

    n_layers: int
    n_heads: int
    d_model: int
    parallel_attn_mlp: bool = False


@dataclass(frozen=True)
class MibScore:
    """A node or an edge: its score, and whether it is in the circuit."""

    __pydantic_config__ = _STRICT

    in_graph: bool
    score: float | None = None


@dataclass(frozen=True)
class MibGraph:
    """A circuit as the benchmark has it.

    >>> graph = MibGraph.from_json('''
    ... {"cfg": {"n_layers": 1, "n_heads": 1, "parallel_attn_mlp": false, "d_model": 8},
    ...  "nodes": {"input": {"in_graph": true}, "logits": {"in_graph": true}},
    ...  "edges": {"input->logits": {"score": 0.5, "in_graph": true}}}''')
    >>> circuit = graph.circuit(("a", "b"))
    >>> circuit
    Circuit(1 edge of 10: embed[b]>output)
    >>> MibGraph.of(circuit).edges["input->logits"]
    MibScore(in_graph=True, score=0.5)
    """

    __pydantic_config__ = _STRICT

    cfg: MibConfig
    nodes: dict[str, MibScore]
    edges: dict[str, MibScore]

    @classmethod
    def of(cls, circuit: Circuit) -> MibGraph:
        """A circuit whose heads and inputs are told apart, positions taken together.

        Raises:
            HopscopeError: for circuits of whole attention layers, which the benchmark lacks.
        """
        if not (circuit.heads and circuit.parts):
            raise HopscopeError(
                "the MIB benchmark tells heads and their inputs apart and this circuit does not; "
                "find it with heads=True, parts=True."
            )
        edges: dict[str, MibScore] = {}
        for edge, found in zip(circuit.all_edges, circuit.candidates, strict=True):
            before = edges.get(edge_name(edge), MibScore(False, 0.0))
            score = (before.score or 0.0) + (found.effect or 0.0)
            edges[edge_name(edge)] = MibScore(before.in_graph or found.kept, score)
        kept = circuit.kept_edges
        reached = {node_name(node) for edge in kept for node in (edge.sender, edge.receiver)}
        ordered = dict.fromkeys(
            node_name(node) for edge in circuit.all_edges for node in (edge.sender, edge.receiver)
        )
        nodes = {name: MibScore(name in reached) for name in sorted(ordered, key=_order)}
        return cls(MibConfig(circuit.depth, circuit.n_heads, circuit.d_model), nodes, edges)

    def circuit(self, positions: Sequence[str]) -> Circuit:
        """The circuit for these positions: each edge at all of them, its score divided among them.

        Raises:
            HopscopeError: for edges that a model of this shape does not have, for parallel
                attention and MLPs, and where there would be too many edges.
        """
        if self.cfg.parallel_attn_mlp:
            raise HopscopeError(
                "this MIB circuit is one of a model whose attention and MLPs run side by side; "
                "models here run them one after the other."
            )
        names = checked_positions(positions, len(positions))
        shape = (self.cfg.n_layers, len(names), self.cfg.n_heads)
        edges = bounded_candidate_edges(*shape, parts=True)
        how_many = Counter(map(edge_name, edges))
        for name in self.edges:
            if name not in how_many:
                raise unknown_name("edge of the MIB circuit", name, how_many)
        missing = MibScore(False, 0.0)
        candidates = []
        for edge in edges:
            found = self.edges.get(edge_name(edge), missing)
            effect = None if found.score is None else found.score / how_many[edge_name(edge)]
            candidates.append(
                ScoredEdge(edge.name(names), effect, None, None, None, found.in_graph)
            )
        return Circuit(
            candidates=tuple(candidates),
            positions=names,
            depth=self.cfg.n_layers,
            n_heads=self.cfg.n_heads,
            d_model=self.cfg.d_model,
            heads=True,
            parts=True,
            method="mib",
            ablation="interchange",
        )

    def to_json(self) -> str:
        """The file's text; an edge without a score is written as 0, since readers need a number."""
        scored = {name: replace(edge, score=edge.score or 0.0) for name, edge in self.edges.items()}
        return _GRAPH.dump_json(replace(self, edges=scored), exclude_none=True).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> MibGraph:
        """Inverse of `to_json`; a score of NaN, as nodes without one have it, becomes None.

        Raises:
            HopscopeError: for anything else, and for scores of single neurons.
        """
        what = "a circuit of the MIB benchmark"
        table = json_object(text, what)
        for group in ("nodes", "edges"):
            entries = table.get(group)
            for name, entry in entries.items() if isinstance(entries, dict) else ():
                if isinstance(entry, dict) and {"neurons", "neurons_scores"} & set(entry):
                    raise HopscopeError(
                        f"{name} has scores of single neurons, which circuits here do not have; "
                        "give a circuit of nodes or edges."
                    )
                if isinstance(entry, dict) and entry.get("score") != entry.get("score"):
                    entry["score"] = None
        return record(_GRAPH, table, what)


_GRAPH = TypeAdapter(MibGraph)


def node_name(node: Node) -> str:
    """The benchmark's name of a component, whatever its position.

    >>> node_name(Node("head", 0, 2, head=3)), node_name(Node("mlp", 1, 2))
    ('a0.h3', 'm1')
    """
    if node.kind == "head":
        return f"a{node.layer}.h{node.head}"
    return {"embed": "input", "output": "logits"}.get(node.kind, f"m{node.layer}")


def edge_name(edge: Edge) -> str:
    """The benchmark's name of an edge, whatever its positions."""
    into = f"<{edge.part}>" if edge.part else ""
    return f"{node_name(edge.sender)}->{node_name(edge.receiver)}{into}"


def _order(name: str) -> tuple[float, int, int]:
    """Input, then heads and MLP of each block, then logits: the benchmark's order."""
    if name in ("input", "logits"):
        return (-1.0 if name == "input" else float("inf"), 0, 0)
    block, _, head = name[1:].partition(".h")
    return (float(block), int(name[0] == "m"), int(head or 0))
