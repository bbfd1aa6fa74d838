"""Recipes: what a run is made from, as validated sections, and their TOML form.

The sections and their checks live here; recipes that ship are in `train/recipes/`. Nothing here
reads data or knows of a model.
"""
