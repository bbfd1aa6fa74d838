#!/usr/bin/env bash
# devinterp's local learning coefficient averages over the burn-in, so more burn-in does not remove it.
#
# Versions: devinterp 2.0.1, torch 2.13.0, transformers 5.23.0, datasets 5.2.0, xarray 2026.9.0.
#
# Behaviour: `llc(..., num_burnin_steps=N, num_draws=D)` runs N + D steps, and the mean loss from which
# `llc_mean` is computed is the mean over all N + D of them. The burn-in decides only when the observables begin
# to be recorded. The chain starts at the trained weights, where the loss is lowest, so the estimate is too low.
#
# Why it surprises: a burn-in is there to be thrown away, and its description ("SGLD burn-in steps before
# drawing") says so. Raising it is the usual remedy when the loss trace still climbs; here the early steps
# stay in the mean. (`compute_llc`, one call deeper, admits it in its docstring.) The remedy is one line,
# since `loss_trace` holds every step: n_beta * (loss_trace[:, N:].mean() - init_loss).
#
# Seen on 2026-11-28: 200 burn-in steps and 20 draws: llc_mean 2.70; from the 20 draws alone 3.45; the loss
# trace has 220 steps.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq devinterp==2.0.1 torch==2.13.0 transformers==5.23.0 datasets==5.2.0 \
    xarray==2026.9.0 numpy==2.4.6
cd "$work"
export TMPDIR="$work" OMP_NUM_THREADS=1 HF_HOME="$work/cache" HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error
export TQDM_DISABLE=1 PYTHONWARNINGS=ignore
"$work/venv/bin/python" - <<'PY'
import sys

import torch
from datasets import Dataset
from devinterp.slt.llc import llc
from transformers import GPT2Config, GPT2LMHeadModel

BURN_IN, DRAWS, N_BETA = 200, 20, 20.0
torch.manual_seed(0)
tokens = Dataset.from_dict({"input_ids": torch.randint(0, 20, (64, 6)).tolist()})
tokens = tokens.with_format("torch")
model = GPT2LMHeadModel(GPT2Config(vocab_size=20, n_positions=8, n_embd=8, n_layer=1, n_head=2,
                                   attn_pdrop=0, resid_pdrop=0, embd_pdrop=0,
                                   bos_token_id=0, eos_token_id=0))
found = llc(model, tokens, {"all": (tokens, 1)}, lr=1e-3, n_beta=N_BETA, localization=10.0,
            num_chains=1, num_draws=DRAWS, num_burnin_steps=BURN_IN, batch_size=16,
            num_init_loss_batches=4, device="cpu")
trace, start = found.loss_trace.values[0], float(found.init_loss)
reported = float(found.llc_mean)
everything = N_BETA * (trace.mean() - start)
draws_only = N_BETA * (trace[BURN_IN:].mean() - start)
print(f"{BURN_IN} burn-in steps + {DRAWS} draws; steps in the loss trace: {len(trace)}")
print(f"llc_mean {reported:.3f} | over all steps {everything:.3f} | over the draws {draws_only:.3f}")

holds = (
    len(trace) == BURN_IN + DRAWS
    and abs(reported - everything) < 1e-3
    and abs(reported - draws_only) > 0.1
)
sys.exit(0 if holds else "the behaviour has changed")
PY
