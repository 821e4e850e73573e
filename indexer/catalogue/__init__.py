"""Films and songs: readers for the public layouts, cleaning rules, and the rows they yield."""

from indexer.catalogue.catalogue import Catalogue, read_catalogue
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
