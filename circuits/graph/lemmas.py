"""The two lemmas of *Grokking in the Wild* (arXiv 2504.20752, section 3.2).

Lemma 1: in a random directed graph with mean branching factor b the expected number of n-hop paths
is C(V, n+1) (n+1)! (b / (V-1))^n. Lemma 2: for phi_r >= phi_G the branching of r, b_r = facts of r
per entity, must exceed (phi_G V (V-1)^n / (C(V, n+1) (n+1)!))^(1/(n-1)).
"""

from __future__ import annotations

import math


def expected_paths(n_entities: int, branching: float, hops: int = 2) -> float:
    """Lemma 1: expected n-hop paths over distinct entities; 0 where there are too few entities.

    Args:
        n_entities: V.
        branching: Mean out-degree over all entities, b.
        hops: n.
    """
    if n_entities <= hops or branching <= 0:
        return 0.0
    log_edge = math.log(branching) - math.log(n_entities - 1)
    return math.exp(_log_ordered_choices(n_entities, hops + 1) + hops * log_edge)


def least_branching(n_entities: int, phi_g: float, hops: int = 2) -> float | None:
    """Lemma 2: what b_r has to exceed for phi_r >= phi_G; None where V is too small for a path."""
    if n_entities <= hops:
        return None
    log_bound = (
        math.log(phi_g)
        + math.log(n_entities)
        + hops * math.log(n_entities - 1)
        - _log_ordered_choices(n_entities, hops + 1)
    )
    return math.exp(log_bound / (hops - 1))


def _log_ordered_choices(n: int, k: int) -> float:
    # log of C(n, k) k! = n! / (n - k)!, which overflows as a number
    return math.lgamma(n + 1) - math.lgamma(n - k + 1)
