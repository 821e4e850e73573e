"""Known pairs of films and songs that methods are judged by."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.errors import InputError, MissingColumn, UnreadableFile

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """Known pairs as rows of the catalogue, each once; ``counts`` says what became of the file's lines."""

    movie_rows: Rows
    track_rows: Rows
    counts: Mapping[str, int] = field(default_factory=dict)


def read_pairs(path: Path, movie_rows: Mapping[str, int], track_rows: Mapping[str, int]) -> Pairs:
    """Read a CSV with the columns ``tmdb_id`` and ``track_id``; the mappings give the catalogue's row of an id.

    Counts: ``lines``, ``unmatched_lines``, ``unmatched_movie_ids``, ``unmatched_track_ids``, ``repeated_lines``.
    Raises ``UnreadableFile``, ``MissingColumn``, and ``InputError`` where no pair is left.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header = reader.fieldnames or []
            missing = [name for name in ("tmdb_id", "track_id") if name not in header]
            if missing:
                raise MissingColumn(f"{path.name} has no column {' and no column '.join(missing)}")
            lines = [((line["tmdb_id"] or "").strip(), (line["track_id"] or "").strip()) for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFile(f"{path.name} cannot be read as a CSV file: {error}") from error
    if not lines:
        raise InputError(f"{path.name} holds no pairs")
    found = [(movie_rows[m], track_rows[t]) for m, t in lines if m in movie_rows and t in track_rows]
    if not found:
        raise InputError(f"{path.name}: none of its {len(lines)} pairs has both its film and its song here")
    counts = {
        "lines": len(lines),
        "unmatched_lines": len(lines) - len(found),
        "unmatched_movie_ids": len({m for m, _ in lines if m not in movie_rows}),
        "unmatched_track_ids": len({t for _, t in lines if t not in track_rows}),
        "repeated_lines": len(found) - len(set(found)),
    }
    unique = np.array(sorted(set(found)), dtype=np.int64)
    return Pairs(unique[:, 0], unique[:, 1], counts)


def leave_out_trained(
    pairs: Pairs,
    movie_ids: Sequence[str],
    artists: Sequence[Collection[str]],
    trained_movies: Set[str],
    trained_artists: Set[str],
) -> Pairs:
    """Leave out pairs whose film, or any of whose artists, the version was trained on.

    ``movie_ids`` and ``artists`` are by row; artists are compared without regard to case. Adds the counts
    ``trained_movie_pairs`` and ``trained_artist_pairs`` (a pair of both counts in both). Raises ``InputError``
    where none is left.
    """
    names = {artist.casefold() for artist in trained_artists}
    of_movie = np.array([movie_ids[row] in trained_movies for row in pairs.movie_rows], dtype=bool)
    of_artist = np.array(
        [any(a.casefold() in names for a in artists[row]) for row in pairs.track_rows], dtype=bool
    )
    kept = ~(of_movie | of_artist)
    if not kept.any():
        raise InputError("no pair is left: the version was trained on the film or an artist of each")
    counts = {
        **pairs.counts,
        "trained_movie_pairs": int(of_movie.sum()),
        "trained_artist_pairs": int(of_artist.sum()),
    }
    return Pairs(pairs.movie_rows[kept], pairs.track_rows[kept], counts)
