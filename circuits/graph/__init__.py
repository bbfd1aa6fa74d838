"""Knowledge graphs: facts, paths through them, phi, and the sources that facts are read from.

Nothing here knows of tokens, splits or models.
"""
