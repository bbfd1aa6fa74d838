"""From a figure spec to a picture: style, fonts and layout, shared by both renderers.

Nothing here computes a number that is shown.
"""
