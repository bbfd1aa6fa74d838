"""From a graph to questions: vocabulary, splits, augmentation, baselines, and their files.

What is asked of a model lives here; the model and its training do not.
"""
