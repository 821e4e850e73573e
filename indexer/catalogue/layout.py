"""What a public table layout looks like: its columns, and which of them must be there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Source = Literal["movies", "tracks", "soundtracks"]


@dataclass(frozen=True, slots=True)
class Layout:
    """One table layout, in the names its files use.

    ``columns`` maps a column of the file to the columns of ours that it fills (for the report); every other
    column of a file is ignored. ``numbers`` names those that hold numbers, which tells a row from prose.
    """

    name: str
    source: Source
    id_column: str
    title_column: str
    required: tuple[str, ...]
    columns: dict[str, tuple[str, ...]]
    numbers: frozenset[str] = field(default_factory=frozenset)
