"""What pages tell in tables: the runs of a folder, and results on slices of the questions."""
