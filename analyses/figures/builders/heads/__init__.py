"""Figures of attention heads: maps of layers by heads, and single patterns."""
