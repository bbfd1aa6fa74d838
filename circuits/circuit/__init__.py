"""Circuits of any model and prompts: what one is, how it is found, and how it is tested.

`find` makes a `circuit` from `contrast_runs`; the mechanisms below it are path patching, its
first-order estimates (`eap`) and runs with everything but some edges ablated. Knows tokens, models
and patches; no corpus, no run folder, no figure. Statistics are in `circuits.statistics`.
"""
