"""The model written out for CPUs: few operations, each distinct prefix computed once."""
