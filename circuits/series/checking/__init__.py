"""Whether the files of a series are what their names say: distances of neighbours, order, copies.

Reads weights, never changes a file; importing lives next door.
"""
