"""Builders of what is read beside the progress of training: coverage, first usable layers, the
crosscoder's births, learning coefficients."""
