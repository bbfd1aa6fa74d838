"""What can be wrong with single steps: numbers, tensors, types, tied weights, tokenizers.

A step is compared with what most steps have, so that one odd step is named and not all others.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from circuits.series.checking.fingerprints import StepPrint, TensorPrint
from circuits.series.record import Finding
from circuits.series.step_files import StepFiles

Prints = Mapping[int, StepPrint]
Key = TypeVar("Key", bound=Hashable)

_MASKS = ("attn.IGNORE", "attn.mask", "masked_bias", "attention.bias")
"""Buffers that hide later positions; some hold -inf on purpose."""
_EMBEDDINGS = ("wte.weight", "embed_in.weight", "embed_tokens.weight", "word_embeddings.weight")
_UNEMBEDDINGS = ("lm_head.weight", "embed_out.weight")


def listed(steps: Sequence[int]) -> str:
    """Steps in words: "step 5", "steps 5 and 6", "steps 1, 2, 3, ... 9 (40 of them)".

    >>> listed([5, 1000])
    'steps 5 and 1,000'
    """
    names = [f"{step:,}" for step in steps]
    if len(names) == 1:
        return f"step {names[0]}"
    if len(names) > 6:
        return f"steps {', '.join(names[:4])}, ... {names[-1]} ({len(names)} of them)"
    return f"steps {', '.join(names[:-1])} and {names[-1]}"


def not_finite(prints: Prints) -> list[Finding]:
    """Steps with NaN or infinity in a weight."""
    found = []
    for step, one in prints.items():
        bad = {
            name: t.not_finite
            for name, t in one.tensors.items()
            if t.not_finite and not name.endswith(_MASKS)
        }
        if bad:
            worst = max(bad, key=lambda name: bad[name])
            what = f"{bad[worst]:,} of its {one.tensors[worst].size:,} numbers in {worst}"
            others = f", and some in {_tensors(len(bad) - 1, 'other')}" if len(bad) > 1 else ""
            sentence = f"step {step:,} has NaN or infinity: {what}{others}"
            found.append(Finding("not finite", (step,), sentence))
    return found


def odd_tensors(prints: Prints) -> list[Finding]:
    """Steps that lack a tensor that most have, or have one more."""
    usual = usual_of({step: frozenset(one.tensors) for step, one in prints.items()})
    found = []
    for step, one in prints.items():
        for what, names in (
            ("lacks {}, which other steps have", usual - one.tensors.keys()),
            ("has {}, which other steps do not have", one.tensors.keys() - usual),
        ):
            if names:
                said = what.format(_first(sorted(names)))
                found.append(Finding("tensors", (step,), f"step {step:,} {said}"))
    return found


def odd_types(prints: Prints) -> list[Finding]:
    """Steps in which a tensor has another number type or shape than in most."""
    names = {name for one in prints.values() for name in one.tensors}
    usual = {
        name: usual_of({s: _type(p.tensors[name]) for s, p in prints.items() if name in p.tensors})
        for name in names
    }
    found = []
    for step, one in prints.items():
        odd = sorted(name for name, t in one.tensors.items() if _type(t) != usual[name])
        if odd:
            is_, was = _type(one.tensors[odd[0]]), usual[odd[0]]
            here, there = (is_[0], was[0]) if is_[1] == was[1] else (_shown(is_), _shown(was))
            sentence = f"step {step:,} has {here} where other steps have {there}, in {_first(odd)}"
            found.append(Finding("dtype or shape", (step,), sentence))
    return found


def untied(prints: Prints, files: Mapping[int, StepFiles]) -> list[Finding]:
    """Steps whose configuration ties the unembedding to the embedding, and whose weights differ."""
    found = []
    for step, one in prints.items():
        out, into = (_ending(one, names) for names in (_UNEMBEDDINGS, _EMBEDDINGS))
        if not out or not into or one.tensors[out].digest == one.tensors[into].digest:
            continue
        if _ties(files[step].config):
            sentence = (
                f"step {step:,} has a configuration that ties {out} to {into}, and they differ"
            )
            found.append(Finding("tied weights", (step,), sentence))
    return found


def odd_tokenizers(files: Mapping[int, StepFiles]) -> list[Finding]:
    """Steps whose tokenizer files differ from those of most steps, as JSON and not as bytes."""
    contents = {step: _contents(one.tokenizer) for step, one in files.items()}
    usual = usual_of({step: tuple(sorted(c.items())) for step, c in contents.items()})
    found = []
    for step, content in contents.items():
        names = sorted({name for name, _ in set(content.items()) ^ set(usual)})
        if names:
            sentence = f"step {step:,} has another tokenizer than most steps: {_first(names)}"
            found.append(Finding("tokenizer", (step,), sentence + " differs"))
    return found


def usual_of(of: Mapping[int, Key]) -> Key:
    """What most steps have; of equally many, what the earliest has."""
    return Counter(of.values()).most_common(1)[0][0]


def _type(tensor: TensorPrint) -> tuple[str, tuple[int, ...]]:
    return tensor.dtype, tensor.shape


def _shown(kind: tuple[str, tuple[int, ...]]) -> str:
    return f"{kind[0]} {list(kind[1])}"


def _first(names: Sequence[str]) -> str:
    return names[0] + (f" and {_tensors(len(names) - 1, 'more')}" if len(names) > 1 else "")


def _tensors(n: int, word: str) -> str:
    return f"{n:,} {word}"


def _ending(one: StepPrint, endings: tuple[str, ...]) -> str | None:
    return next((name for name in one.tensors if name.endswith(endings)), None)


def _ties(config: Path | None) -> bool:
    """Whether a configuration ties the embeddings; GPT-2 does unless it says otherwise."""
    table = _json(config) if config else None
    if not isinstance(table, dict):
        return False
    tied = table.get("tie_word_embeddings")
    return bool(table.get("model_type") == "gpt2" if tied is None else tied)


def _contents(paths: Sequence[Path]) -> dict[str, str]:
    """A hash of what each file says; cutting and padding of texts do not change a vocabulary."""
    found = {}
    for path in paths:
        table = _json(path) if path.suffix == ".json" else None
        if isinstance(table, dict):
            table = {k: v for k, v in table.items() if k not in ("truncation", "padding")}
        read: Callable[[], bytes] = path.read_bytes
        content = read() if table is None else json.dumps(table, sort_keys=True).encode()
        found[path.name] = hashlib.sha256(content).hexdigest()
    return found


def _json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
