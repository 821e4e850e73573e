"""Known (film, song) pairs: which song is heard in which film."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from indexer.catalogue.cells import id_cells
from indexer.catalogue.chunk import LINE, ROW
from indexer.catalogue.cleaning import count_faults, count_unknown, rules_for, start_report
from indexer.catalogue.layout import Layout
from indexer.catalogue.records import SEPARATOR
from indexer.catalogue.report import FileReport
from indexer.catalogue.table_reader import open_table

COLUMNS = ("tmdb_id", "track_id")

LAYOUT = Layout(
    name="soundtracks",
    source="soundtracks",
    id_column="tmdb_id",
    title_column="movie",
    required=COLUMNS,
    columns={"tmdb_id": (), "track_id": (), "movie": ()},
)


def no_soundtracks() -> pd.DataFrame:
    """An empty table of pairs."""
    return pd.DataFrame({name: pd.Series([], dtype="str") for name in COLUMNS})


def read_soundtracks(
    path: Path, movies: pd.DataFrame, tracks: pd.DataFrame, preset: str = "default"
) -> tuple[pd.DataFrame, FileReport]:
    """Read pairs and keep those whose film and song are in the catalogue, each once, input order kept.

    Returns a table with ``tmdb_id`` and ``track_id`` (str, merged songs resolved to the id that was kept) and
    its report. Raises ``UnreadableFile`` or ``MissingColumn``; the table may be empty.
    """
    rules = rules_for("soundtracks", preset)
    table = open_table(path, LAYOUT)
    report = start_report(path.name, rules)
    parts = [pd.DataFrame({name: pd.Series([], dtype="str") for name in (*COLUMNS, ROW, LINE)})]
    for chunk in table.chunks():
        count_faults(chunk, report)
        parts.append(chunk.frame)
    cells = pd.concat(parts, ignore_index=True)
    pairs = pd.DataFrame(
        {
            "id": id_cells(cells["tmdb_id"]),
            "track_id": id_cells(cells["track_id"]),
            "title": cells.get("movie"),
            ROW: cells[ROW],
            LINE: cells[LINE],
        }
    )
    pairs = _drop(pairs, pairs["id"].isna() | pairs["track_id"].isna(), "missing_id", report)
    pairs = _drop(pairs, ~pairs["id"].isin(movies["id"]), "unknown_movie", report)
    kept_ids = pairs["track_id"].map(kept_track_ids(tracks)).astype("str")
    pairs = _drop(pairs, kept_ids.isna(), "unknown_track", report)
    pairs["track_id"] = kept_ids[pairs.index]
    pairs = _drop(pairs, pairs.duplicated(["id", "track_id"]), "duplicate_pair", report)
    kept = pairs[["id", "track_id"]].rename(columns={"id": "tmdb_id"}).astype("str").reset_index(drop=True)
    report.rows_kept = len(kept)
    report.unknown = count_unknown(kept)
    return kept, report


def kept_track_ids(tracks: pd.DataFrame) -> dict[str, str]:
    """Every song id of the source, merged ones included → the id under which the catalogue keeps the song."""
    merged = tracks.loc[tracks["other_ids"] != "", ["id", "other_ids"]]
    kept = {
        other: str(track_id)
        for track_id, others in zip(merged["id"], merged["other_ids"], strict=True)
        for other in str(others).split(SEPARATOR)
    }
    return kept | {track_id: track_id for track_id in tracks["id"].tolist()}


def _drop(pairs: pd.DataFrame, mask: pd.Series[bool], rule: str, report: FileReport) -> pd.DataFrame:
    hit = pairs[mask]
    report.rules[rule].add_rows(hit, hit["track_id"].tolist())
    return pairs[~mask].copy()
