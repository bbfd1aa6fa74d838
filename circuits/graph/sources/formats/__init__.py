"""Kinds of files that hold facts: delimited text, JSON, parquet, RDF; compressed or damaged.

They give rows as they stand in the file, with what was noticed on the way. What the rows mean is
for the sources above; nothing here knows a data set.
"""
