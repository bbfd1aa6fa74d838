"""The recipes that ship with Hopscope: the TOML files in this folder. No code lives here."""
