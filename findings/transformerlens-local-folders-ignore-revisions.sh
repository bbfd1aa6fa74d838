#!/usr/bin/env bash
# A local folder takes any `revision` and any `checkpoint_index`, and gives the same weights for all of them.
#
# Versions: transformer-lens 4.3.0, transformers 5.23.0, torch 2.13.0.
#
# Behaviour: `TransformerBridge.boot_transformers("./model", revision="step1000")` and any other revision, existing
# or not, load the folder's one model; no warning says so. If the folder lies at a relative path that is the name of
# a model with checkpoints (EleutherAI/pythia-14m, as a download by hand often does), `checkpoint_index` and
# `checkpoint_value` are looked up in that model's list of checkpoints, accepted, and then ignored as well.
#
# Why it surprises: a loop over revisions is how training is studied. It runs, every "checkpoint" has the same
# weights, and every curve over training is flat; asked of the hub, an unknown revision is an error.
#
# Seen on 2026-11-28 (a 2-layer GPT-NeoX with random weights), sum of the logits of one prompt:
#   revision=step0        -52.6672    revision=no-such-thing     -52.6672
#   checkpoint_index=0    -52.6672    checkpoint_index=100       -52.6672    checkpoint_value=143000   -52.6672
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq transformer-lens==4.3.0 transformers==5.23.0 torch==2.13.0 numpy==2.4.6
cd "$work"
export OMP_NUM_THREADS=1 HF_HOME="$work/cache" HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error
"$work/venv/bin/python" - <<'PY'
import sys

import torch
from tokenizers import Tokenizer, models
from transformer_lens.model_bridge import TransformerBridge
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

logging.disable_progress_bar()
name = "EleutherAI/pythia-14m"
torch.manual_seed(0)
model = GPTNeoXForCausalLM(
    GPTNeoXConfig(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                  intermediate_size=32, max_position_embeddings=16, initializer_range=0.3)
)
model.save_pretrained(name)
words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(50)}, unk_token="w0"))
PreTrainedTokenizerFast(tokenizer_object=words, unk_token="w0", eos_token="w0", bos_token="w0",
                        pad_token="w1").save_pretrained(name)
found = {}
for asked in (dict(revision="step0"), dict(revision="no-such-thing"), dict(checkpoint_index=0),
              dict(checkpoint_index=100), dict(checkpoint_value=143000)):
    bridge = TransformerBridge.boot_transformers(name, device="cpu", **asked)
    ((key, value),) = asked.items()
    with torch.no_grad():
        found[f"{key}={value}"] = float(bridge(torch.tensor([[1, 2, 3]])).sum())
for key, value in found.items():
    print(f"  {key:26}{value:9.4f}")
sys.exit(len(set(found.values())) != 1)
PY
