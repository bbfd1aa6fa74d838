"""The shape of the transformer, with TransformerLens's field names."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from circuits.errors import HopscopeError, unknown_name
from circuits.recipes.schema import ActFn, ModelSection, NormalizationType

if TYPE_CHECKING:
    import torch

MOST_PASSES = 1000
"""Each pass has its own hook points, so an untrusted file must not choose this number freely."""


@dataclass(frozen=True)
class ModelConfig:
    """Everything that determines the model and its initial weights.

    A width of 0 is filled in: d_head with d_model / n_heads, d_mlp with 4 d_model.

    Raises:
        HopscopeError: if a size is not a whole number, if sizes do not fit each other, or if the
            activation or the norm is unknown.

    >>> cfg = ModelConfig(n_layers=2, d_model=32, n_ctx=3, d_vocab=100, n_heads=4)
    >>> cfg.d_head, cfg.d_mlp, cfg.depth
    (8, 128, 2)
    """

    n_layers: int
    """Number of blocks with weights of their own."""
    d_model: int
    n_ctx: int
    """Longest sequence; number of learned positions."""
    d_vocab: int
    n_heads: int
    d_head: int = 0
    """Width of one attention head; 0 becomes d_model / n_heads."""
    d_mlp: int = 0
    """Width of the MLP; 0 becomes 4 d_model."""
    act_fn: ActFn = "relu"
    """`gelu` is the exact one, `gelu_new` GPT-2's tanh approximation."""
    normalization_type: NormalizationType | None = "LN"
    eps: float = 1e-5
    init_range: float = 0.02
    """Standard deviation of the initial weights."""
    seed: int = 0
    """Seed of the initial weights, drawn on the CPU from a generator of their own."""
    tied_unembedding: bool = False
    """The unembedding is the transposed token embedding."""
    n_passes: int = 1
    """Cross-layer sharing: the n_layers blocks are run this many times over."""
    dropout: float = 0.0
    """Probability of dropout where GPT-2 has it: embedding, pattern, attn_out, mlp_out."""
    use_attn_result: bool = False
    """Let `run_with_cache` without a filter also keep attn.hook_result, which is large."""

    # Fields that TransformerLens's tools read, with the same value for every model here.
    attn_only: ClassVar[bool] = False
    parallel_attn_mlp: ClassVar[bool] = False
    gated_mlp: ClassVar[bool] = False
    final_rms: ClassVar[bool] = False
    positional_embedding_type: ClassVar[str] = "standard"
    n_key_value_heads: ClassVar[int | None] = None
    use_split_qkv_input: ClassVar[bool] = False
    use_attn_in: ClassVar[bool] = False
    use_hook_mlp_in: ClassVar[bool] = False
    default_prepend_bos: ClassVar[bool] = False
    device: ClassVar[str | None] = None
    dtype: ClassVar[torch.dtype | None] = None

    def __post_init__(self) -> None:
        for name in ("n_layers", "d_model", "n_ctx", "d_vocab", "n_heads", "n_passes"):
            _check_count(name, getattr(self, name), least=1)
        if self.n_passes > MOST_PASSES:
            raise HopscopeError(f"n_passes = {self.n_passes:,} is more than {MOST_PASSES:,}.")
        for name in ("d_head", "d_mlp"):
            _check_count(name, getattr(self, name), least=0)
        if not self.d_head:
            if self.d_model % self.n_heads:
                raise HopscopeError(
                    f"d_model = {self.d_model} is not divisible by n_heads = {self.n_heads}; "
                    f"choose n_heads among {_divisors(self.d_model)} or give d_head."
                )
            object.__setattr__(self, "d_head", self.d_model // self.n_heads)
        if not self.d_mlp:
            object.__setattr__(self, "d_mlp", 4 * self.d_model)
        self._check_names_and_ranges()

    def _check_names_and_ranges(self) -> None:
        if self.act_fn not in get_args(ActFn):
            raise unknown_name("act_fn", str(self.act_fn), get_args(ActFn))
        if self.normalization_type not in (*get_args(NormalizationType), None):
            allowed = (*get_args(NormalizationType), "None")
            raise unknown_name("normalization_type", str(self.normalization_type), allowed)
        if not 0 <= self.dropout < 1:
            raise HopscopeError(f"dropout = {self.dropout} is outside 0 <= dropout < 1.")
        for name in ("eps", "init_range"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise HopscopeError(f"{name} = {value} is not a positive number.")

    @property
    def depth(self) -> int:
        """Number of blocks a token passes: n_layers times n_passes."""
        return self.n_layers * self.n_passes

    @property
    def n_matrix_weights(self) -> int:
        """Weights without biases, norms and unembedding: no model of this shape has fewer."""
        embeddings = (self.d_vocab + self.n_ctx) * self.d_model
        attention = 4 * self.d_model * self.n_heads * self.d_head
        return embeddings + self.n_layers * (attention + 2 * self.d_model * self.d_mlp)

    def unrolled(self) -> ModelConfig:
        """The same computation without sharing: depth blocks, each run once."""
        return dataclasses.replace(self, n_layers=self.depth, n_passes=1)

    @classmethod
    def from_recipe(
        cls, model_section: ModelSection, d_vocab: int, n_ctx: int, seed: int
    ) -> ModelConfig:
        """The model of a recipe, for data with d_vocab tokens and sequences up to n_ctx."""
        given = model_section.model_dump()
        given["d_head"] = given["d_head"] or 0
        given["d_mlp"] = given["d_mlp"] or 0
        return cls(**given, d_vocab=d_vocab, n_ctx=n_ctx, seed=seed)

    def to_json(self) -> dict[str, Any]:
        """All fields, for a JSON file."""
        return dataclasses.asdict(self)

    def to_json_text(self) -> str:
        """`to_json` as a string, e.g. for the header of a safetensors file."""
        return json.dumps(self.to_json())

    @classmethod
    def from_json(cls, table: dict[str, Any] | str) -> ModelConfig:
        """Inverse of `to_json`; takes the table or the string.

        Raises:
            HopscopeError: for unknown or missing fields, and values of the wrong type.
        """
        if isinstance(table, str):
            try:
                table = json.loads(table)
            except json.JSONDecodeError as error:
                raise HopscopeError(f"the model configuration is not JSON: {error}.") from error
        if not isinstance(table, dict):
            raise HopscopeError("the model configuration is not a JSON object.")
        fields = {field.name: field for field in dataclasses.fields(cls)}
        for name in table:
            if name not in fields:
                raise unknown_name("model field", name, fields)
        for name, field in fields.items():
            if name not in table and field.default is dataclasses.MISSING:
                raise HopscopeError(f"the model configuration lacks the field {name!r}.")
        try:
            return cls(**table)
        except TypeError as error:
            raise HopscopeError(f"the model configuration is malformed: {error}.") from error


def _check_count(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise HopscopeError(f"{name} = {value!r} is not a whole number of at least {least}.")


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, min(number, 64) + 1) if number % d == 0]
