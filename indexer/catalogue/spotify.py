"""Songs from the Spotify Tracks data set, with year, decade and tags where a file has them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from indexer.catalogue.cells import Bounds, id_cells, many_cells, text_cells
from indexer.catalogue.chunk import Chunk
from indexer.catalogue.cleaning import Rule, count_faults, count_unknown, rules_for, start_draft, start_report
from indexer.catalogue.layout import Layout
from indexer.catalogue.merging import merge_genre_rows, merge_same_recordings
from indexer.catalogue.parsing import (
    absent_columns,
    fill_flag,
    fill_number,
    fill_year,
    finish_table,
    join_parts,
    source_cells,
)
from indexer.catalogue.records import AUDIO_FEATURES, TRACK_COLUMNS
from indexer.catalogue.report import FileReport
from indexer.catalogue.table_reader import open_table

#: Spotify writes tempo 0, key -1 and time signature 0 where its analysis found none: all are out of bounds.
_NUMBERS: dict[str, Bounds] = {
    "popularity": Bounds(0, 100),
    "duration_ms": Bounds(above=True),
    "key": Bounds(0, 11, whole=True),
    "mode": Bounds(0, 1, whole=True),
    "time_signature": Bounds(1, 7, whole=True),
    **{name: Bounds(low, high, above=name == "tempo") for name, (low, high) in AUDIO_FEATURES.items()},
}

#: Only what names a song is required; everything else may be unknown, and absent columns are in the report.
LAYOUT = Layout(
    name="Spotify Tracks",
    source="tracks",
    id_column="track_id",
    title_column="track_name",
    required=("track_id", "artists", "track_name"),
    columns={
        "track_id": ("id",),
        "artists": ("artists",),
        "album_name": ("album",),
        "track_name": ("title",),
        "explicit": ("explicit",),
        "track_genre": ("genres",),
        "tags": ("tags",),
        "year": ("year",),
        "decade": ("decade",),
        **{name: (name,) for name in _NUMBERS},
    },
    numbers=frozenset(_NUMBERS),
    map_option="--map-tracks",
)


def read_tracks(
    path: Path, preset: str = "default", columns: Mapping[str, str] | None = None
) -> tuple[pd.DataFrame, FileReport]:
    """Read and clean a file of songs: a table with ``TRACK_COLUMNS``, input order kept, and its report.

    ``columns``: field → the file's column, where that is not the layout's; lists in it may be joined by "|" as well.
    Raises ``UnreadableFile``, ``MissingColumn`` or ``ConfigError``; the table may be empty.
    """
    rules = rules_for("tracks", preset)
    table = open_table(path, LAYOUT, columns)
    report = start_report(path.name, rules)
    report.absent = absent_columns(LAYOUT, table.places)
    named = {LAYOUT.fields[field] for field in columns or ()}
    parts = [_clean(chunk, rules, report, named) for chunk in table.chunks()]
    tracks = finish_table(pd.DataFrame(), TRACK_COLUMNS)
    if parts:
        rows = join_parts(parts)
        rows = merge_genre_rows(rows, report.rules["genre_rows_merged"])
        rows = merge_same_recordings(rows, report.rules["same_recording_merged"])
        tracks = finish_table(rows, TRACK_COLUMNS)
    report.rows_kept = len(tracks)
    report.unknown = count_unknown(tracks)
    return tracks, report


def _clean(chunk: Chunk, rules: list[Rule], report: FileReport, named: Collection[str]) -> pd.DataFrame:
    count_faults(chunk, report)
    draft = start_draft(chunk)
    rows = draft.rows
    rows["_raw_id"] = source_cells(chunk, "track_id")
    rows["id"] = id_cells(rows["_raw_id"])
    rows["title"] = text_cells(source_cells(chunk, "track_name"))
    rows["artists"] = many_cells(source_cells(chunk, "artists"), ";", or_bar="artists" in named)
    rows["other_ids"] = pd.Series("", index=rows.index, dtype="str")
    rows["album"] = text_cells(source_cells(chunk, "album_name"))
    rows["genres"] = many_cells(source_cells(chunk, "track_genre"), ",", or_bar="track_genre" in named)
    rows["tags"] = many_cells(source_cells(chunk, "tags"), "|")
    fill_year(draft, "year", source_cells(chunk, "year"))
    fill_year(draft, "decade", source_cells(chunk, "decade"))
    rows["decade"] = rows["decade"] // 10 * 10
    fill_flag(draft, "explicit", source_cells(chunk, "explicit"))
    for name, bounds in _NUMBERS.items():
        fill_number(draft, name, source_cells(chunk, name), bounds)
    # Some sources give fractions of a millisecond; a record holds whole ones.
    rows["duration_ms"] = rows["duration_ms"].round()
    return draft.settle(rules, report).drop(columns="_raw_id")
