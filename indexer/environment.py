"""The environment of the process: the one module that reads and changes it.

Which variables there are, and what they mean, say those that are given it: ``server.settings`` and the command line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping


def read_environment() -> Mapping[str, str]:
    """All variables as they are now."""
    return os.environ


def set_variable(name: str, value: str) -> None:
    """Set a variable for this process and those that it starts from now on."""
    os.environ[name] = value
