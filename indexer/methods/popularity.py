"""The floor of what everybody likes: one list for every query, by votes for films and popularity for songs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, get_args

import numpy as np

from indexer.catalogue.records import Medium
from indexer.methods.arrays import read_array
from indexer.methods.method import Floats, Material, Method, Rows

#: The column that says how well known an item is; neither is ever negative.
_COLUMNS: dict[Medium, str] = {"movies": "votes", "tracks": "popularity"}
_UNKNOWN = -1.0


class Popularity(Method):
    """Films by number of votes, songs by Spotify's popularity (0–100); unknown ones last, at −1.

    The floor of Cremonesi, Koren and Turrin (2010, "Performance of recommender algorithms on top-N
    recommendation tasks"), which called it TopPop: a method that does not beat it has learned nothing of the
    query.
    """

    name: ClassVar[str] = "popularity"
    about: ClassVar[str] = "The same best-known films or songs for every query; a floor to beat."

    def __init__(self, known: Mapping[Medium, Floats]) -> None:
        self._known = known

    @classmethod
    def fit(cls, material: Material) -> Self:
        """Take the columns as they are."""
        tables = {"movies": material.catalogue.movies, "tracks": material.catalogue.tracks}
        return cls({m: tables[m][c].fillna(_UNKNOWN).to_numpy(dtype=np.float32) for m, c in _COLUMNS.items()})

    def scores(self, source: Medium, rows: Rows, target: Medium) -> Floats:  # noqa: ARG002
        """The same scores for each row, (rows, items) float32: votes or popularity, −1 for unknown."""
        return np.tile(self._known[target], (len(rows), 1))

    def scores_together(self, rows: Mapping[Medium, Rows], target: Medium) -> Floats:  # noqa: ARG002
        """The same scores for any inputs, (items,) float32: a mean of equal numbers, without its rounding."""
        return self._known[target].copy()

    @property
    def facts(self) -> Mapping[str, Any]:
        """How many items of each medium nothing is known of."""
        return {"unknown": {m: int((known < 0).sum()) for m, known in self._known.items()}}

    def write(self, folder: Path) -> None:
        """Write one array per medium."""
        folder.mkdir(parents=True, exist_ok=True)
        for medium, known in self._known.items():
            np.save(folder / f"{medium}.npy", known, allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read what ``write`` wrote; raises ``VersionDamaged``."""
        return cls({m: read_array(folder / f"{m}.npy", np.float32, 1) for m in get_args(Medium)})
