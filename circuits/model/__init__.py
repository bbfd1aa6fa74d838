"""The transformer, plain for training and hooked for reading, and its forms in other libraries.

`plain` and `hook_free` need PyTorch alone; `transformer` is the same model on TransformerLens's
hook points. Nothing here knows of graphs, questions or run folders.
"""
