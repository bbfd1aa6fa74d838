"""Figures: specs, and the renderers that draw them."""
