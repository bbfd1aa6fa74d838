"""Figures as data: small frozen records of what is drawn, without a drawing library.

Numbers go in as measured; how they look is up to `renderers`.
"""
