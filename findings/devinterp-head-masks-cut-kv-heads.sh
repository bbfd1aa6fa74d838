#!/usr/bin/env bash
# devinterp's "l0h1" selects the whole query head of a Qwen3 or Gemma model and half of its key head.
#
# Versions: devinterp 2.0.1, transformers 5.23.0, torch 2.13.0.
#
# Behaviour: `create_param_masks(model, "l0h1")` takes hidden_size / num_attention_heads for the width of
# a head. Models with grouped keys and a `head_dim` of its own (Qwen3-0.6B: 1024 / 16 = 64, but head_dim 128;
# Gemma 2 9B: 3584 / 16 = 224, but 256) have other widths. The query rows still come out right; the key and value
# rows are cut into as many parts as there are query heads, so each mask covers a part of a key head. The same
# model with head_dim = hidden_size / num_attention_heads gets whole key heads, shared by the heads of a group.
#
# Why it surprises: the masks have the right shape, the sampler runs, and a restricted learning coefficient
# of "head 1" comes out, measured on a set of weights that belongs to no head.
#
# Seen on 2026-11-28: 4 query heads, 2 key heads. Usual width (4): head 0 has the key rows 0-3 and head 1 the same.
# Own width (head_dim 8): head 0 has the key rows 0-3, head 1 the rows 4-7, both parts of key head 0 (rows 0-7).
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq devinterp==2.0.1 torch==2.13.0 transformers==5.23.0 numpy==2.4.6
cd "$work"
export OMP_NUM_THREADS=1 HF_HOME="$work/cache" HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error
"$work/venv/bin/python" - <<'PY'
import sys

from devinterp.slt.weight_restrictions import create_param_masks
from transformers import Qwen3Config, Qwen3ForCausalLM


def rows(head_dim, head, projection):
    config = Qwen3Config(vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=4,
                         num_key_value_heads=2, head_dim=head_dim, intermediate_size=32)
    masks = create_param_masks(Qwen3ForCausalLM(config), f"l0h{head}")
    mask = masks[f"model.layers.0.self_attn.{projection}.weight"]
    return mask.any(dim=1).nonzero().flatten().tolist()


for head_dim in (4, 8):
    for head in range(4):
        group = head // 2
        print(f"head_dim {head_dim}, head {head}: query rows {rows(head_dim, head, 'q_proj')}, "
              f"key rows {rows(head_dim, head, 'k_proj')}, its key head is rows "
              f"{group * head_dim}-{(group + 1) * head_dim - 1}")

usual = all(
    rows(4, head, "k_proj") == list(range(4 * (head // 2), 4 * (head // 2) + 4)) for head in range(4)
)
own = [rows(8, head, "k_proj") for head in range(4)]
queries = all(rows(8, head, "q_proj") == list(range(8 * head, 8 * head + 8)) for head in range(4))
cut = own == [list(range(4 * head, 4 * head + 4)) for head in range(4)]
sys.exit(0 if usual and queries and cut else "the behaviour has changed")
PY
