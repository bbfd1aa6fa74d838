"""Slices: results on some of the questions, recomputed from the values of single questions.

`slice` says which questions, `properties` what is known of each, `values` what an analysis stores
of each, `reading` and `errors` what follows on a slice.
"""
