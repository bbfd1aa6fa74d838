#!/usr/bin/env bash
# In some TransformerLens bridges `hook_attn_scores` holds the softmax, and editing it changes nothing.
#
# Versions: transformer-lens 4.3.0, transformers 5.23.0, torch 2.13.0.
#
# Behaviour: for GPT-2, `attn.hook_attn_scores` is what its name says: the scores before the softmax, and a hook
# there changes the logits. For OPT and GPT-J, and for TransformerLens's own native models, the same hook
# point gets a second copy of the attention *pattern*: rows of probabilities that sum to one. Those
# bridges leave attention to the wrapped module and fire the hook afterwards. A returned edit is
# dropped; on OPT and GPT-J that holds for `hook_pattern`, too.
#
# Why it surprises: the promise of the bridge is one set of hook names for all architectures. Caching
# gives no word about it, and the shape is right. "Scores" that are probabilities look like a model with weak
# attention, and ablating the pattern looks like proof that attention does not matter. An edit does bring
# a UserWarning, once.
#
# Seen on 2026-11-28 (2-layer models with random weights), setting the hook to zero:
#   gpt2    scores = pattern: no    change of logits: scores 0.2, pattern 0.8
#   opt     scores = pattern: yes   change of logits: scores 0,   pattern 0    (z: 0.7)
#   gptj    scores = pattern: yes   change of logits: scores 0,   pattern 0    (z: 0.3)
#   native  scores = pattern: yes   change of logits: scores 0,   pattern 4.3
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq transformer-lens==4.3.0 transformers==5.23.0 torch==2.13.0 numpy==2.4.6
cd "$work"
export OMP_NUM_THREADS=1 HF_HOME="$work/cache" HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error
"$work/venv/bin/python" - <<'PY'
import sys
import warnings

import torch
from tokenizers import Tokenizer, models
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPTJConfig,
    OPTConfig,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging

logging.disable_progress_bar()
ids = dict(vocab_size=50, bos_token_id=0, eos_token_id=0)
configs = {
    "gpt2": GPT2Config(n_positions=16, n_embd=16, n_layer=2, n_head=2, **ids),
    "opt": OPTConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, ffn_dim=32,
                     max_position_embeddings=16, word_embed_proj_dim=16, pad_token_id=1, **ids),
    "gptj": GPTJConfig(n_positions=16, n_embd=16, n_layer=2, n_head=2, rotary_dim=4, **ids),
}
words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(50)}, unk_token="w0"))
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="w0", eos_token="w0",
                                    bos_token="w0", pad_token="w1")


def bridges():
    for name, config in configs.items():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config)
        for weight in model.parameters():
            torch.nn.init.normal_(weight, std=0.3)
        model.save_pretrained(name)
        tokenizer.save_pretrained(name)
        yield name, TransformerBridge.boot_transformers(f"./{name}", device="cpu")
    native = TransformerBridgeConfig(
        n_layers=2, d_model=16, n_ctx=16, d_vocab=50, d_head=8, n_heads=2, d_mlp=32,
        act_fn="gelu", normalization_type="LN", seed=0, initializer_range=0.3,
    )
    yield "native", TransformerBridge.boot_native(native)


tokens = torch.tensor([[3, 7, 11, 2, 9]])
found = {}
for name, bridge in bridges():
    bridge.eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logits, cache = bridge.run_with_cache(tokens)
        scores, pattern = (cache[f"blocks.0.attn.hook_{k}"] for k in ("attn_scores", "pattern"))

        def change(hook_name):
            hooks = [(f"blocks.0.attn.{hook_name}", lambda value, hook: torch.zeros_like(value))]
            return (bridge.run_with_hooks(tokens, fwd_hooks=hooks) - logits).abs().max().item()

        found[name] = (torch.equal(scores, pattern), change("hook_attn_scores"),
                       change("hook_pattern"), change("hook_z"))
    print(f"{name:7s} scores = pattern: {found[name][0]!s:5}  |change of logits| scores "
          f"{found[name][1]:.3f}, pattern {found[name][2]:.3f}, z {found[name][3]:.3f}")

holds = (
    not found["gpt2"][0] and min(found["gpt2"][1:]) > 0
    and all(found[n][0] and found[n][1] == 0 for n in ("opt", "gptj", "native"))
    and all(found[n][2] == 0 and found[n][3] > 0 for n in ("opt", "gptj"))
    and found["native"][2] > 0
)
sys.exit(0 if holds else "the behaviour has changed")
PY
