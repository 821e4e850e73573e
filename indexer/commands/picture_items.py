"""Which films and songs pictures are wanted of: those of a source file, or of the served version."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from indexer import index_folder
from indexer import index_version as versions
from indexer.catalogue.layout import Layout
from indexer.catalogue_store import CatalogueStore

_COVER_COLUMN: Final = "cover_url"

_FILMS: Final = Layout(
    name="TMDb movies",
    source="movies",
    id_column="id",
    title_column="title",
    required=("id",),
    columns={name: (name,) for name in ("id", "title", "poster_path", "imdb_id")},
)


def read_films(path: Path) -> list[tuple[str, str, str]]:
    """TMDb id, poster path and IMDb id of each film of a file, empty where unknown; broken rows are left out.

    Raises ``UnreadableFile`` or ``MissingColumn``.
    """
    return [(id, poster, imdb_id) for id, poster, imdb_id in _read(path, _FILMS, "poster_path", "imdb_id")]


def read_songs(path: Path, url_column: str | None = None) -> list[tuple[str, str]]:
    """Id and cover URL of each song of a file, the URL empty where it is unknown; broken rows are left out.

    A named ``url_column`` has to be there; without one, ``cover_url`` is read where the file has it.
    Raises ``UnreadableFile`` or ``MissingColumn``.
    """
    layout = Layout(
        name="Spotify Tracks",
        source="tracks",
        id_column="track_id",
        title_column="track_name",
        required=("track_id",) if url_column is None else ("track_id", url_column),
        columns={name: (name,) for name in ("track_id", "track_name", url_column or _COVER_COLUMN)},
    )
    return [(id, url) for id, url in _read(path, layout, url_column or _COVER_COLUMN)]


def served_films(indexes: Path) -> list[tuple[str, str, str]]:
    """The same of the films that are served. Raises ``VersionNotFound``, ``VersionFormat`` or ``VersionDamaged``."""
    store = _open_served(indexes)
    try:
        films = store.movies(range(store.count("movies")))
    finally:
        store.close()
    return [(film.id, film.poster_path or "", film.imdb_id or "") for film in films]


def served_songs(indexes: Path) -> list[tuple[str, str]]:
    """The ids of the songs that are served; a version holds no cover URLs. Raises as ``served_films``."""
    store = _open_served(indexes)
    try:
        songs = store.tracks(range(store.count("tracks")))
    finally:
        store.close()
    return [(song.id, "") for song in songs]


def _open_served(indexes: Path) -> CatalogueStore:
    return CatalogueStore.open(indexes / index_folder.current_name(indexes) / versions.CATALOGUE)


def _read(path: Path, layout: Layout, *columns: str) -> list[tuple[str, ...]]:
    """The cells of the id and of some columns, row by row; a column that the file lacks is empty."""
    # pandas loads only here.
    from indexer.catalogue.cells import id_cells
    from indexer.catalogue.parsing import source_cells
    from indexer.catalogue.table_reader import open_table

    rows: list[tuple[str, ...]] = []
    for chunk in open_table(path, layout).chunks():
        ids = id_cells(source_cells(chunk, layout.id_column))
        cells = [source_cells(chunk, column).str.strip()[ids.notna()] for column in columns]
        rows += zip(ids[ids.notna()], *cells, strict=True)
    return rows
