"""Figures as data: small frozen records of what is drawn, independent of any drawing library.

Specs hold numbers as measured; `renderers` decide how they look.
"""
