"""What is asked: the questions an analysis looks at, their corruptions and their contrasts.

Nothing here runs a model.
"""
