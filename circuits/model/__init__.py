"""The hooked transformer, its hook-free paths, and its forms in other libraries.

Nothing here knows of graphs, questions or run folders.
"""
