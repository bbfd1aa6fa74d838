"""Sheets: figures of runs put together as panels of one figure, from a description in TOML."""
