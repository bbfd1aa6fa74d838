"""What happens when activations are overwritten: tracing, patching, mixing, edits.

Code that only reads activations lives in `analyses.readouts`; circuits live in `analyses.circuits`.
"""
