#!/usr/bin/env bash
# In a TransformerLens bridge, an edit at `hook_resid_mid` reaches the MLP but not the residual stream.
#
# Versions: transformer-lens 4.3.0, transformers 5.23.0, torch 2.13.0.
#
# Behaviour: `blocks.N.hook_resid_mid` reads the residual stream between attention and MLP, exactly. What a
# hook returns there becomes the input of the second norm and of the MLP; the skip connection goes on
# with the old value. With the state set to zero, `resid_post` is not `mlp_out` but the old `resid_mid`
# plus `mlp_out`. It is so for GPT-2, for Llama and for TransformerLens's native models.
#
# Why it surprises: in TransformerLens 3 and in every description of the method the same name is a point
# *of the stream*, and `hook_resid_pre` and `hook_resid_post` of the bridge still are. Patching
# `resid_mid` therefore gives small effects where the large ones are, without a warning, and reading the
# hook shows nothing wrong.
#
# Seen on 2026-11-28 (2-layer models with random weights), `resid_mid` of block 0 set to zero; largest
# entry of resid_post - mlp_out, which should then be 0:
#   gpt2    1.645   (equal to the clean resid_mid: yes)
#   llama   1.297   (yes)
#   native  1.394   (yes)
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
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, PreTrainedTokenizerFast
from transformers.utils import logging

logging.disable_progress_bar()
ids = dict(vocab_size=50, bos_token_id=0, eos_token_id=0)
configs = {
    "gpt2": GPT2Config(n_positions=16, n_embd=16, n_layer=2, n_head=2, **ids),
    "llama": LlamaConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                         intermediate_size=32, max_position_embeddings=16, **ids),
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
holds = True
for name, bridge in bridges():
    bridge.eval()
    seen = {}

    def keep_as(key):
        def keep(value, hook):
            seen[key] = value.clone()

        return keep

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, clean = bridge.run_with_cache(tokens)
        bridge.run_with_hooks(tokens, fwd_hooks=[
            ("blocks.0.hook_resid_mid", lambda value, hook: torch.zeros_like(value)),
            ("blocks.0.hook_mlp_out", keep_as("mlp_out")),
            ("blocks.0.hook_resid_post", keep_as("resid_post")),
        ])
    mid = clean["blocks.0.hook_resid_mid"]
    reads = torch.allclose(mid + clean["blocks.0.hook_mlp_out"],
                           clean["blocks.0.hook_resid_post"], atol=1e-5)
    left = seen["resid_post"] - seen["mlp_out"]
    old = torch.allclose(left, mid, atol=1e-5)
    holds &= reads and old and left.abs().max() > 0.1
    print(f"{name:7s} read exactly: {reads}  after zeroing, resid_post - mlp_out: "
          f"{left.abs().max():.3f} (the clean resid_mid: {old})")
sys.exit(0 if holds else "the behaviour has changed")
PY
