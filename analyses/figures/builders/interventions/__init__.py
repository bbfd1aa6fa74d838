"""Builders of figures of the interventions (`analyses.interventions`): one module for each.

Nothing here reads files or draws.
"""
