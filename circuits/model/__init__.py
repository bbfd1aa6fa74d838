"""The hooked transformer, its hook-free paths, and its forms in other libraries.

Nothing here depends on graphs, questions or run folders.
"""
