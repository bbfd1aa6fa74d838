"""Files of two-hop questions and of facts with prompts, as other projects publish them.

One module per format says in its docstring what the file looks like and where it is from. Each
gives a `QuestionFile` (`record`): questions by name with whatever prompts the file has, the facts
that they rest on, and templates. `reader` finds the format and makes a graph of it.
May import the kinds of files, what all sources share, and the merging of names.
"""
