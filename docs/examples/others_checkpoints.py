"""Open somebody else's checkpoints: a series that a function of yours loads.

`load` is the only thing to write: from a step to a model with TransformerLens's hook points. Here
it opens the demo's weights in TransformerLens 4, as it would open anybody's. Layouts that
`hopscope import` knows (Trainer folders, TransformerLens folders, the hub) need no function.
"""

from analyses import analyze, walk_bridge
from circuits import open_run, open_series, to_bridge

demo = open_run("assets/demo")


def load(step: int):
    """The model of a step, as a TransformerBridge."""
    return to_bridge(demo.model(step))


series = open_series([600, 6000], load, demo.corpus)
print(series.model(6000))

patching = analyze(series, "bridge_patching", splits=["id_test"], examples=50, progress=False)
place = {"split": "id_test", "control": "bridge", "layer": 1, "position": "relation_1"}
print("answers that follow a swapped bridge:", patching.success.sel(place).values.round(2))


def right(bridge, asked):
    """Any function of a TransformerLens model and its questions is walked in the same way."""
    return (bridge(asked.tokens)[:, -1].argmax(-1) == asked.answer).float().mean()


found = walk_bridge(series, right, name="right", splits=["id_test"], examples=200)
print("right answers:", found.right.values[:, 0].round(2))
