"""Independent tasks on a Ray cluster that may lose nodes.

Each item is one Ray task, so that the cluster's own resources decide how many run at once, and
nodes that join are used. A task whose node or process dies is handed in again, by Ray three times
and then from here, until it has been lost `MOST_LOSSES` times; what it had saved is its own affair.
Paths in an item must be absolute: a worker's folder is the one in which `ray start` ran.

Seen with Ray 2.60: a plain task on a node that dies is retried silently up to `max_retries` times
and then raises `NodeDiedError`; an exception of the task itself is never retried.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import circuits
from circuits.errors import HopscopeError

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_LOSSES = 20
"""A task that is lost so often probably kills its node itself (for lack of memory, say)."""

RAY_RETRIES = 3


@dataclass(frozen=True)
class Lost:
    """What stands in the place of a result that no node lived to give."""

    reason: str


def ray_results(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    cpus: int = 1,
    gpus: float = 0,
    at_once: int | None = None,
    address: str | None = None,
) -> Iterator[tuple[int, Result | Lost]]:
    """(index of the item, its result) as tasks end.

    Args:
        function: Called with one item on some node; importable there.
        items: Picklable, with absolute paths.
        cpus: Cores that a task occupies.
        gpus: GPUs that a task occupies.
        at_once: Most tasks in the cluster at a time; None: as many as it has room for.
        address: Of the cluster, as for `ray start`; None: RAY_ADDRESS, the cluster on this machine,
            or a new one on its cores.

    Raises:
        HopscopeError: if Ray is not installed, the cluster cannot be reached, no node is large
            enough for a task, or a worker has another version of Hopscope.
    """
    ray = _connected(address)
    _refuse_too_large(ray, cpus, gpus)
    task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RAY_RETRIES)(_called)
    waiting, running = deque(range(len(items))), dict[Any, int]()
    losses = [0] * len(items)
    try:
        while waiting or running:
            while waiting and (at_once is None or len(running) < at_once):
                index = waiting.popleft()
                running[task.remote(function, items[index], circuits.__version__)] = index
            [ended], _ = ray.wait(list(running), num_returns=1)
            index = running.pop(ended)
            try:
                yield index, ray.get(ended)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None  # what the function itself raised
            except ray.exceptions.RayError as error:
                losses[index] += RAY_RETRIES + 1
                if losses[index] < MOST_LOSSES:
                    waiting.append(index)
                else:
                    told = str(error).splitlines()[0]
                    yield index, Lost(f"its node was lost again and again ({told})")
    finally:
        for left in running:
            ray.cancel(left)  # as Ctrl-C would: a training saves and stops


def _called(function: Callable[[Item], Result], item: Item, version: str) -> Result:
    """Run on the worker."""
    if circuits.__version__ != version:
        raise HopscopeError(
            f"a worker has Hopscope {circuits.__version__} and this machine {version}; install the "
            "same version on all nodes."
        )
    return function(item)


def _connected(address: str | None) -> Any:
    try:
        import ray
    except ImportError as error:
        raise HopscopeError(
            "backend 'ray' needs Ray, which is not installed; "
            "`pip install 'hopscope[ray]'`, or leave out --backend for local processes."
        ) from error
    if not ray.is_initialized():
        try:
            ray.init(address=address, log_to_driver=False, configure_logging=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise HopscopeError(
                f"the Ray cluster {address or 'on this machine'} cannot be reached "
                f"({str(error).splitlines()[0]}); start it with `ray start --head`, or give its "
                "--address."
            ) from error
    return ray


def _refuse_too_large(ray: Any, cpus: int, gpus: float) -> None:
    """Ray would wait forever for a node that could take a task."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in nodes):
        largest = max((node.get("CPU", 0) for node in nodes), default=0)
        raise HopscopeError(
            f"no node of the Ray cluster has {cpus} free core{'s' * (cpus != 1)}"
            + (f" and {gpus:g} GPU" if gpus else "")
            + f" (the largest has {largest:g} cores); ask for less."
        )
