"""Follow a training run: read a run while another process trains it.

A run can be opened at any time. `refreshed` reads it again, and `analyze` computes only the
checkpoints that came since.
"""

import subprocess
import sys
import time

from analyses import analyze
from circuits import open_run
from circuits.errors import HopscopeError

command = [sys.executable, "-m", "app.cli", "train", "demo", "--out", "runs/followed"]
small = ["training.steps=20", "checkpoints.dense_every=10", "splits.id_test_items=50"]
settings = [word for setting in small for word in ("--set", setting)]

with subprocess.Popen([*command, *settings], stdout=subprocess.DEVNULL) as training:
    run = None
    while run is None or run.state == "training":
        time.sleep(0.2)
        try:
            run = open_run("runs/followed") if run is None else run.refreshed()
        except HopscopeError:  # not there yet
            if training.poll():
                sys.exit("the training failed")

lens = analyze(run, "logit_lens", splits=["train_inferred"], examples=20, progress=False)
bridge = lens.mrr.sel(split="train_inferred", target="bridge", layer=1, position="relation_1")
for step, mrr in zip(bridge.step.values, bridge.values, strict=True):
    print(f"step {step}: mean reciprocal rank of the bridge {mrr:.2f}")
