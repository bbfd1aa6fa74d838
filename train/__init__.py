"""Training: recipes, optimizers, the loop and sweeps."""
