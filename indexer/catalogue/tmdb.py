"""Films from the TMDb movies data set (v11 columns), as published on Kaggle."""

from __future__ import annotations

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
)


def read_movies(path: Path, preset: str = "default") -> tuple[pd.DataFrame, FileReport]:
    """Read and clean a file of films: a table with ``MOVIE_COLUMNS``, input order kept, and its report.

    Raises ``UnreadableFile``, ``MissingColumn`` or ``ConfigError``; the table may be empty.
    """
    rules = rules_for("movies", preset)
    table = open_table(path, LAYOUT)
    report = start_report(path.name, rules)
    report.absent = absent_columns(LAYOUT, table.columns)
    parts = [_clean(chunk, rules, report) for chunk in table.chunks()]
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["id"])
    repeated = rows["id"].duplicated()
    report.rules["duplicate_id"].add_rows(rows[repeated])
    movies = finish_table(rows[~repeated], MOVIE_COLUMNS)
    report.rows_kept = len(movies)
    report.unknown = count_unknown(movies)
    return movies, report


def _clean(chunk: Chunk, rules: list[Rule], report: FileReport) -> pd.DataFrame:
    count_faults(chunk, report)
    draft = start_draft(chunk)
    rows = draft.rows
    rows["_raw_id"] = source_cells(chunk, "id")
    rows["id"] = id_cells(rows["_raw_id"])
    for ours, theirs in _TEXTS.items():
        rows[ours] = text_cells(source_cells(chunk, theirs))
    for ours, theirs in _MANY.items():
        rows[ours] = many_cells(source_cells(chunk, theirs), ",")
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
