"""Segue's indexer: from source files to a published index version."""
