"""The `hopscope` command: one module per sub-command, thin, and fast to import.

The packages below do the work; arguments, messages and tables live here.
"""
