"""The results page: experiments over several seeds, certified, as tables of docs/results.md.

`python -m app.results` trains what is missing, certifies it and rewrites the tables of the page;
its sentences are written by hand. `experiments` says what a table is about. Training is that of
`hopscope sweep` and measuring that of `hopscope certify`. Only `__main__` may import from `train`.
"""
