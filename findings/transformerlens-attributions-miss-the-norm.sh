#!/usr/bin/env bash
# Direct logit attributions of a TransformerLens bridge do not add up to the logit, by default and in silence.
#
# Versions: transformer-lens 4.3.0, transformers 5.23.0, torch 2.13.0.
#
# Behaviour: `cache.logit_attrs(cache.decompose_resid(...), token)` of a model from `boot_transformers` centres and
# scales every component by the cached norm but leaves out the norm's own weights. All components together
# then miss the logit by far, in either direction. `cache.accumulated_resid(apply_ln=True)` of the same cache
# runs the whole norm, and its last row gives the logit exactly. After `enable_compatibility_mode()`, which
# folds the weights, the attributions add up to the logit less the unembedding's bias.
#
# Why it surprises: direct logit attribution is read as a sum ("this head adds 1.2 to the logit"). In
# TransformerLens 3 models came folded unless one asked for `no_processing`, so the sum held; a bridge
# comes unfolded, the call and the labels are the same, and nothing warns. Two methods of one cache take
# "apply the norm" to mean two things. The tool around it, `tools.analysis.direct_logit_attribution`, knows:
# it refuses a bridge that is not folded.
#
# Seen on 2026-11-29 (2-layer models with random weights), logit of one token at the last position:
#           logit   attributions   last row of the lens   folded: logit   attributions and b_U
#   gpt2   -0.633       1.468           -0.633               -0.746            -0.746
#   llama   0.599      -0.871            0.599                0.559             0.559
#   neox    0.073       1.361            0.073                0.070             0.070
# (Folding also centres the unembedding, which moves all logits of a position alike.)
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
from transformer_lens.model_bridge import TransformerBridge
from transformers import (
    AutoModelForCausalLM, GPT2Config, GPTNeoXConfig, LlamaConfig, PreTrainedTokenizerFast,
)
from transformers.utils import logging

logging.disable_progress_bar()
ids = dict(vocab_size=50, bos_token_id=0, eos_token_id=0)
shape = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
             max_position_embeddings=16)
configs = {
    "gpt2": GPT2Config(n_positions=16, n_embd=16, n_layer=2, n_head=2, **ids),
    "llama": LlamaConfig(**shape, **ids),
    "neox": GPTNeoXConfig(**shape, **ids),
}
words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(50)}, unk_token="w0"))
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="w0", eos_token="w0",
                                    bos_token="w0", pad_token="w1")
tokens, asked = torch.tensor([[3, 7, 11, 2, 9]]), 9


@torch.no_grad()
def read(bridge):
    logits, cache = bridge.run_with_cache(tokens)
    parts = cache.decompose_resid(pos_slice=-1)
    attributed = cache.logit_attrs(parts, asked, pos_slice=-1).sum().item()
    lens = cache.accumulated_resid(apply_ln=True, pos_slice=-1)[-1][0] @ bridge.W_U[:, asked]
    return logits[0, -1, asked].item(), attributed, lens.item()


holds = True
print("        logit  attributed    lens | folded: logit  attributed + b_U   (warnings)")
for name, config in configs.items():
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    model.save_pretrained(name)
    tokenizer.save_pretrained(name)
    bridge = TransformerBridge.boot_transformers(f"./{name}", device="cpu").eval()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        logit, attributed, lens = read(bridge)
    bridge.enable_compatibility_mode(disable_warnings=True)
    folded, summed, _ = read(bridge)
    summed += bridge.b_U[asked].item()
    print(f"{name:6} {logit:7.3f} {attributed:10.3f} {lens:8.3f} | {folded:13.3f} {summed:12.3f}"
          f"   ({len(told)})")
    holds &= abs(attributed - logit) > 0.1 and abs(lens - logit) < 1e-3
    holds &= abs(summed - folded) < 1e-3 and not told
sys.exit(0 if holds else "the behaviour has changed")
PY
