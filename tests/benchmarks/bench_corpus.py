"""Time and peak memory of whole corpora: `python tests/benchmarks/bench_corpus.py [RECIPE ...]`.

Each recipe of `train/recipes` (all by default) is built in a process of its own, leakage proof
included. Target: grokked-composition in 3 s and 1 GB on two cores, loading of libraries
not counted in the time, but in the memory.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

RECIPES = Path(__file__).parents[2] / "train" / "recipes"


def build(recipe: Path) -> str:
    """Build the corpus of one recipe: a line with time, memory and sizes."""
    from circuits.corpus.build import build_corpus
    from circuits.recipes.schema import load_recipe

    start = time.perf_counter()
    corpus = build_corpus(load_recipe(recipe))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return (
        f"{recipe.stem}: {seconds:.2f} s, peak {peak:.2f} GiB, {len(corpus.graph):,} facts, "
        f"{len(corpus.training_set()):,} training examples"
    )


def main() -> None:
    """Each recipe in a process of its own, so that peaks do not add up."""
    if sys.argv[1:2] == ["--one"]:
        print(build(Path(sys.argv[2])))
        return
    chosen = sys.argv[1:] or sorted(path.stem for path in RECIPES.glob("*.toml"))
    for name in chosen:
        command = [sys.executable, __file__, "--one", str(RECIPES / f"{name}.toml")]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
