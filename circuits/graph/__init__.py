"""Knowledge graphs: facts, paths through them, phi, and the sources that facts are read from.

Nothing here depends on tokens, splits or models.
"""
