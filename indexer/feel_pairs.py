"""Pairs of films and songs that are known to belong together, as rows of a catalogue."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium
from indexer.features.columns import Table, read_numbers
from indexer.features.matching import film_rows, song_keys
from indexer.knowledge import tables

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class KnownPairs:
    """``rows`` (n, 2) int64: film and song rows; ``weights`` (n,) in 0 … 1: how much each counts."""

    rows: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]

    def join(self, other: KnownPairs) -> KnownPairs:
        """These and the others."""
        return KnownPairs(
            np.concatenate([self.rows, other.rows]), np.concatenate([self.weights, other.weights])
        )

    def means(self, medium: Medium, count: int, others: Floats) -> Floats:
        """For each of ``count`` items of ``medium``, the weighed mean (count, k) of its partners in ``others``.

        One round of neighbourhood propagation (LightGCN; He et al. 2020). Zeros for an item without a pair.
        """
        from scipy.sparse import coo_matrix

        side = 0 if medium == "movies" else 1
        own, partner = self.rows[:, side], self.rows[:, 1 - side]
        total = np.bincount(own, self.weights, minlength=count)
        shares = coo_matrix((self.weights / total[own], (own, partner)), shape=(count, len(others))).tocsr()
        means: Floats = (shares @ others).astype(np.float32)
        return means


def find_feel_pairs(movies: Table, tracks: Table) -> KnownPairs:
    """The knowledge's feel pairs that a catalogue has both sides of; of several recordings the best known counts."""
    pairs = tables.feel_pairs()
    wanted = {pair.film: place for place, pair in enumerate(pairs)}
    films = {place: row for row, place in film_rows(movies, wanted).items()}
    popularity = np.nan_to_num(read_numbers(tracks, "popularity"), nan=0.0)
    songs: dict[tables.SongKey, int] = {}
    keys = song_keys(tracks)
    for row in np.argsort(-popularity, kind="stable").tolist():
        for key in keys[row]:
            songs.setdefault(key, row)
    found: dict[tuple[int, int], float] = defaultdict(float)
    for pair in pairs:
        film, song = films.get(wanted[pair.film]), songs.get(pair.song)
        if film is not None and song is not None:
            found[film, song] = max(found[film, song], pair.strength / 3.0)
    rows = np.array(list(found), dtype=np.int64).reshape(-1, 2)
    return KnownPairs(rows, np.array(list(found.values()), dtype=np.float64))
