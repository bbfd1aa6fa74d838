"""Readers that turn a data source into a `KnowledgeGraph`."""
