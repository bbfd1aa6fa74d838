"""Pretrained models: two-hop questions in the words of a file, asked of a series or of one model.

`marking` finds the roles in the prompts of a file, `phrases` words a question that the file does
not ask, `asked_text` keeps prompts and tokenizer in a run folder, `import_plan` makes the run, and
`answering` scores whole answers of our models and of bridges alike.
"""
