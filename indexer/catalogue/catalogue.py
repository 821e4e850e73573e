"""The catalogue: the films, songs and known pairs that a build starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from indexer.catalogue.cleaning import rules_for
from indexer.catalogue.layout import Source
from indexer.catalogue.report import CleaningReport, FileReport, RuleCount
from indexer.catalogue.soundtracks import no_soundtracks, read_soundtracks
from indexer.catalogue.spotify import LAYOUT as TRACKS
from indexer.catalogue.spotify import read_tracks
from indexer.catalogue.table_reader import open_table
from indexer.catalogue.tmdb import read_movies
from indexer.errors import EmptyCatalogue


@dataclass(frozen=True)
class Catalogue:
    """Clean tables of films, songs and known pairs, each in input order.

    Columns: ``MOVIE_COLUMNS``; ``TRACK_COLUMNS``; ``tmdb_id``, ``track_id``. Text is str with NA for unknown,
    multi-valued text is joined with ``SEPARATOR`` ("" for none), numbers and flags are float64 with NaN for
    unknown. Every id in ``soundtracks`` is in the other two tables.
    """

    movies: pd.DataFrame
    tracks: pd.DataFrame
    soundtracks: pd.DataFrame
    report: CleaningReport


def read_catalogue(
    movies: Path,
    tracks: Path,
    soundtracks: Path | None = None,
    preset: str = "default",
    movie_columns: Mapping[str, str] | None = None,
    track_columns: Mapping[str, str] | None = None,
) -> Catalogue:
    """Read and clean the source files (``.csv``, ``.csv.gz`` or ``.parquet``).

    ``movie_columns``, ``track_columns``: field → column of files that name their columns otherwise than the layouts.
    Presets: "default"; "music2movie", which also wants a poster and a popularity of every film, as
    that paper did.
    Raises ``ConfigError`` (preset), ``UnreadableFile``, ``MissingColumn``, or ``EmptyCatalogue``.
    """
    rules_for("movies", preset)  # this and a missing column are said before minutes of reading
    open_table(tracks, TRACKS, track_columns)
    files: dict[Source, FileReport] = {}
    movie_table, files["movies"] = read_movies(movies, preset, movie_columns)
    refuse_empty(movies, files["movies"], "film")
    track_table, files["tracks"] = read_tracks(tracks, preset, track_columns)
    refuse_empty(tracks, files["tracks"], "song")
    pairs = no_soundtracks()
    if soundtracks is not None:
        pairs, files["soundtracks"] = read_soundtracks(soundtracks, movie_table, track_table, preset)
    return Catalogue(movie_table, track_table, pairs, CleaningReport(preset, files))


def refuse_empty(path: Path, report: FileReport, item: str) -> None:
    """Raise ``EmptyCatalogue``, which says what removed them, where no ``item`` of a file is kept."""
    if report.rows_kept:
        return
    if not report.rows_read:
        raise EmptyCatalogue(f"{path}: a header and no rows, so there is no {item} to index")
    removed = sorted(
        (rule for rule in report.rules.values() if rule.action == "drop" and rule.count), key=_by_count
    )
    reasons = ", ".join(f"{rule.name} ({rule.description}) {rule.count:,}" for rule in removed)
    raise EmptyCatalogue(f"{path}: no {item} is left of {report.rows_read:,} rows; removed by {reasons}")


def _by_count(rule: RuleCount) -> tuple[int, str]:
    return -rule.count, rule.name
