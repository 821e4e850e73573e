"""Films and songs: readers for the public layouts, cleaning rules, and the rows they yield.

The records are light; the readers need pandas and load when first asked for, so that a server never does.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from indexer.catalogue.records import (
    AUDIO_FEATURES,
    MOVIE_COLUMNS,
    SEPARATOR,
    TRACK_COLUMNS,
    Medium,
    Movie,
    Track,
    movie_from_cells,
    track_from_cells,
)

if TYPE_CHECKING:
    from indexer.catalogue.catalogue import Catalogue, read_catalogue
    from indexer.catalogue.report import CleaningReport

__all__ = [
    "AUDIO_FEATURES",
    "MOVIE_COLUMNS",
    "SEPARATOR",
    "TRACK_COLUMNS",
    "Catalogue",
    "CleaningReport",
    "Medium",
    "Movie",
    "Track",
    "movie_from_cells",
    "read_catalogue",
    "track_from_cells",
]

_LAZY = {
    "Catalogue": "indexer.catalogue.catalogue",
    "read_catalogue": "indexer.catalogue.catalogue",
    "CleaningReport": "indexer.catalogue.report",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
