"""The certificate: does a run compose, or does its accuracy curve only look like it?

`evidence` measures, question by question; `criteria` judge; `certify` draws the conclusion.
"""
