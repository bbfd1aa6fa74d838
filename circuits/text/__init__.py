"""Text: facts and questions as sentences, names of several tokens.

Templates put a question about names into words (`templates`, `rendering`), a tokenizer puts it into
tokens (`tokenizers`), and `spans` finds the tokens of each role again. What a model answers is
decoded and compared whole (`scoring`), or ranked among all names of the graph (`trie`).
"""
