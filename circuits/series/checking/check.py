"""The check of a series: is every step there, whole, and what its name says?

How it works:

1. The steps and their files are listed (`find_series`); a step whose files are not whole is a
   finding, and the others go on.
2. Every step is read once, a chunk at a time (`fingerprints`): a hash for each tensor, the numbers
   that are not finite, and the values at a fixed sample of coordinates. A run folder's files are
   hashed as well and compared with its manifest.
3. Each step is compared with what most steps have: its tensors, their types and shapes, weights
   that the configuration ties, and the tokenizer (`findings`).
4. Steps with equal hashes are identical. Single tensors that come back to the bit after they had
   changed are named too (`identical`).
5. Among different steps, those that fit another place better than their own (`order`); identical
   steps count once, under the name that leaves the fewest steps misplaced, and the other names are
   said to serve its weights (`places`).
6. The distance of each step from the one before, with a 95% t-interval over tensors, for the
   figure.

Why: of pythia-2.8b's 154 published steps, 86 serve final weights under other names, of which 76 are
the same file and 10 differ from it in a few tensors (EleutherAI/pythia#205); one shard of
pythia-12b's steps 50000 and 58000 is the last step's (#206); step 32000 of pythia-12b-deduped was
as strong as the last (#108); step 0 equals step 1 in all models (#83); three branches of OLMo-2-7B
are identical to the byte (allenai/OLMo#915). `pythia#205` compared hashes and embeddings;
`pythia#206` the cosine to the untrained weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from scipy import stats

from circuits.errors import HopscopeError
from circuits.runs.checkpoints import Damaged, read_header
from circuits.runs.reading import read_manifest
from circuits.series.checking import findings as single
from circuits.series.checking.findings import Prints, listed
from circuits.series.checking.fingerprints import StepPrint, step_print
from circuits.series.checking.identical import identical, identical_tensors, same_steps
from circuits.series.checking.order import Misplaced, distances
from circuits.series.folders import FoundSeries, find_series
from circuits.series.places import places
from circuits.series.record import Finding, Neighbours, SeriesCheck
from circuits.series.step_files import BrokenStep

SAMPLES_BYTES = 64 * 2**20
"""Memory of the samples of all steps; divided by steps and tensors it gives their number."""
MOST_SAMPLED, FEWEST_SAMPLED = 4096, 64
SMALLEST = 1024
"""Elements of the smallest tensor that is a witness of distances, unless there are few larger."""
FEW = 4


def check_series(
    source: str | Path, progress: Callable[[Iterable[int]], Iterable[int]] = iter
) -> SeriesCheck:
    """Check a series of checkpoints, by the steps in this module's docstring.

    Memory: one chunk of a tensor, and 64 MiB of samples.

    Args:
        source: A run folder, or a folder in a layout of `find_series`.
        progress: Wraps the steps, e.g. to show a bar.

    Raises:
        HopscopeError: if the folder holds no series.

    >>> from circuits.series import check_series
    >>> check = check_series("assets/demo")
    >>> check.ok
    True
    >>> first = check.neighbours[0]
    >>> (first.before, first.step), first.low < first.distance < first.high
    ((0, 100), True)
    """
    found = find_series(source, allow_broken=True)
    broken = dict(found.broken)
    prints: dict[int, StepPrint] = {}
    sampled = _sampled(found)
    hashed = _manifest_hashes(found)
    for step in progress(list(found.steps)):
        try:
            prints[step] = step_print(found.steps[step], sampled, sha256=step in hashed)
        except BrokenStep as error:
            broken[step] = error.problem
        except Damaged as error:
            broken[step] = f"{found.steps[step].folder}: {error.problem}"
    if not prints:
        raise HopscopeError(f"{next(iter(broken.values()))}; no step of {found.path} can be read.")
    return _judge(found, prints, broken, hashed)


def refuse_findings(folder: Path) -> None:
    """Refuse a run whose checkpoints are not what they say.

    Raises:
        HopscopeError: with the first finding.
    """
    found = check_series(folder).findings
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise HopscopeError(
            f"{folder} does not hold what it says: {found[0].sentence}{more}; see all with "
            f"`hopscope check {folder}`."
        )


def _judge(
    found: FoundSeries, prints: Prints, broken: Mapping[int, str], hashed: Mapping[int, str]
) -> SeriesCheck:
    files = {step: found.steps[step] for step in prints}
    steps, plain, angle, notes = _distances(prints)
    groups, moved = places(steps, plain, angle, same_steps(prints))
    every = [
        *(Finding("broken", (s,), f"step {s:,}: {said}") for s, said in sorted(broken.items())),
        *_file_hashes(prints, hashed),
        *single.not_finite(prints),
        *single.odd_tensors(prints),
        *single.odd_types(prints),
        *single.untied(prints, files),
        *single.odd_tokenizers(files),
        *identical(groups),
        *identical_tensors(prints, groups),
        *(_said(one) for one in moved),
    ]
    return SeriesCheck(
        found.path.resolve().name, found.layout, tuple(prints), tuple(every),
        _neighbours(steps, plain), {s: p.digest for s, p in prints.items()}, notes,
    )  # fmt: skip


def _sampled(found: FoundSeries) -> int:
    """Coordinates to keep of each tensor; the number of tensors is that of the first step."""
    first = next(iter(found.steps.values()))
    n_tensors = 100
    if first.kind == "safetensors":
        n_tensors = sum(len(read_header(path)) for path in first.weights)
    share = SAMPLES_BYTES // (4 * max(1, n_tensors) * len(found.steps))
    return min(MOST_SAMPLED, max(FEWEST_SAMPLED, share))


def _manifest_hashes(found: FoundSeries) -> dict[int, str]:
    """SHA-256 of each step's file as the run's manifest says; none for weights kept elsewhere."""
    if found.layout != "hopscope run":
        return {}
    manifest = read_manifest(found.path)
    if isinstance(manifest.get("imported"), dict) and manifest["imported"].get("link"):
        return {}
    return {int(row["step"]): str(row["sha256"]) for row in manifest["checkpoints"]}


def _file_hashes(prints: Prints, hashed: Mapping[int, str]) -> list[Finding]:
    return [
        Finding("file hash", (step,),
                f"step {step:,} is not the file that was written: the manifest's SHA-256 differs")
        for step, one in prints.items()
        if step in hashed and one.sha256 != (hashed[step],)
    ]  # fmt: skip


def _distances(
    prints: Prints,
) -> tuple[list[int], np.ndarray, np.ndarray, tuple[str, ...]]:
    """Steps that can be compared, their distances, and what must be said of the others."""
    usual = single.usual_of({s: _shapes(p) for s, p in prints.items()})
    steps = [s for s, p in prints.items() if _shapes(p) == usual and _finite(p)]
    large = [name for name, shape in usual if np.prod(shape) >= SMALLEST]
    names = large if len(large) >= FEW else [name for name, _ in usual]
    samples = (
        [np.stack([prints[s].tensors[name].sample for s in steps]) for name in names]
        if steps
        else []
    )
    plain, angle = distances(samples)
    notes = []
    if left := [s for s in prints if s not in steps]:
        notes.append(f"{listed(left)} cannot be compared with the others by distance")
    if len(steps) < FEW or len(plain) < FEW:
        notes.append(
            f"the order was not tested: that needs {FEW} steps and {FEW} tensors that change"
        )
    return steps, plain, angle, tuple(notes)


def _shapes(one: StepPrint) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple(sorted((n, t.shape) for n, t in one.tensors.items() if t.floating))


def _finite(one: StepPrint) -> bool:
    return all(np.isfinite(t.sample).all() for t in one.tensors.values())


def _said(moved: Misplaced) -> Finding:
    saves = f"that shortens the path there by {moved.gain:.0%} [{moved.low:.0%}, {moved.high:.0%}]"
    here = sorted(moved.steps)
    if len(here) == 1:
        where = "near" if len(moved.between) == 1 else "between"
        sentence = f"the weights of {listed(here)} fit {where} {listed(moved.between)}"
    else:
        whose = "each other's place" if len(here) == 2 else "one another's places"
        sentence = f"the weights of {listed(here)} fit {whose} and not their own"
    return Finding("place", tuple(here), f"{sentence}: {saves}")


def _neighbours(steps: list[int], plain: np.ndarray) -> tuple[Neighbours, ...]:
    found = []
    for i in range(1, len(steps)) if len(plain) else ():
        values = plain[:, i - 1, i]
        mean, wide = float(values.mean()), 0.0
        if len(values) > 1:
            error = float(values.std(ddof=1)) / len(values) ** 0.5
            wide = float(stats.t.isf(0.025, len(values) - 1)) * error
        found.append(Neighbours(steps[i - 1], steps[i], mean, max(0.0, mean - wide), mean + wide))
    return tuple(found)
