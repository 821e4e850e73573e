"""Films from the TMDb movies data set (v11 columns), as published on Kaggle."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from indexer.catalogue.cells import Bounds, id_cells, many_cells, text_cells
from indexer.catalogue.chunk import Chunk
from indexer.catalogue.cleaning import Rule, count_faults, count_unknown, rules_for, start_draft, start_report
from indexer.catalogue.layout import Layout
from indexer.catalogue.parsing import (
    absent_columns,
    fill_flag,
    fill_number,
    fill_year,
    finish_table,
    join_parts,
    source_cells,
)
from indexer.catalogue.records import MOVIE_COLUMNS
from indexer.catalogue.report import FileReport
from indexer.catalogue.table_reader import open_table

_NUMBERS: dict[str, tuple[str, Bounds]] = {
    "runtime_min": ("runtime", Bounds(zero_unknown=True)),
    "votes": ("vote_count", Bounds(whole=True)),
    "rating": ("vote_average", Bounds(high=10.0)),
    "popularity": ("popularity", Bounds()),
    "revenue": ("revenue", Bounds(zero_unknown=True)),
    "budget": ("budget", Bounds(zero_unknown=True)),
}

_TEXTS = {
    "title": "title",
    "original_title": "original_title",
    "overview": "overview",
    "tagline": "tagline",
    "language": "original_language",
    "imdb_id": "imdb_id",
    "poster_path": "poster_path",
}

_MANY = {"genres": "genres", "keywords": "keywords", "countries": "production_countries"}

LAYOUT = Layout(
    name="TMDb movies",
    source="movies",
    id_column="id",
    title_column="title",
    required=("id", "title", "overview", "genres"),
    columns={
        "id": ("id",),
        "release_date": ("year",),
        "status": (),
        "adult": (),
        **{theirs: (ours,) for ours, theirs in _TEXTS.items()},
        **{theirs: (ours,) for ours, theirs in _MANY.items()},
        **{theirs: (ours,) for ours, (theirs, _) in _NUMBERS.items()},
    },
    numbers=frozenset(theirs for theirs, _ in _NUMBERS.values()),
    map_option="--map",
)


def read_movies(
    path: Path, preset: str = "default", columns: Mapping[str, str] | None = None
) -> tuple[pd.DataFrame, FileReport]:
    """Read and clean a file of films: a table with ``MOVIE_COLUMNS``, input order kept, and its report.

    ``columns``: field → the file's column, where that is not the layout's; lists in it may be joined by "|" as well.
    Raises ``UnreadableFile``, ``MissingColumn`` or ``ConfigError``; the table may be empty.
    """
    rules = rules_for("movies", preset)
    table = open_table(path, LAYOUT, columns)
    report = start_report(path.name, rules)
    report.absent = absent_columns(LAYOUT, table.places)
    named = {LAYOUT.fields[field] for field in columns or ()}
    parts = [_clean(chunk, rules, report, named) for chunk in table.chunks()]
    movies = finish_table(_drop_repeated(parts, report), MOVIE_COLUMNS)
    report.rows_kept = len(movies)
    report.unknown = count_unknown(movies)
    return movies, report


def _drop_repeated(parts: list[pd.DataFrame], report: FileReport) -> pd.DataFrame:
    """All parts' rows but those with the id of an earlier one; part by part, as a copy of all would be large."""
    if not parts:
        return pd.DataFrame()
    repeated = pd.concat([part["id"] for part in parts], ignore_index=True).duplicated().to_numpy(dtype=bool)
    start = 0
    for at, part in enumerate(parts):
        mask = repeated[start : start + len(part)]
        start += len(part)
        if mask.any():
            report.rules["duplicate_id"].add_rows(part[mask])
            parts[at] = part[~mask]
    return join_parts(parts)


def _clean(chunk: Chunk, rules: list[Rule], report: FileReport, named: Collection[str]) -> pd.DataFrame:
    count_faults(chunk, report)
    draft = start_draft(chunk)
    rows = draft.rows
    rows["_raw_id"] = source_cells(chunk, "id")
    rows["id"] = id_cells(rows["_raw_id"])
    for ours, theirs in _TEXTS.items():
        rows[ours] = text_cells(source_cells(chunk, theirs))
    for ours, theirs in _MANY.items():
        rows[ours] = many_cells(source_cells(chunk, theirs), ",", or_bar=theirs in named)
    rows["_status"] = text_cells(source_cells(chunk, "status"))
    fill_flag(draft, "_adult", source_cells(chunk, "adult"))
    fill_year(draft, "year", source_cells(chunk, "release_date"))
    for ours, (theirs, bounds) in _NUMBERS.items():
        fill_number(draft, ours, source_cells(chunk, theirs), bounds)
    malformed = rows["imdb_id"].notna() & ~rows["imdb_id"].str.fullmatch(r"tt\d+", na=False)
    draft.blank("wrong_type", "imdb_id", malformed.to_numpy(dtype=bool), source_cells(chunk, "imdb_id"))
    unrated = rows["rating"].notna() & ~(rows["votes"] > 0)
    draft.blank("unrated", "rating", unrated.to_numpy(dtype=bool), source_cells(chunk, "vote_average"))
    kept = draft.settle(rules, report)
    return kept.drop(columns=["_raw_id", "_status", "_adult"])
