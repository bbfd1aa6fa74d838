"""From a graph to questions: vocabulary, splits, augmentation, baselines, and their files.

The questions that a model is asked live here; the model and its training do not.
"""
