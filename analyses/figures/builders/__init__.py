"""From a result to a figure spec: pure functions, one file per analysis.

Nothing here draws or reads files.
"""
