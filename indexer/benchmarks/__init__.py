"""Measurements of what a build and a search cost; run them with ``scripts/bench``."""
