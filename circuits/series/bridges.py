"""A checkpoint of Hugging Face's format as a bridge, for any architecture TransformerLens has.

Only local files are read, only safetensors, and no code from a folder is run. What TransformerLens
and transformers would pass over is refused: a tensor that the files lack (it would be drawn at
random), one that fits no parameter, and an architecture without an adapter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from circuits.errors import HopscopeError
from circuits.model.bridged import BridgedModel
from circuits.series.linked import folder_of, imported_step
from circuits.series.step_files import StepFiles

_MASKS = (".attn.bias", ".masked_bias", ".inv_freq")
"""Constants that older versions of transformers stored among the weights."""

TESTED = ("GPT2LMHeadModel", "GPTNeoXForCausalLM")
"""Architectures that the tests run; others pass the checks of `BridgedModel` or are refused."""


def boot(
    files: StepFiles, tokens: Sequence[int] | None = None, device: str = "cpu"
) -> BridgedModel:
    """The model of one step, in fp32 and in eval mode.

    Args:
        files: Its folder, as `find_series` lists it.
        tokens: The model's ids of the run's vocabulary, see `BridgedModel`.
        device: Device of the weights.

    Raises:
        HopscopeError: if the folder is not a whole model of a supported architecture.
    """
    import transformers
    from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_from_module

    name = architecture_of(files)
    if files.kind != "safetensors":
        raise HopscopeError(
            f"{files.weights[0]} is not safetensors; save the model again with "
            "save_pretrained(folder), which writes model.safetensors."
        )
    silence = transformers.utils.logging
    before, bar = silence.get_verbosity(), silence.is_progress_bar_enabled()
    silence.set_verbosity_error()
    silence.disable_progress_bar()
    try:
        model, found = getattr(transformers, name).from_pretrained(
            files.folder.resolve(),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation="eager",
            dtype="float32",
            output_loading_info=True,
        )
    except Exception as error:  # a damaged file can raise anything
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise HopscopeError(f"the model in {files.folder} cannot be read: {first}") from None
    finally:
        silence.set_verbosity(before)
        if bar:
            silence.enable_progress_bar()
    _check_loaded(files.folder, found)
    bridge = build_bridge_from_module(
        model.to(device), name, hf_config=model.config, model_name=files.folder.name
    )
    return BridgedModel(bridge, tokens)


def architecture_of(files: StepFiles) -> str:
    """The architecture that a folder's config.json names, if TransformerLens has an adapter for it.

    Raises:
        HopscopeError: naming what is supported.
    """
    from transformer_lens.factories.architecture_adapter_factory import SUPPORTED_ARCHITECTURES

    if files.config is None:
        raise HopscopeError(
            f"{files.folder} has no config.json, so the architecture is unknown; put it there."
        )
    try:
        config = json.loads(files.config.read_bytes())
        (name,) = config["architectures"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        raise HopscopeError(
            f"{files.config} does not name one architecture; it needs "
            '"architectures": ["GPTNeoXForCausalLM"], for example.'
        ) from None
    if config.get("auto_map"):
        raise HopscopeError(
            f"{files.config} refers to code of its own (auto_map), which is never run; convert the "
            "model to an architecture of transformers."
        )
    import transformers

    decoders = sorted(
        one
        for one in SUPPORTED_ARCHITECTURES
        if one.endswith(("ForCausalLM", "LMHeadModel")) and hasattr(transformers, one)
    )
    if name not in decoders:
        others = [one for one in decoders if one not in TESTED]
        raise HopscopeError(
            f"the architecture {name!r} of {files.config} has no bridge; supported are "
            f"{' and '.join(TESTED)} and, not tested here, {', '.join(others)}."
        )
    return str(name)


def bridge_of_run(
    path: Path, manifest: Mapping[str, Any], step: int, *, sha256: str, device: str = "cpu"
) -> BridgedModel:
    """The model of a step of an imported run whose manifest says `model: "bridge"`.

    Its weights are in `checkpoints/step_<step>/`, or where `link` says.

    Raises:
        HopscopeError: if they have gone, or are not those that were imported.
    """
    files = imported_step(folder_of(path, manifest), step, sha256=sha256)
    return boot(files, manifest["imported"].get("tokens"), device)


def _check_loaded(folder: Path, found: Mapping[str, Any]) -> None:
    """Refuse what transformers fills in or passes over."""
    for kind, words in (
        ("missing_keys", "lack the tensor {}, which would be drawn at random"),
        ("mismatched_keys", "hold {} in another shape than config.json says"),
        ("unexpected_keys", "hold {}, which the architecture does not have"),
    ):
        keys = (str(key[0] if isinstance(key, tuple) else key) for key in found.get(kind, ()))
        names = sorted(key for key in keys if not key.endswith(_MASKS))
        if names:
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            raise HopscopeError(
                f"the weights in {folder} {words.format(names[0] + more)}; they are another "
                "model's, or a part of one."
            )
