"""Values of options that several subcommands take; ``ArgumentTypeError`` for those that make no sense."""

from __future__ import annotations

import argparse

_MOST_S = 3600


def positive(text: str) -> int:
    """A whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def not_negative(text: str) -> int:
    """A whole number of at least 0."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must be at least 0")
    return number


def seconds(text: str) -> float:
    """A time above 0 and of at most an hour."""
    number = float(text)
    if not 0 < number <= _MOST_S:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most {_MOST_S}")
    return number
