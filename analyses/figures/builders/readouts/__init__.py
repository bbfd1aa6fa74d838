"""Builders of figures of the readouts (`analyses.readouts`): one module for each analysis.

Nothing here reads files or draws.
"""
