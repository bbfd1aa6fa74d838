"""Recipes: the settings that determine a run, as validated sections, and their TOML form.

The sections and their checks live here; shipped recipes are in `train/recipes/`. Nothing here reads
data or depends on a model.
"""
