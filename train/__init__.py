"""Training: batches, losses, optimizers, the loop, sweeps, and the recipes that ship (`recipes/`).

May import `circuits`, which also holds the schema of recipes; never `analyses` or `app`.
"""
