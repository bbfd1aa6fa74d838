"""The recipes that come with Hopscope (TOML files beside this one)."""
