"""`train_pack`: several runs trained together, each into its own folder.

1. The data of every run are built, or the run is opened that is to be resumed.
2. Runs whose models have one shape train together, one shape after the other; one that is alone in
   its shape trains as alone.
3. A run that ends, by its steps, its stop rule or an error of its own, leaves the pack.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path

from circuits.errors import HopscopeError
from circuits.recipes.schema import Recipe
from circuits.runs.reading import MANIFEST
from train.distributed import process_group
from train.interrupts import StopRequest, stop_requests
from train.loop import train
from train.memory import is_out_of_memory
from train.packs.member import Member
from train.packs.step import PackedStep
from train.trainer import Trainer


def train_pack(runs: Sequence[tuple[Recipe, Path]]) -> list[Exception | None]:
    """Train runs together, each as `train.loop.train` would to fp32 rounding.

    Args:
        runs: Recipe and run folder of each: a new folder, or a stopped run of this recipe, at
            whatever step. Equal in `pack_key`, without a reason in `why_not_packed`.

    Returns:
        Per run what ended it, None where it is finished, or stopped because somebody asked to
        stop. The other runs of a failed one go on.

    >>> from circuits.recipes.schema import load_recipe
    >>> short = ["training.steps=2", "evaluation.items=20", "model.d_model=8", "model.d_mlp=8"]
    >>> demos = [load_recipe("train/recipes/demo.toml", [*short, f"seed={i}"]) for i in (0, 1)]
    >>> train_pack([(demos[0], Path("runs/seed=0")), (demos[1], Path("runs/seed=1"))])
    [None, None]
    """
    errors: list[Exception | None] = [None] * len(runs)
    shapes: dict[Hashable, list[tuple[int, Member]]] = {}
    with (
        process_group(runs[0][0].training.device) as group,
        group.own_randomness(),
        stop_requests() as request,
    ):
        if group.world > 1:
            raise HopscopeError(
                "runs train together in one process; leave out torchrun, or train them one by one."
            )
        for i, (recipe, path) in enumerate(runs):
            try:
                member = Member(recipe, path, group)
                shapes.setdefault(member.shape, []).append((i, member))
            except Exception as error:
                errors[i] = error
        for alike in shapes.values():
            _train_alike([member for _, member in alike], request)
            for i, member in alike:
                errors[i] = member.error
    return errors


def _train_alone(member: Member, request: StopRequest) -> None:
    resume = (member.path / MANIFEST).exists()
    try:
        done = train(member.recipe, member.path, resume=resume, progress=False)
        request.received |= done.state == "stopped"
    except Exception as error:
        member.error = error


def _train_alike(members: Sequence[Member], request: StopRequest) -> None:
    """Train runs of one shape."""
    if request.received:
        for member in members:
            member.error = HopscopeError("not started, because training was stopped before.")
        return
    if len(members) == 1:
        _train_alone(members[0], request)
        return
    pack, going = Pack(), list[Member]()
    try:
        going = [member for member in members if member.begin(request, len(members) - 1)]
        while going:
            pack.advance([member.trainer for member in going])
            going = [member for member in going if member.go_on()]
    except Exception as error:
        for member in going:
            member.end(_told(error, len(going)))
    finally:
        for member in members:
            member.close()


class Pack:
    """The step of a number of runs that falls from time to time."""

    def __init__(self) -> None:
        self._step: PackedStep | None = None

    def advance(self, going: Sequence[Trainer]) -> None:
        """Do a step of these runs.

        A GPU compiles a step for each number of runs, so there an ended run is computed along until
        half of them have ended; its weights are its own, and nothing reads them any more.
        """
        slots = [] if self._step is None else self._step.trainers
        fewer = len(going) < len(slots) and going[0].group.device.type == "cpu"
        if self._step is None or fewer or 2 * len(going) <= len(slots):
            self._step = None  # its memory is free before the next is made
            self._step = PackedStep(going)
        self._step.advance(going)


def _told(error: Exception, runs: int) -> Exception:
    if not is_out_of_memory(error):
        return error
    return HopscopeError(
        f"{runs} runs trained together do not fit into memory; start the sweep again with "
        f"--pack {max(2, runs // 2)} or --pack off, which resumes them."
    )
