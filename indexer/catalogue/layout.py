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
    ``map_option``: the option of ``build`` that names other columns, "" where there is none.
    """

    name: str
    source: Source
    id_column: str
    title_column: str
    required: tuple[str, ...]
    columns: dict[str, tuple[str, ...]]
    numbers: frozenset[str] = field(default_factory=frozenset)
    map_option: str = ""

    @property
    def fields(self) -> dict[str, str]:
        """What can be told apart in a file → the layout's column for it: our columns, and those only rules read."""
        return {ours: theirs for theirs, fills in self.columns.items() for ours in fills or (theirs,)}
