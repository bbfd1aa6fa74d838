#!/usr/bin/env bash
# A transformers checkpoint that says "tied" can hold two different matrices, until someone touches it.
#
# Versions: transformers 5.23.0, torch 2.13.0, safetensors 0.8.0.
#
# Behaviour: give a GPT-2 an unembedding of its own while `tie_word_embeddings` stays true. `save_pretrained` then
# writes a `lm_head.weight` beside `wte.weight` and still writes `"tie_word_embeddings": true`;
# `from_pretrained` reads both and does not tie them. The config is contradicted by the file and the
# file wins. Later, `resize_token_embeddings` (one added token) obeys the config again: it ties, and the
# unembedding is gone, for all tokens.
#
# Why it surprises: readers of the format (converters, interpretability tools, own loaders) look at the config
# and take W_U = W_E.T, which here gives a wrong model without an error. And a user of transformers who adds
# one padding token gets other logits for every old token.
#
# Seen on 2026-11-28: a 1-layer GPT-2: saved and read back, logits equal to the last bit; logits computed
# with W_E.T instead differ by up to 8.0; after adding one token the old tokens' logits had moved just as far.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq transformers==5.23.0 torch==2.13.0 safetensors==0.8.0 numpy==2.4.6
cd "$work"
export OMP_NUM_THREADS=1 HF_HOME="$work/cache" HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error
export HF_HUB_DISABLE_PROGRESS_BARS=1
"$work/venv/bin/python" - <<'PY'
import json
import sys

import torch
from safetensors import safe_open
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.utils import logging

logging.disable_progress_bar()
torch.manual_seed(0)
config = GPT2Config(vocab_size=11, n_positions=8, n_embd=8, n_layer=1, n_head=2,
                    bos_token_id=None, eos_token_id=None)
model = GPT2LMHeadModel(config).eval()
model.lm_head.weight = torch.nn.Parameter(torch.randn(11, 8))
tokens = torch.tensor([[1, 2, 3]])


@torch.no_grad()
def logits(of):
    return of(tokens).logits


model.save_pretrained("saved")
says_tied = json.load(open("saved/config.json")).get("tie_word_embeddings", True)
with safe_open("saved/model.safetensors", "pt") as file:
    own = "lm_head.weight" in file.keys()
print("config.json says tied:", says_tied, "| the file has an lm_head.weight of its own:", own)

read = GPT2LMHeadModel.from_pretrained("saved").eval()
same = torch.equal(logits(read), logits(model))
print("read back: logits equal:", same, "| read.config.tie_word_embeddings:",
      read.config.tie_word_embeddings)

with torch.no_grad():
    final = read.transformer(tokens).last_hidden_state
    by_config = (final @ read.transformer.wte.weight.T - logits(model)).abs().max().item()
print(f"a reader that believes the config is off by up to {by_config:.2f}")

read.resize_token_embeddings(12, mean_resizing=False)
after = (logits(read)[..., :11] - logits(model)).abs().max().item()
print(f"one token added: the eleven old logits moved by up to {after:.2f};",
      "tied now:", read.lm_head.weight is read.transformer.wte.weight)

holds = (
    says_tied
    and own
    and same
    and by_config > 1
    and after > 1
    and read.lm_head.weight is read.transformer.wte.weight
)
sys.exit(0 if holds else "the behaviour has changed")
PY
