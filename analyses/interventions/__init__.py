"""What happens when activations are overwritten: tracing, patching, mixing, edits.

Whatever only reads lives in `analyses.readouts`; circuits live in `analyses.circuits`.
"""
