"""Run folders: what they hold, how they are read and written, checkpoints and stored results.

The one place that knows file names. What a result means is up to `analyses`.
"""
