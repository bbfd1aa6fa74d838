"""What language models do with two hops that nobody trained them on as such.

`composability` asks for both hops and for their composition; `patchscopes` lets the model itself
say in words what its states hold.
"""
