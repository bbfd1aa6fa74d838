"""Analyses of a trained run: one file each, walked over every checkpoint."""
