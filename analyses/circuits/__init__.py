"""Circuits of a run, found and judged at every checkpoint.

The circuit of a single model is `circuits.circuit`; this room walks it over a run.
"""
