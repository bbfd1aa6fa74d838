"""A real Ray cluster of two nodes on this machine, for tests that kill one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def two_nodes() -> Iterator[Any]:
    """A head without cores, and a node with one; nodes see this checkout."""
    import ray
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    made.add_node(num_cpus=1)
    ray.init(address=made.address, log_to_driver=False, configure_logging=False)
    yield made
    ray.shutdown()
    made.shutdown()


def replace_nodes(cluster: Any) -> None:
    """Kill the nodes with a core, hard, and add another one."""
    victims = list(cluster.worker_nodes)
    cluster.add_node(num_cpus=1)
    for victim in victims:
        cluster.remove_node(victim, allow_graceful=False)
