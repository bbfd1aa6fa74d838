"""All names of a graph as a trie of tokens: log-probability and rank of a whole name.

A name of several tokens has log p(name) = sum of log p(token | prompt, tokens before), and the last
of its tokens is the end-of-answer token, so that no name is the beginning of another. (A model that
others trained has no such token: "New" is then a name that is also the beginning of "New York", and
at least as probable.) Names share beginnings, so the model is asked once per beginning and prompt,
not once per name.

Ranks need less: a beginning that is no more probable than the whole right name cannot be continued
to a name that is, since probabilities only fall along a name. A model that is sure of its answer is
asked hardly more than for that answer alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuits.errors import HopscopeError

NextLogits = Callable[[Tensor, Tensor], Tensor]
"""From right-padded tokens [m, width] and positions [m] to the logits [m, d_vocab] there."""
CHUNK = 4096
"""Contexts per forward pass."""


@dataclass(frozen=True, eq=False)
class NameTrie:
    """Names by their tokens. Node 0 is the empty beginning; names end at different nodes.

    >>> trie = name_trie([(5, 1), (5, 6, 1), (7, 1)])  # 1 ends an answer
    >>> trie.n_names, trie.n_beginnings, trie.tokens_of(1)
    (3, 4, (5, 6, 1))
    """

    names: tuple[tuple[int, ...], ...]
    """Tokens of each name, the end-of-answer token included."""
    parent: Int[Tensor, " nodes"]
    token: Int[Tensor, " nodes"]
    """The last token of each node's beginning."""
    depth: Int[Tensor, " nodes"]
    name: Int[Tensor, " nodes"]
    """The name that is complete at this node; -1: none."""
    beginnings: Int[Tensor, "nodes longest"]
    """All tokens of each node's beginning, padded."""
    child: Int[Tensor, " edges"]
    """Nodes one token further, those of one node after those of another."""
    first_child: Int[Tensor, " nodes_plus_1"]
    """Where each node's children begin in `child`."""

    @property
    def n_names(self) -> int:
        """Number of names."""
        return len(self.names)

    @property
    def n_beginnings(self) -> int:
        """Number of beginnings that can be continued: contexts per prompt for all names."""
        return int(self.goes_on.sum())

    @property
    def goes_on(self) -> Bool[Tensor, " nodes"]:
        """Whether a longer beginning or name follows a node."""
        return self.first_child[1:] > self.first_child[:-1]

    @property
    def longest(self) -> int:
        """Tokens of the longest name, the end-of-answer token included."""
        return int(self.depth.max())

    def tokens_of(self, name: int) -> tuple[int, ...]:
        """All tokens of a name, the end-of-answer token included."""
        return self.names[name]


def name_trie(names: Sequence[Sequence[int]], *, closed: bool = True) -> NameTrie:
    """The trie of these token sequences.

    Args:
        names: The tokens of each name.
        closed: Whether each is closed by the end-of-answer token, so that none begins another.

    Raises:
        HopscopeError: if a name has no tokens, two names have the same, or one begins another
            although they are closed.

    >>> name_trie([(5, 1), (5, 1)])
    Traceback (most recent call last):
    circuits.errors.HopscopeError: names 0 and 1 have the same tokens (5, 1); ...
    """
    parent, token, depth, ends = [0], [-1], [0], [-1]
    children: list[dict[int, int]] = [{}]
    for number, name in enumerate(names):
        node = 0
        if not len(name):
            raise HopscopeError(f"name {number} has no tokens; use another tokenizer.")
        for each in map(int, name):
            if each not in children[node]:
                children[node][each] = len(parent)
                parent.append(node)
                token.append(each)
                depth.append(depth[node] + 1)
                ends.append(-1)
                children.append({})
            node = children[node][each]
        if ends[node] >= 0:
            raise HopscopeError(
                f"names {ends[node]} and {number} have the same tokens {tuple(name)}; a tokenizer "
                "must tell all names apart, so rename one or use another tokenizer."
            )
        ends[node] = number
    for node, number in enumerate(ends):
        if closed and number >= 0 and children[node]:
            raise HopscopeError(
                f"the tokens of name {number} begin another name; close each with the "
                "end-of-answer token."
            )
    beginnings = torch.zeros(len(parent), max(depth), dtype=torch.int64)
    for node in range(1, len(parent)):  # parents come first
        beginnings[node] = beginnings[parent[node]]
        beginnings[node, depth[node] - 1] = token[node]
    counts = torch.tensor([0, *map(len, children)])
    return NameTrie(
        tuple(tuple(map(int, name)) for name in names),
        torch.tensor(parent),
        torch.tensor(token),
        torch.tensor(depth),
        torch.tensor(ends),
        beginnings,
        torch.tensor([c for nodes in children for c in nodes.values()], dtype=torch.int64),
        counts.cumsum(0),
    )


def name_log_probs(
    trie: NameTrie,
    logits: NextLogits,
    prompts: Int[Tensor, "n width"],
    lengths: Int[Tensor, " n"],
    least: float = -math.inf,
) -> Float[Tensor, "n names"]:
    """Log-probability, in nats, of every name after every prompt; costs `n_beginnings` each.

    Args:
        trie: The names.
        logits: The model, e.g. `functools.partial(fast_logits, model)`.
        prompts: Token ids, right-padded.
        lengths: Tokens of each prompt; the name follows the last one.
        least: Beginnings that are less probable are not continued; their names count as -inf. A
            model that is sure of its answer is then asked hardly more than for that.

    >>> trie = name_trie([(2, 0), (3, 0)])
    >>> uniform = lambda tokens, at: torch.zeros(len(at), 4)
    >>> name_log_probs(trie, uniform, torch.tensor([[1]]), torch.tensor([1])).exp()
    tensor([[0.0625, 0.0625]])
    """
    n = len(prompts)
    of_node = torch.full((n, len(trie.parent)), -math.inf)
    of_node[:, 0] = 0.0
    for depth in range(trie.longest):
        nodes = (trie.depth == depth) & trie.goes_on
        query, node = (nodes & (of_node >= least)).nonzero(as_tuple=True)
        if not len(query):
            break
        for part in _children(trie, logits, prompts, lengths, query, node):
            of_node[part.query, part.child] = of_node[part.query, part.node] + part.log_prob
    found = torch.empty(n, trie.n_names)
    leaves = (trie.name >= 0).nonzero()[:, 0]
    found[:, trie.name[leaves]] = of_node[:, leaves]
    return found


def name_ranks(
    trie: NameTrie,
    logits: NextLogits,
    prompts: Int[Tensor, "n width"],
    lengths: Int[Tensor, " n"],
    answer: Int[Tensor, " n"],
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """0-based rank of each right name among all, and its log-probability in nats.

    The rank is the number of names that are strictly more probable, as in `name_log_probs`.

    Args:
        trie: The names.
        logits: The model.
        prompts: Token ids, right-padded.
        lengths: Tokens of each prompt.
        answer: The right name of each prompt.

    >>> trie = name_trie([(2, 0), (3, 0)])
    >>> likes_3 = lambda tokens, at: torch.tensor([0.0, 0, 0, 1]).repeat(len(at), 1)
    >>> prompts = torch.tensor([[1], [1]])
    >>> name_ranks(trie, likes_3, prompts, torch.tensor([1, 1]), torch.tensor([0, 1]))[0]
    tensor([1, 0])
    """
    right, known = _right_names(trie, logits, prompts, lengths, answer)
    rank = torch.zeros(len(prompts), dtype=torch.int64)
    query = torch.arange(len(prompts))
    node, so_far = torch.zeros_like(query), torch.zeros(len(prompts))
    while len(query):
        left: list[tuple[Tensor, Tensor, Tensor]] = []
        for part in _children(trie, logits, prompts, lengths, query, node, so_far):
            total = part.so_far + part.log_prob
            ahead = total > right[part.query]
            ahead &= part.child != known[part.query]  # the right name is not ahead of itself
            done = trie.name[part.child] >= 0
            rank += torch.bincount(part.query[ahead & done], minlength=len(rank))
            open_ = ahead & trie.goes_on[part.child]
            left.append((part.query[open_], part.child[open_], total[open_]))
        query, node, so_far = (torch.cat(column) for column in zip(*left, strict=True))
    return rank, right


@dataclass(frozen=True)
class _Children:
    query: Tensor
    node: Tensor
    so_far: Tensor
    child: Tensor
    log_prob: Tensor


def _children(
    trie: NameTrie,
    logits: NextLogits,
    prompts: Tensor,
    lengths: Tensor,
    query: Tensor,
    node: Tensor,
    so_far: Tensor | None = None,
) -> list[_Children]:
    """Every continuation of beginnings `node` after prompts `query`, with its log-probability."""
    before = torch.zeros(len(query)) if so_far is None else so_far
    found = []
    for chosen in torch.arange(len(query)).split(CHUNK):
        q, at, prior = query[chosen], node[chosen], before[chosen]
        log_prob = _next(trie, logits, prompts, lengths, q, at)
        row, child = _edges(trie, at)
        found.append(
            _Children(q[row], at[row], prior[row], child, log_prob[row, trie.token[child]])
        )
    return found


def _next(
    trie: NameTrie,
    logits: NextLogits,
    prompts: Tensor,
    lengths: Tensor,
    query: Tensor,
    node: Tensor,
) -> Tensor:
    """Log-probabilities [m, d_vocab] of the token after prompt `query` and beginning `node`."""
    depth, length = trie.depth[node], lengths[query]
    more = int(depth.max()) if len(node) else 0
    tokens = torch.nn.functional.pad(prompts[query], (0, more))
    for step in range(more):
        there = (depth > step).nonzero()[:, 0]
        tokens[there, length[there] + step] = trie.beginnings[node[there], step]
    at = length + depth - 1
    return logits(tokens[:, : int(at.max()) + 1], at).float().log_softmax(-1).cpu()


def _edges(trie: NameTrie, node: Tensor) -> tuple[Tensor, Tensor]:
    """Every child of these nodes, and the row of its parent among them."""
    first = trie.first_child[node]
    count = trie.first_child[node + 1] - first
    row = torch.arange(len(node)).repeat_interleave(count)
    within = torch.arange(len(row)) - (count.cumsum(0) - count)[row]
    return row, trie.child[first[row] + within]


def _right_names(
    trie: NameTrie, logits: NextLogits, prompts: Tensor, lengths: Tensor, answer: Tensor
) -> tuple[Tensor, Tensor]:
    """Log-probability of each right name, and its node."""
    leaves = (trie.name >= 0).nonzero()[:, 0]
    leaf = torch.empty(trie.n_names, dtype=torch.int64)
    leaf[trie.name[leaves]] = leaves
    node, total = leaf[answer], torch.zeros(len(prompts))
    above = node
    while (going := (trie.depth[above] > 0).nonzero()[:, 0]).numel():
        for chosen in going.split(CHUNK):
            before = trie.parent[above[chosen]]
            log_prob = _next(trie, logits, prompts, lengths, chosen, before)
            total[chosen] += log_prob.gather(1, trie.token[above[chosen]][:, None])[:, 0]
        above = above.clone()
        above[going] = trie.parent[above[going]]
    return total, node
