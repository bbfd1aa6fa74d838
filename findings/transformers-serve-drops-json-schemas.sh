#!/usr/bin/env bash
# The server of transformers answers a request for schema-constrained JSON with free text, and status 200.
#
# Versions: transformers 5.23.0 (transformers serve), openai 3.57.0, torch 2.13.0.
#
# Behaviour: a chat completion is asked for with response_format = {"type": "json_schema", ..., "strict": true}, with
# n = 3, and with logprobs = true, each by the official client. Every reply has status 200. The text does not obey
# the schema, there is one choice in place of three, and there are no log-probabilities. The only trace is a line on
# the server's own terminal, and only the first time: "Ignoring unsupported fields in the request".
#
# Why it surprises: strict means that the answer fits or the request fails, and other servers refuse what they cannot
# do with status 400. The comment above the server's list of these fields says that receiving one "raises an error
# to avoid silent misbehaviour". A program that trusts the schema reads prose as a broken answer of the model, and one
# that averages over n samples averages over a single one.
#
# Seen on 2026-11-28, with a model of random weights: status 200 for all three requests; the text was no JSON; one
# choice for n = 3; logprobs None.
set -euo pipefail
work="$(mktemp -d)"
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq transformers==5.23.0 torch==2.13.0 tokenizers==0.23.3 accelerate==1.15.0 \
    fastapi==0.165.0 uvicorn==0.54.0 openai==3.57.0 rich==15.0.0 numpy==2.4.6
cd "$work"
export HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=warning
cat > make.py <<'PY'
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

vocab = {c: i for i, c in enumerate(["<eos>", *sorted(pre_tokenizers.ByteLevel.alphabet())])}
raw = Tokenizer(models.BPE(vocab=vocab, merges=[]))
raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
raw.decoder = decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<eos>", pad_token="<eos>")
tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"
torch.manual_seed(0)
config = GPT2Config(vocab_size=len(vocab), n_embd=32, n_layer=1, n_head=2, n_positions=256, eos_token_id=0, bos_token_id=0)
GPT2LMHeadModel(config).save_pretrained("model")
tokenizer.save_pretrained("model")
PY
"$work/venv/bin/python" make.py
port="$("$work/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
"$work/venv/bin/transformers" serve --host 127.0.0.1 --port "$port" > server.log 2>&1 &
server=$!
cat > ask.py <<'PY'
import json
import os
import sys
import time

import openai

client = openai.OpenAI(api_key="none", base_url=f"http://127.0.0.1:{sys.argv[1]}/v1", timeout=120, max_retries=0)
schema = {"type": "object", "properties": {"capital": {"type": "string"}}, "required": ["capital"]}
schema = {"name": "answer", "strict": True, "schema": schema | {"additionalProperties": False}}


def ask(**extra):
    messages = [{"role": "user", "content": "Capital of France?"}]
    return client.chat.completions.create(
        model=os.path.abspath("model"), messages=messages, max_tokens=24, **extra
    )


for _ in range(240):
    try:
        ask()
        break
    except openai.APIConnectionError:
        time.sleep(0.5)
constrained = ask(response_format={"type": "json_schema", "json_schema": schema})
text = constrained.choices[0].message.content
try:
    json.loads(text)
    fits = True
except ValueError:
    fits = False
print(f"strict JSON schema: status 200, the text is {'JSON' if fits else 'no JSON'}: {text[:40]!r}")
several = ask(n=3)
print(f"n = 3: status 200, choices: {len(several.choices)}")
scored = ask(logprobs=True)
print(f"logprobs = true: status 200, logprobs: {scored.choices[0].logprobs}")
if fits or len(several.choices) != 1 or scored.choices[0].logprobs is not None:
    sys.exit("the behaviour has changed")
PY
"$work/venv/bin/python" ask.py "$port"
grep -m 1 "unsupported fields" server.log
