"""Collaborative filtering: films are alike when the same people rated them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from indexer.catalogue.movielens import read_header, read_links, read_parts
from indexer.catalogue.records import Medium
from indexer.errors import MissingColumn, MissingMaterial, UnsupportedQuery
from indexer.methods.arrays import read_array, read_plain
from indexer.methods.method import Floats, Material, Method, Rows

_FACTORS = 50
_REGULARISATION = 0.01
_ROUNDS = 10

_CARD = "collaborative.json"
_UNRATED = -1.0


class Collaborative(Method):
    """Films to films by the cosine of item factors, which implicit ALS finds in people's ratings.

    Source: Hu, Koren and Volinsky (2008), "Collaborative filtering for implicit feedback datasets", by the
    library ``implicit`` with conjugate gradients (Takács, Pilászy and Tikk, 2011). A rating says that a person
    watched the film, the more surely the higher it is: the rating itself is the confidence. 50 factors,
    regularisation 0.01 and 10 rounds, as CrossTune set them.

    A film that nobody rated scores −1, the lowest, and as a query gives −1 to all: nothing is known of it.
    """

    name: ClassVar[str] = "collaborative"
    about: ClassVar[str] = (
        "Films that the same people rated: item factors by implicit ALS; films to films only."
    )

    def __init__(self, factors: Floats, facts: Mapping[str, Any]) -> None:
        self._factors = factors
        self._rated: npt.NDArray[np.bool_] = np.asarray(factors.any(axis=1))
        self._facts = facts

    @classmethod
    def fit(cls, material: Material) -> Self:
        """Factorise ``ratings``: a CSV with ``userId``, ``rating`` and ``tmdb_id``, or MovieLens' ``movieId``.

        For ``movieId``, MovieLens' ``links.csv`` is read from the same folder. Raises ``MissingMaterial`` where
        there are no ratings of films in the catalogue, ``UnreadableFile`` and ``MissingColumn``.
        """
        path = material.files.get("ratings")
        if path is None:
            raise MissingMaterial("collaborative needs people's ratings of films: set ratings to a CSV file")
        ids = material.catalogue.movies["id"]
        place = {str(movie): row for row, movie in enumerate(ids)}
        people, films, values, read = _read_ratings(path, place)
        if not len(values):
            raise MissingMaterial(f"ratings: none of the {read:,} in {path} is of a film in the catalogue")
        rated, columns = np.unique(films, return_inverse=True)
        known, lines = np.unique(people, return_inverse=True)
        found = _factorise(lines, columns, values, material.seed)
        factors = np.zeros((len(ids), found.shape[1]), dtype=np.float32)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        factors[rated] = found / np.where(lengths > 0, lengths, 1.0)
        facts = {"ratings_read": read, "ratings_used": len(values), "people": len(known)}
        return cls(factors, facts | {"films_rated": len(rated), "films_unrated": len(ids) - len(rated)})

    def scores(self, source: Medium, rows: Rows, target: Medium) -> Floats:
        """Cosines of item factors, (rows, films) float32 in [−1, 1]; ``UnsupportedQuery`` for songs."""
        if (source, target) != ("movies", "movies"):
            raise UnsupportedQuery(
                f"collaborative goes from films to films, not from {source} to {target}",
                "target" if source == "movies" else source,
            )
        scores = self._factors[rows] @ self._factors.T
        np.clip(scores, -1.0, 1.0, out=scores)
        scores[:, ~self._rated] = _UNRATED
        scores[~self._rated[rows]] = _UNRATED
        return scores

    @property
    def facts(self) -> Mapping[str, Any]:
        """How many ratings were read and used (of known films, above 0, one a person), and by and of how many."""
        return self._facts

    def write(self, folder: Path) -> None:
        """Write the (films, factors) float32 unit rows, zero for unrated films, and the facts."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self._facts, indent=1, sort_keys=True)
        (folder / _CARD).write_text(text + "\n", encoding="utf-8")
        np.save(folder / "movies.npy", self._factors, allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read what ``write`` wrote; raises ``VersionDamaged``."""
        return cls(read_array(folder / "movies.npy", np.float32, 2), read_plain(folder / _CARD))


def _factorise(
    people: npt.NDArray[np.int64], films: npt.NDArray[np.int64], values: Floats, seed: int
) -> Floats:
    """Item factors, (films, factors) float32."""
    from implicit.cpu.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    ratings = csr_matrix((values, (people, films)), dtype=np.float32)
    # The library brings its own threads; BLAS' beside them slow it down, of which it warns.
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=_FACTORS, regularization=_REGULARISATION, iterations=_ROUNDS, random_state=seed
        )
        model.fit(ratings, show_progress=False)
    return np.asarray(model.item_factors, dtype=np.float32)


def _read_ratings(
    path: Path, place: Mapping[str, int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats, int]:
    """People, film rows and values of the ratings of known films, and how many ratings were read in all.

    Of several ratings of a film by one person the highest is kept.
    """
    import pandas as pd

    header = read_header(path)
    for column in ("userId", "rating"):
        if column not in header:
            raise MissingColumn(f"{path} has no column {column}")
    if "tmdb_id" in header:
        film, rows = "tmdb_id", dict(place)
    elif "movieId" in header:
        links = read_links(path.parent, place, "ratings by movieId")
        film, rows = "movieId", {theirs: place[ours] for theirs, ours in links.items()}
    else:
        raise MissingColumn(f"{path} has neither column tmdb_id nor movieId")
    kept, read = [], 0
    for chunk in read_parts(path, {"userId": str, film: str, "rating": np.float32}):
        read += len(chunk)
        own = chunk.assign(row=chunk[film].map(rows)).dropna(subset=["userId", "row", "rating"])
        kept.append(own.loc[own["rating"] > 0, ["userId", "row", "rating"]])
    table = pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=["userId", "row", "rating"])
    table["userId"] = pd.factorize(table["userId"], sort=True)[0]
    table = table.groupby(["userId", "row"])["rating"].max().reset_index()
    return (
        table["userId"].to_numpy(dtype=np.int64),
        table["row"].to_numpy(dtype=np.int64),
        table["rating"].to_numpy(dtype=np.float32),
        read,
    )
