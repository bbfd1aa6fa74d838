"""The figures of *Wild* (arXiv 2504.20752) and *Grokked* (arXiv 2405.15071), drawn from own runs.

Every number of a paper is labelled "published"; what stands beside it was measured on the runs.
"""
