"""Subcommands of ``python -m indexer``, one module each, beside those that look after versions."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Protocol


class AddCommand(Protocol):
    """Adds a subcommand that runs ``run`` with its parsed options; gives its parser, to add options to."""

    def __call__(
        self, name: str, run: Callable[[argparse.Namespace], None], about: str
    ) -> argparse.ArgumentParser: ...
