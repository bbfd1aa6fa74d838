"""The questions that analyses ask, their corruptions and their contrasts.

Nothing here runs a model.
"""
