"""What only several checkpoints or several runs can tell: dates of formation, spread over seeds.

Nothing here runs a model; it reads stored results.
"""
