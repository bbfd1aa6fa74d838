"""The `hopscope` command: one module per sub-command, thin, and fast to import.

What a command does lives in the packages below; here are arguments, words and tables.
"""
