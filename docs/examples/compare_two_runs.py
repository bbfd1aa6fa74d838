"""Compare two runs: when they memorize and generalize, and how much goes through the bridge."""

from analyses import certify, stored_result
from circuits import open_run

LAYER, POSITION = 1, "relation_1"

for name in ("demo", "textbook"):
    run = open_run(f"assets/{name}")
    accuracy = run.metrics()
    last = accuracy.iloc[-1]
    patching = stored_result(run, "bridge_patching")
    at_bridge = {"split": "id_test", "control": "bridge", "layer": LAYER, "position": POSITION}
    success = patching.success.sel(at_bridge).isel(step=-1)
    print(f"{name}: {len(run.graph):,} facts, {run.steps[-1]:,} steps")
    print(f"  trained {last['accuracy/train_inferred']:.2f}, unseen {last['accuracy/id_test']:.2f}")
    print(f"  answers that follow a swapped bridge: {float(success):.2f}")
    print(f"  {certify(run).verdict}")
