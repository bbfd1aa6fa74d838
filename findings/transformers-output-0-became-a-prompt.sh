#!/usr/bin/env bash
# `output[0]` in a hook on a transformer block: all states in one family, only the first prompt in another.
#
# Versions: transformers 5.23.0 beside 4.57.3, torch 2.13.0.
#
# Behaviour: what a forward hook gets from a block is a tuple whose first element is the residual stream
# [prompt, position, width] for GPT-J, GPT-Neo, BLOOM, Falcon and MPT, and the bare tensor for GPT-2, GPT-NeoX
# (Pythia), Llama, OPT and most others. In 4.57.3 GPT-2, GPT-NeoX, OPT, Phi and Gemma still gave a tuple,
# while Llama, Qwen, Mistral and Phi-3 already gave a tensor.
#
# Why it surprises: `hidden = output[0]` is how patching and steering scripts for GPT-2 and Pythia were
# written for years. With the tensor it raises nothing: it is the first prompt's [position, width]. An
# ablation then touches one prompt of a batch, `output[0][:, -1]` is the last *dimension* at every position,
# a mean over prompts is one prompt, and a batch of one hides all of it. Unpacking by the family's
# name does not help, since the answer depends on the release; only asking `isinstance(output, tuple)` does.
#
# Seen on 2026-11-28 (2 blocks, random weights, three prompts, `output[0][:] = 0` at block 0), prompts of
# three whose logits change:
#   4.57.3   gpt2 3  gpt_neox 3  opt 3  llama 1  gptj 3  gpt_neo 3  bloom 3  falcon 3
#   5.23.0   gpt2 1  gpt_neox 1  opt 1  llama 1  gptj 3  gpt_neo 3  bloom 3  falcon 3
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cat > "$work/count.py" <<'PY'
import sys

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

logging.set_verbosity_error()
ids = dict(vocab_size=50, bos_token_id=0, eos_token_id=0, pad_token_id=0)
wide = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=16)
short = dict(n_positions=16, n_embd=16, n_layer=2, n_head=2)
families = {
    "gpt2": short,
    "gpt_neox": wide | dict(intermediate_size=32),
    "opt": wide | dict(ffn_dim=32, word_embed_proj_dim=16),
    "llama": wide | dict(intermediate_size=32),
    "gptj": short | dict(rotary_dim=4),
    "gpt_neo": dict(hidden_size=16, num_layers=2, num_heads=2, max_position_embeddings=16,
                    attention_types=[[["global", "local"], 1]]),
    "bloom": dict(hidden_size=16, n_layer=2, n_head=2),
    "falcon": dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2),
}
expected = dict(pair.split("=") for pair in sys.argv[1:])
tokens = torch.tensor([[3, 7, 11], [4, 5, 6], [9, 8, 2]])


def ablate(block, inputs, output):
    output[0][:] = 0


seen = {}
for name, sizes in families.items():
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(name, **ids, **sizes)).eval()
    blocks = next(part for part in model.modules() if isinstance(part, torch.nn.ModuleList))
    with torch.no_grad():
        clean = model(tokens).logits
        with blocks[0].register_forward_hook(ablate):
            changed = (model(tokens).logits - clean).abs().amax((1, 2)) > 1e-6
    seen[name] = str(int(changed.sum()))
print(f"{transformers.__version__:8s}", "  ".join(f"{name} {n}" for name, n in seen.items()))
sys.exit(0 if seen == expected else "the behaviour has changed")
PY
export OMP_NUM_THREADS=1 HF_HOME="$work/cache" HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error
tuples="gptj=3 gpt_neo=3 bloom=3 falcon=3"
try() { # version of transformers, expected counts
    python3 -m venv "$work/$1"
    "$work/$1/bin/pip" install -qq "transformers==$1" torch==2.13.0 numpy==2.4.6
    (cd "$work" && "$1/bin/python" count.py "${@:2}" 2> "$1/log") || { cat "$work/$1/log"; exit 1; }
}
# shellcheck disable=SC2086
try 4.57.3 gpt2=3 gpt_neox=3 opt=3 llama=1 $tuples
# shellcheck disable=SC2086
try 5.23.0 gpt2=1 gpt_neox=1 opt=1 llama=1 $tuples
