#!/usr/bin/env bash
# In nnsight, position 1 of a short prompt is another token once a longer prompt stands in the same trace.
#
# Versions: nnsight 0.8.1, transformers 5.23.0, torch 2.13.0.
#
# Behaviour: prompts of one trace, as a list or as several invokes, are padded on the left to the longest. Logits
# are right (positions and mask are adjusted), but `.output` has the padded length for every prompt, and
# an index counts from the padding. `block.output[:, 1] = state` on "a b c" beside a prompt of five tokens
# writes into padding, which nothing attends to: the logits do not change by one bit. Alone, the same line
# changes them. Only negative indices, counted from the end, mean the same token in both.
#
# Why it surprises: the tokenizer's own padding side (right for GPT-2) is overridden silently, an invoke reads like
# a prompt of its own, and batching is described as a matter of speed. A patching experiment that was right prompt by
# prompt gives zero effects for its shorter prompts when it is batched, or patches another token's state.
#
# Seen on 2026-11-28 (GPT-2 with random weights, two blocks, prompts of three and five tokens, `output[:, 1]` of
# block 0 set to zero), largest change of the short prompt's last logits:
#   alone .060   in a list with the longer one 0   as an invoke beside it 0   `output[:, -2]` .060 in all three
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq nnsight==0.8.1 transformers==5.23.0 accelerate==1.15.0 torch==2.13.0 numpy==2.4.6
cd "$work"
export OMP_NUM_THREADS=1 HF_HOME="$work/cache" HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error
cat > count.py <<'PY'
import sys

import torch
from nnsight import TransformersModel
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, GPT2Config, PreTrainedTokenizerFast

words = {f"w{i}": i for i in range(49)} | {"PAD": 49}
rules = Tokenizer(models.WordLevel(words, unk_token="w0"))
rules.pre_tokenizer = pre_tokenizers.Whitespace()
PreTrainedTokenizerFast(tokenizer_object=rules, unk_token="w0", eos_token="w0", bos_token="w0",
                        pad_token="PAD", padding_side="right").save_pretrained("model")
torch.manual_seed(0)
config = GPT2Config(n_positions=16, n_embd=16, n_layer=2, n_head=2, vocab_size=50,
                    bos_token_id=0, eos_token_id=0)
plain = AutoModelForCausalLM.from_config(config).eval()
for weight in plain.parameters():
    torch.nn.init.normal_(weight, std=0.3)
plain.save_pretrained("model")

model = TransformersModel("./model", task="text-generation", device_map="cpu", dispatch=True)
block, head = model.transformer.h[0], model.lm_head
short, long = "w3 w7 w11", "w4 w8 w12 w3 w10"


def logits(prompts, position=None):
    with torch.no_grad(), model.trace(prompts):
        if position is not None:
            block.output[:, position] = 0
        out = head.output[:, -1].save()
    return out[0]


def logits_of_invoke(position=None):
    with torch.no_grad(), model.trace() as tracer:
        with tracer.invoke(short):
            if position is not None:
                block.output[:, position] = 0
            out = head.output[:, -1].save()
        with tracer.invoke(long):
            head.output[:, -1].save()
    return out[0]


def change(run, position):
    return float((run(position) - run()).abs().max())


ways = {
    "alone": lambda *at: logits([short], *at),
    "in a list": lambda *at: logits([short, long], *at),
    "as an invoke": lambda *at: logits_of_invoke(*at),
}
effects = {way: (change(run, 1), change(run, -2)) for way, run in ways.items()}
print("tokenizer asks for padding on the", "right; nnsight pads on the", model.tokenizer.padding_side)
for way, (first, second) in effects.items():
    print(f"{way:13s} change by output[:, 1] = 0: {first:.3f}   by output[:, -2] = 0: {second:.3f}")
clean = max(float((run() - ways["alone"]()).abs().max()) for run in ways.values())
print(f"without an edit all agree within {clean:.1e}")
alone = effects["alone"][0]
holds = alone > 0.05 and clean < 1e-5
holds &= all(effects[way][0] == 0 for way in ("in a list", "as an invoke"))
holds &= all(abs(second - alone) < 1e-4 for _, second in effects.values())
sys.exit(0 if holds else "the behaviour has changed")
PY
"$work/venv/bin/python" count.py 2> log || { cat log; exit 1; }
