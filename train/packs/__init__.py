"""Packs: runs of one shape that train together in one process as one batched model.

Cells of a sweep that differ only in seed, data and scalar settings of the optimizer have products
of the same shape, so one batched product computes them all: on a GPU, which a small model leaves
idle, and on a CPU where calls cost more than products. Each run keeps its own data order, optimizer
state, evaluations, checkpoints and run folder, and ends on its own, well or not; alone it would
have the same numbers to fp32 rounding. `fitting` says what can be packed, `choice` whether it pays,
`pack` trains. [The GPU's part has not run on a GPU yet; the same code is tested on a CPU.]
"""
