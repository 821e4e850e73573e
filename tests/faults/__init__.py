"""Faults put to the build, the versions on disk and the server, with counts: ``python -m tests.faults``."""
