"""What is said of a song, its artists' other songs included: catalogues tag a quarter of their songs only."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import SEPARATOR
from indexer.features.columns import Table, read_numbers, read_texts

#: A song's own labels, and those it borrows from its artists' other songs.
_MOST_OWN, _MOST_BORROWED = 14, 12
#: Artists past the third are guests.
_MOST_ARTISTS = 3


def artist_names(cell: object) -> list[str]:
    """The first artists of a ``SEPARATOR``-joined cell, case folded; none for an empty one."""
    if not isinstance(cell, str):
        return []
    return [name.casefold().strip() for name in cell.split(SEPARATOR) if name.strip()][:_MOST_ARTISTS]


def fold_artists(cell: str) -> list[str]:
    """All artists of a ``SEPARATOR``-joined cell, case folded, each once."""
    return list(dict.fromkeys(name.casefold().strip() for name in cell.split(SEPARATOR) if name.strip()))


def gather_labels(tracks: Table) -> list[tuple[str, ...]]:
    """Genres and tags of each song, case folded: its own, then the commonest of its artists' other songs.

    ``tracks`` has the columns of ``TRACK_COLUMNS``; a song of which nothing is said gets none.
    """
    own = [
        list(
            dict.fromkeys(
                label.casefold() for label in f"{tags}{SEPARATOR}{genres}".split(SEPARATOR) if label
            )
        )
        for tags, genres in zip(read_texts(tracks, "tags"), read_texts(tracks, "genres"), strict=True)
    ]
    artists = [artist_names(cell) for cell in tracks["artists"]]
    by_artist: dict[str, Counter[str]] = defaultdict(Counter)
    for names, labels in zip(artists, own, strict=True):
        for name in dict.fromkeys(names):
            by_artist[name].update(labels)
    gathered = []
    for names, labels in zip(artists, own, strict=True):
        around: Counter[str] = Counter()
        for name in names:
            around.update(by_artist[name])
        # Ties go by the alphabet, so that the order of rows cannot change a song.
        ranked = sorted(around.items(), key=lambda entry: (-entry[1], entry[0]))[:_MOST_BORROWED]
        gathered.append((*labels[:_MOST_OWN], *(label for label, _ in ranked if label not in labels)))
    return gathered


def gather_years(tracks: Table) -> npt.NDArray[np.float64]:
    """Year of each song (n,): its own, else the middle of its decade, else its artists' median; NaN unknown."""
    year, decade = read_numbers(tracks, "year"), read_numbers(tracks, "decade")
    known = np.where(np.isnan(year), decade + 5.0, year)
    artists = [artist_names(cell) for cell in tracks["artists"]]
    by_artist: dict[str, list[float]] = defaultdict(list)
    for names, value in zip(artists, known, strict=True):
        if not np.isnan(value):
            for name in names:
                by_artist[name].append(float(value))
    median = {name: float(np.median(values)) for name, values in by_artist.items()}
    years = known.copy()
    for row in np.flatnonzero(np.isnan(known)):
        guesses = [median[name] for name in artists[row] if name in median]
        if guesses:
            years[row] = np.mean(guesses)
    return years


def mean_vectors(
    labels: Sequence[Sequence[str]], vectors: dict[str, npt.NDArray[np.float32]], dimension: int
) -> npt.NDArray[np.float32]:
    """Mean (n, d) float32 of the vectors of each row's labels; zeros for a row without any."""
    means = np.zeros((len(labels), dimension), dtype=np.float32)
    for row, names in enumerate(labels):
        if names:
            means[row] = np.mean([vectors[name] for name in names], axis=0)
    return means
