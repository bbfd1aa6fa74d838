"""What each analysis of the catalog can be told: read without PyTorch, as results are.

Each module holds the options of one room. An analysis takes its class from here as `Options`; an
analysis that is not in the catalog may define `Options` in its own file.
"""
