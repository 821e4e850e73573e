"""One module per medium; each maps catalogue rows to numbers and knows nothing of the others."""
