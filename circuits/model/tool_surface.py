"""The attributes that TransformerLens's cache and analysis tools read from a model.

Names, shapes and numbers are those of `TransformerBridge`; the tests compare them. Each
stack has one entry per block that a token passes, so shared blocks appear once per pass. The model
has no tokenizer: names of entities and relations are in the run's vocabulary.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.FactoredMatrix import FactoredMatrix

from circuits.errors import HopscopeError, unknown_name
from circuits.model.inputs import check_tokens
from circuits.model.plain import PlainTransformer

if TYPE_CHECKING:
    from transformer_lens.model_bridge.composition_scores import CompositionScores


def _stacked(path: str, shape: str) -> property:
    """A property that stacks one parameter of every block."""
    part, name = path.split(".")

    def stack(self: ToolSurface) -> Tensor:
        return torch.stack([getattr(getattr(block, part), name) for block in self.blocks])

    stack.__doc__ = f"{name} of all blocks, [{shape}]; a copy."
    return property(stack)


class ToolSurface(PlainTransformer):
    """Stacked weights, directions in the residual stream, accumulated biases, and no tokenizer."""

    tokenizer: None = None

    W_Q = _stacked("attn.W_Q", "depth n_heads d_model d_head")
    W_K = _stacked("attn.W_K", "depth n_heads d_model d_head")
    W_V = _stacked("attn.W_V", "depth n_heads d_model d_head")
    W_O = _stacked("attn.W_O", "depth n_heads d_head d_model")
    b_Q = _stacked("attn.b_Q", "depth n_heads d_head")
    b_K = _stacked("attn.b_K", "depth n_heads d_head")
    b_V = _stacked("attn.b_V", "depth n_heads d_head")
    b_O = _stacked("attn.b_O", "depth d_model")
    W_in = _stacked("mlp.W_in", "depth d_model d_mlp")
    b_in = _stacked("mlp.b_in", "depth d_mlp")
    W_out = _stacked("mlp.W_out", "depth d_mlp d_model")
    b_out = _stacked("mlp.b_out", "depth d_model")
    W_gate: None = None
    """Always False: MLPs here are not gated."""

    @property
    def W_pos(self) -> Float[Tensor, "n_ctx d_model"]:
        """Embedding of the positions: the parameter itself."""
        return self.pos_embed.W_pos

    @property
    def W_E_pos(self) -> Float[Tensor, "d_vocab_and_n_ctx d_model"]:
        """Token and position embeddings stacked in rows: everything the stream starts from."""
        return torch.cat([self.W_E, self.W_pos])

    @property
    def QK(self) -> FactoredMatrix:
        """W_Q W_K^T of every head, [depth, n_heads, d_model, d_model] in factors."""
        return FactoredMatrix(self.W_Q, self.W_K.mT)

    @property
    def OV(self) -> FactoredMatrix:
        """W_V W_O of every head, [depth, n_heads, d_model, d_model] in factors."""
        return FactoredMatrix(self.W_V, self.W_O)

    @property
    def all_head_labels(self) -> list[str]:
        """L0H0, L0H1, ... in the order of the stacks."""
        return [f"L{i}H{h}" for i in range(len(self.blocks)) for h in range(self.cfg.n_heads)]

    attn_head_labels = all_head_labels
    """The same as `all_head_labels`: every block has attention."""

    def set_use_attn_result(self, use_attn_result: bool) -> None:
        """Whether `run_with_cache` without a filter also keeps attn.hook_result."""
        self.cfg = dataclasses.replace(self.cfg, use_attn_result=use_attn_result)

    def set_use_split_qkv_input(self, use_split_qkv_input: bool) -> None:
        """Only False: queries, keys and values share their input here."""
        if use_split_qkv_input:
            raise HopscopeError(
                "queries, keys and values have no inputs of their own here; "
                "use to_bridge(model) for direct path patching."
            )

    def tl_parameters(self) -> dict[str, Tensor]:
        """The parameters by TransformerLens's names, one block per block run; not copies."""
        own = dict(self.named_parameters())
        found = {name: tensor for name, tensor in own.items() if not name.startswith("blocks.")}
        for i in range(self.depth):
            prefix = f"blocks.{i % self.cfg.n_layers}."
            for name, tensor in own.items():
                if name.startswith(prefix):
                    found[f"blocks.{i}.{name.removeprefix(prefix)}"] = tensor
        return found | {"unembed.W_U": self.W_U, "unembed.b_U": self.b_U}

    def tokens_to_residual_directions(
        self, tokens: str | int | Int[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch d_model"]:
        """Columns of the unembedding: the direction that raises each token's logit.

        A norm before the unembedding scales the stream by its learned weight, which these
        directions leave out, as in TransformerLens.

        >>> from circuits import HookedTransformer, ModelConfig
        >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
        >>> HookedTransformer(cfg).tokens_to_residual_directions(torch.tensor([4, 5])).shape
        torch.Size([2, 8])
        """
        if isinstance(tokens, str):
            self.to_single_token(tokens)
        ids = torch.as_tensor(tokens, device=self.device)
        if ids.numel():
            check_tokens(self.cfg, ids.reshape(-1, 1), self.device)
        if ids.numel() == 1:  # one direction for any shape, as in TransformerLens
            ids = ids.reshape(())
        return self.W_U.T[ids.long()].clone()

    def accumulated_bias(
        self, layer: int, mlp_input: bool = False, include_mlp_biases: bool = True
    ) -> Float[Tensor, " d_model"]:
        """Sum of the biases b_O and b_out that blocks before `layer` add to the stream.

        Args:
            layer: Blocks 0 to layer - 1 are counted, 0 <= layer <= depth.
            mlp_input: Also count b_O of block `layer`, which is added before its MLP.
            include_mlp_biases: Count b_out too; otherwise only b_O.

        >>> from circuits import HookedTransformer, ModelConfig
        >>> cfg = ModelConfig(n_layers=1, d_model=8, n_ctx=3, d_vocab=10, n_heads=2)
        >>> HookedTransformer(cfg).accumulated_bias(1).shape
        torch.Size([8])
        """
        most = self.depth - mlp_input
        if not 0 <= layer <= most:
            raise HopscopeError(f"layer {layer} does not exist here; give 0 to {most}.")
        total = self.b_O[: layer + mlp_input].sum(0)
        return total + self.b_out[:layer].sum(0) if include_mlp_biases else total

    def all_composition_scores(self, mode: Literal["Q", "K", "V"]) -> CompositionScores:
        """How much each head reads of what an earlier one writes (Elhage et al. 2021).

        Frobenius norm of the product of an earlier head's OV and a later head's QK (mode "Q" or
        "K": through its queries or keys) or OV ("V"), over the norms of both.

        Returns:
            Scores [depth, n_heads, depth, n_heads], zero unless the second layer is later.
        """
        from transformer_lens.model_bridge.composition_scores import CompositionScores
        from transformer_lens.utilities import composition_scores

        rights = {"Q": lambda: self.QK, "K": lambda: self.QK.T, "V": lambda: self.OV}
        if mode not in rights:
            raise unknown_name("composition mode", str(mode), rights)
        scores = composition_scores(self.OV, rights[mode](), broadcast_dims=True)
        layer = torch.arange(self.depth, device=self.device)
        later = layer[:, None, None, None] < layer[None, None, :, None]
        return CompositionScores(scores.where(later, 0), layer.tolist(), self.all_head_labels)

    def to_tokens(self, tokens: Any, *args: Any, **kwargs: Any) -> Int[Tensor, "batch pos"]:
        """Token ids as a tensor on the model's device; see `check_tokens`. Text is refused."""
        texts = tokens if isinstance(tokens, list | tuple) else [tokens]
        if texts and isinstance(texts[0], str):
            _refuse_text(texts[0])
        return check_tokens(self.cfg, tokens, self.device)

    def to_single_token(self, text: str) -> NoReturn:
        """Always an error: the model has no tokenizer."""
        _refuse_text(text)

    def to_string(self, tokens: Any) -> NoReturn:
        """Always an error: the model has no tokenizer."""
        raise HopscopeError(_NO_NAMES)

    def to_str_tokens(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Always an error: the model has no tokenizer."""
        raise HopscopeError(_NO_NAMES)

    to_single_str_token = to_str_tokens
    get_token_position = to_str_tokens


_NO_NAMES = (
    "the model has no tokenizer, so it cannot name tokens; the run's vocabulary can: "
    "run.vocab.name(token)."
)


def _refuse_text(text: str) -> NoReturn:
    raise HopscopeError(
        f"the model has no tokenizer, so it cannot read {text!r}; give token ids, for example "
        f"run.vocab.entity({text!r}) or run.vocab.relation({text!r})."
    )
