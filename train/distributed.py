"""Several processes for one run: `torchrun --nproc-per-node 4 -m app.cli train RECIPE --out RUN`.

Every process draws the same global batch and takes its share of it. DistributedDataParallel
averages the gradients, so the losses equal those of one process with the same global batch. Only
the first process writes. A run may be resumed with another number of processes. With dropout each
process draws its own masks, and only the first one's random state is saved: a resumed run is then
correct, but not identical bit for bit.
"""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from circuits.devices import chosen_device
from circuits.errors import HopscopeError

_ARGUMENTS = inspect.signature(DistributedDataParallel).parameters
_BUFFERS_STAY: dict[str, Any] = {  # the newer name if PyTorch has it: the older one then warns
    "forward_sync_buffers" if "forward_sync_buffers" in _ARGUMENTS else "broadcast_buffers": False
}
"""Buffers are constants, so they need not be broadcast before each forward pass."""


@dataclass(frozen=True)
class Group:
    """This process and its place among those that train together."""

    device: torch.device
    rank: int = 0
    world: int = 1

    @contextmanager
    def own_randomness(self) -> Iterator[None]:
        """Restore, at the end, the random generators from which training draws."""
        gpus = [torch.cuda.current_device()] if self.device.type == "cuda" else []
        with torch.random.fork_rng(gpus):  # its default would start all GPUs in every process
            yield

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run."""
        return self.rank == 0

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module with gradients averaged over all processes."""
        if self.world == 1:
            return module
        ids = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=ids, **_BUFFERS_STAY)

    def mean(self, values: Tensor) -> Tensor:
        """Mean over all processes."""
        if self.world == 1:
            return values
        total = values.clone()
        dist.all_reduce(total)
        return total / self.world

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process; every process must call this."""
        if self.world == 1:
            return flag
        votes = torch.tensor(float(flag), device=self.device)
        dist.all_reduce(votes)
        return bool(votes > 0)

    def barrier(self) -> None:
        """Wait for all processes."""
        if self.world > 1:
            dist.barrier()


class LostProcess(HopscopeError):
    """Another process of the group ended; only that one can say why."""

    def __init__(self, rank: int, world: int) -> None:
        super().__init__(
            f"process {rank} of {world} stops, because another one was killed or could not go on; "
            "see the message of that one."
        )


def tells_of_a_lost_process(error: RuntimeError) -> bool:
    """Whether the error comes from a collective operation, not from this process's own work."""
    return isinstance(error, dist.DistError) or "gloo" in str(error)


def _own_gpu(number: int) -> torch.device:
    """The GPU of its machine that this process uses."""
    there = torch.cuda.device_count()
    if number >= there:
        raise HopscopeError(
            f"process {number} of this machine has no GPU: the machine has {there}; "
            f"use torchrun --nproc-per-node {there}."
        )
    device = torch.device("cuda", number)
    torch.cuda.set_device(device)
    return device


@contextmanager
def process_group(device: str) -> Iterator[Group]:
    """The group that `torchrun` set up in the environment, or this process alone.

    Args:
        device: `training.device` of the recipe: auto, cpu or cuda.
    """
    kind = chosen_device(device, "training.device")
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Group(torch.device(kind))
        return
    local = _own_gpu(int(os.environ["LOCAL_RANK"])) if kind == "cuda" else None
    dist.init_process_group("nccl" if kind == "cuda" else "gloo")
    try:
        yield Group(local or torch.device("cpu"), dist.get_rank(), world)
    except RuntimeError as error:
        if not tells_of_a_lost_process(error):
            raise
        raise LostProcess(dist.get_rank(), world) from error
    finally:
        # The group's threads need Python's lock to release their last tensors. Destroying the
        # group holds that lock and waits for these threads, so without the pause it may hang.
        time.sleep(0.1)
        dist.destroy_process_group()
