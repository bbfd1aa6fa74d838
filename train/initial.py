"""Initial weights from another run's checkpoint (`training.init_from = "RUN@STEP"`).

The corpus may be another one, but over the same vocabulary, so that every token keeps its meaning.
Optimizer, schedule and order of the data begin anew.
"""

from __future__ import annotations

from torch import Tensor

from circuits.corpus.vocab import Vocab
from circuits.errors import HopscopeError
from circuits.model.plain import PlainTransformer
from circuits.runs.run import Run, open_run


def load_initial(model: PlainTransformer, vocab: Vocab, init_from: str) -> None:
    """Put the weights of "RUN@STEP" into a model.

    Raises:
        HopscopeError: if there is no such run or step, or its vocabulary or its model differs.
    """
    run, step = _named(init_from)
    _check_vocab(run.vocab, vocab, run)
    found = run.model(step).state_dict()
    _check_shapes(found, model.state_dict(), run)
    model.load_state_dict(found)


def _named(init_from: str) -> tuple[Run, int]:
    path, at, step = init_from.rpartition("@")
    if not at or not step.isdecimal():
        raise HopscopeError(
            f"training.init_from = {init_from!r} is not of the form RUN@STEP, e.g. "
            '"assets/demo@6000".'
        )
    run = open_run(path)
    return run, run.checked_step(int(step))


def _check_vocab(theirs: Vocab, ours: Vocab, run: Run) -> None:
    if theirs == ours:
        return
    pairs = (
        ("entity", theirs.entities, ours.entities),
        ("relation", theirs.relations, ours.relations),
        ("special symbol", theirs.specials, ours.specials),
    )
    for kind, one, other in pairs:
        if one == other:
            continue
        odd = sorted(set(one) ^ set(other))
        where = "the run" if odd and odd[0] in set(one) else "the recipe's data"
        why = f"the {kind} {odd[0]!r} is only in {where}" if odd else f"the {kind} order differs"
        raise HopscopeError(
            f"training.init_from: the vocabulary of {run.path} is not that of the recipe's data "
            f"({why}); tokens would change their meaning. Use data over the same names."
        )


def _check_shapes(theirs: dict[str, Tensor], ours: dict[str, Tensor], run: Run) -> None:
    shapes = [{n: tuple(w.shape) for n, w in state.items()} for state in (theirs, ours)]
    if shapes[0] == shapes[1]:
        return
    name = next(n for n in sorted({*theirs, *ours}) if shapes[0].get(n) != shapes[1].get(n))
    there, here = (shape.get(name, "missing") for shape in shapes)
    raise HopscopeError(
        f"training.init_from: the model of {run.path} is not the recipe's: {name} is {there} there "
        f"and {here} here; give the recipe the same [model], layers and width above all."
    )
