"""Time and peak memory of graphs: `python tests/benchmarks/bench_graph.py [grokked|million]`.

Targets: the *Grokked* graph with its splits 3 s and 1 GB; the report on a file of
1,000,000 triples, reading included, 20 s and 4 GB; both on two cores.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np


def grokked() -> str:
    """The full composition graph: generate, enumerate, split."""
    from circuits.corpus.build import build_corpus
    from circuits.graph.paths import two_hop_paths
    from circuits.graph.sources import load_source
    from circuits.recipes.schema import parse_recipe

    start = time.perf_counter()
    graph = load_source("grokked_composition")
    loaded = time.perf_counter()
    paths = two_hop_paths(graph)
    enumerated = time.perf_counter()
    table = {"source": {"name": "grokked_composition"}, "augmentation": {"phi": 9.0}}
    corpus = build_corpus(parse_recipe(table, "benchmark"), graph)
    done = time.perf_counter()
    assert len(paths) == 800_000
    sizes = ", ".join(f"{k} {len(v):,}" for k, v in corpus.splits.items())
    return (
        f"generated {loaded - start:.2f} s, {len(paths):,} paths {enumerated - loaded:.3f} s, "
        f"splits {done - enumerated:.2f} s ({sizes}); total {done - start:.2f} s"
    )


def million() -> str:
    """A skewed random graph of 1,000,000 triples, as a TSV file."""
    from circuits.graph.report import graph_report
    from circuits.graph.sources import load_source

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.tsv"
        _write_triples(path, 1_000_000)
        start = time.perf_counter()
        graph = load_source(path, multi_valued="mark")
        loaded = time.perf_counter()
        report = graph_report(graph)
        done = time.perf_counter()
    return (
        f"{report.atomic:,} facts, {report.inferred:,} paths: read {loaded - start:.2f} s, "
        f"report {done - loaded:.2f} s; total {done - start:.2f} s"
    )


def _write_triples(path: Path, n: int) -> None:
    rng = np.random.default_rng(0)
    subjects = rng.integers(200_000, size=n)
    relations = rng.integers(500, size=n)
    objects = (200_000 * rng.random(n) ** 2).astype(int)  # few entities are the object of many
    rows = zip(subjects.tolist(), relations.tolist(), objects.tolist(), strict=True)
    text = "\n".join(f"entity number {s}\trelation {r}\tentity number {o}" for s, r, o in rows)
    path.write_text(text + "\n", encoding="utf-8")


BENCHMARKS: dict[str, Callable[[], str]] = {"grokked": grokked, "million": million}


def main() -> None:
    """Run the named benchmark, or each in a process of its own, so that peaks do not mix."""
    if len(sys.argv) > 1:
        result = BENCHMARKS[sys.argv[1]]()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        cpu = time.process_time()
        print(f"{sys.argv[1]}: {result}; CPU {cpu:.1f} s, peak {peak:.2f} GB")
        return
    for name in BENCHMARKS:
        subprocess.run([sys.executable, __file__, name], check=True)


if __name__ == "__main__":
    main()
