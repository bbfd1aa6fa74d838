"""2WikiMultiHopQA: its files (`files`), which facts its questions rest on (`reader`), and which
names stand for one entity (`ids`, `names`).

May import the kinds of files and what all sources share; `circuits.graph.sources.registry` names
the reader.
"""
