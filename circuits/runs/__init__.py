"""Run folders: what they hold, how they are read and written, checkpoints and stored results.

Only this package knows file names. The meaning of a result is up to `analyses`.
"""
