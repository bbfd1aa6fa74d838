"""A custom metric: how likely the clean answer becomes, state by state.

`patch_grid` writes every state of the clean questions into the corrupted ones in turn, and hands
the logits to any function. A corrupted question ends with the same relation and has another bridge,
so that the state that carries the bridge is the one that brings the clean answer back.
"""

from circuits import open_run, patch_grid

run = open_run("assets/demo")
unseen = run.queries("id_test")
last, bridge = unseen.tokens[:, -1], unseen.bridge
fits = (last[:, None] == last) & (bridge[:, None] != bridge)  # [question, its corrupted one]
clean = fits.any(1).nonzero()[:200, 0]
corrupted = fits[clean].int().argmax(1)
answer = unseen.answer[clean]


def probability_of_the_clean_answer(logits):
    """Mean over questions; logits [batch, pos, d_vocab]."""
    return logits[:, -1].softmax(-1).gather(1, answer[:, None]).mean()


grid = patch_grid(
    run.model(),
    unseen.tokens[clean],
    unseen.tokens[corrupted],
    component="resid_pre",
    metric=probability_of_the_clean_answer,
)
print(grid.to_pandas().set_axis(["subject", "relation 1", "relation 2"], axis=1).round(2))
