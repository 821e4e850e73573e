"""Measurements of a running server; run them with ``scripts/bench``."""
