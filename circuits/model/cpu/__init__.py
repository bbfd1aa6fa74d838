"""The model by hand for a CPU: forward and backward in few operations, equal prefixes once."""
