"""Music2Movie: hand-picked numbers of a song and of a film, compared position by position."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium
from indexer.errors import UnsupportedQuery, VersionDamaged
from indexer.methods.arrays import read_array, read_plain
from indexer.methods.method import Floats, Material, Method, Rows
from indexer.normalisation import unit

if TYPE_CHECKING:
    import pandas as pd

Features = dict[str, npt.NDArray[np.float64]]

#: The original's features in its order → our columns; its eighth feature of films is the poster's embedding.
#: After scaling, runtime and normalised runtime are the same numbers; both are on its list.
MOVIE_FEATURES: dict[str, str] = {
    "vote_average": "rating",
    "vote_count": "votes",
    "revenue": "revenue",
    "runtime": "runtime_min",
    "popularity_normalised": "popularity",
    "runtime_normalised": "runtime_min",
    "overview_sentiment": "overview",
}
TRACK_FEATURES: dict[str, str] = {
    "popularity_normalised": "popularity",
    "tempo_normalised": "tempo",
    "danceability": "danceability",
    "energy": "energy",
    "loudness": "loudness",
    "valence": "valence",
    "speechiness": "speechiness",
    "acousticness": "acousticness",
    "instrumentalness": "instrumentalness",
}
#: Features of films and songs that speak of the same thing: how well known, and how positive. The other five of
#: films (ratings, money, length) and seven of songs (tempo, timbre) have no counterpart among the other's.
MEANING_PAIRS: tuple[tuple[str, str], ...] = (
    ("popularity_normalised", "popularity_normalised"),
    ("overview_sentiment", "valence"),
)

#: The original drops films that lack these.
_REQUIRED = ("popularity_normalised", "overview_sentiment")

_CARD = "music2movie.json"
_MEDIA: tuple[Medium, Medium] = ("movies", "tracks")


class Music2Movie(Method):
    """Songs to films by cosine of listed features: the Music2Movie project.

    Source: github.com/RaghuVDs, "Music2Movie: Personalized Recommendation System from Sound to Screen". Each
    feature is scaled to [0, 1] between its least and greatest value in the catalogue, the shorter vector is
    padded with zeros, and the cosine compares feature by feature in listed order, whatever they mean: a film's
    average vote with a song's popularity, its revenue with danceability. The original shows the five best, as
    scores in [0, 1]; here as many as are asked for. Films to songs, by the same cosine, is this project's extension.

    Films without popularity or overview score 0, the lowest, and are left out of the scaling: the original drops
    them. Any other missing value is 0 after scaling, as padding is: it adds nothing to the product nor to the
    length. That is close to the original, which takes TMDb's 0 for an unknown vote, revenue or runtime at its
    word; its songs have no gaps. ``facts`` counts what is missing.

    The original appends to a film's vector the 1280 numbers of its poster by MobileNetV2, unscaled, and the
    sentiment once more; a song has zeros there. So posters lengthen films' vectors and meet nothing: they lower
    a film's scores by one factor. With a folder of ``posters`` it is done here too; a film without one counts as
    the plain grey that the original puts in the place of a picture it cannot load. Without the folder the
    vectors are what is left, and ``facts`` say so.
    """

    name: ClassVar[str] = "music2movie"
    about: ClassVar[str] = (
        "Cosine of song and film features in listed order, whatever they mean (Music2Movie)."
    )

    def __init__(self, vectors: Mapping[Medium, Floats], facts: Mapping[str, Any]) -> None:
        self._vectors = vectors
        self._facts = facts

    @classmethod
    def fit(cls, material: Material) -> Self:
        """Scale and arrange the features; reads every overview with TextBlob, and the posters where there are any."""
        raw = {
            "movies": _read_features(material.catalogue.movies, MOVIE_FEATURES),
            "tracks": _read_features(material.catalogue.tracks, TRACK_FEATURES),
        }
        dropped = np.isnan(np.stack([raw["movies"][name] for name in _REQUIRED])).any(axis=0)
        arranged = cls._arrange(
            {name: _scale(np.where(dropped, np.nan, values)) for name, values in raw["movies"].items()},
            {name: _scale(values) for name, values in raw["tracks"].items()},
        )
        lengths, posters = _read_posters(material, raw["movies"]["overview_sentiment"])
        facts = {
            "posters": posters,
            "missing": {
                medium: {name: int(np.isnan(values).sum()) for name, values in features.items()}
                for medium, features in raw.items()
            },
            "movies_dropped": int(dropped.sum()),
            "items_without_features": {
                medium: int((~rows.any(axis=1)).sum()) for medium, rows in zip(_MEDIA, arranged, strict=True)
            },
        }
        films, songs = arranged
        # The cosine of vectors that are longer by numbers which meet zeros: their length counts, they need not be kept.
        longer = np.sqrt((films**2).sum(axis=1) + lengths**2)
        films = np.divide(films, longer[:, None], out=np.zeros_like(films), where=longer[:, None] > 0)
        return cls({"movies": films.astype(np.float32), "tracks": unit(songs)}, facts)

    @staticmethod
    def _arrange(
        movies: Features, tracks: Features
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Scaled features of films and songs to rows of one width: in listed order, then zeros."""
        width = max(len(movies), len(tracks))
        films = np.stack(list(movies.values()), axis=1)
        songs = np.stack(list(tracks.values()), axis=1)
        return (
            np.pad(films, ((0, 0), (0, width - films.shape[1]))),
            np.pad(songs, ((0, 0), (0, width - songs.shape[1]))),
        )

    def scores(self, source: Medium, rows: Rows, target: Medium) -> Floats:
        """Cosines, (rows, items) float32 in [0, 1]; ``UnsupportedQuery`` within a medium."""
        if source == target:
            raise UnsupportedQuery(
                f"{self.name} goes between songs and films, not from {source} to {target}", "target"
            )
        scores = self._vectors[source][rows] @ self._vectors[target].T
        return np.clip(scores, 0.0, 1.0, out=scores)

    @property
    def facts(self) -> Mapping[str, Any]:
        """Missing values of each feature, films dropped for them, items whose features are all 0, and the posters."""
        return self._facts

    def write(self, folder: Path) -> None:
        """Write one (items, features) float32 array per medium and the facts."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self._facts, indent=1, sort_keys=True)
        (folder / _CARD).write_text(text + "\n", encoding="utf-8")
        for medium, vectors in self._vectors.items():
            np.save(folder / f"{medium}.npy", vectors, allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read what ``write`` wrote; raises ``VersionDamaged``."""
        facts = read_plain(folder / _CARD)
        vectors: dict[Medium, Floats] = {
            medium: read_array(folder / f"{medium}.npy", np.float32, 2) for medium in _MEDIA
        }
        shapes = [rows.shape for rows in vectors.values()]
        if len({width for _, width in shapes}) != 1:
            raise VersionDamaged(f"{folder.name} holds features of shapes that do not fit together: {shapes}")
        return cls(vectors, facts)


class Music2MovieAligned(Music2Movie):
    """Music2Movie with its own features paired by what they mean, and those without a counterpart left out.

    The pairs are ``MEANING_PAIRS``. Everything else is as it was, so that a difference in the results is due to
    the pairing alone.
    """

    name: ClassVar[str] = "music2movie-aligned"
    about: ClassVar[str] = "Music2Movie with only the features that mean the same on both sides, paired."

    @staticmethod
    def _arrange(
        movies: Features, tracks: Features
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Scaled features of films and songs to rows of one width: one column per pair."""
        return (
            np.stack([movies[film] for film, _ in MEANING_PAIRS], axis=1),
            np.stack([tracks[song] for _, song in MEANING_PAIRS], axis=1),
        )


def _read_posters(
    material: Material, sentiments: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], dict[str, Any]]:
    """How long each film's poster and repeated sentiment make its vector (n,), 0 without posters; and what was used."""
    movies = material.catalogue.movies
    folder = material.files.get("posters")
    if folder is None:
        return np.zeros(len(movies)), {"used": False, "why": "no folder of posters was given"}
    from indexer.features.pictures import read_posters

    found = read_posters(movies, folder, material.options, material.cache, material.tell)
    lengths = np.full(len(movies), np.linalg.norm(found.grey))
    lengths[found.rows] = np.linalg.norm(found.vectors.astype(np.float64), axis=1)
    facts = {
        "used": True,
        "films": len(found.rows),
        "films_without": len(movies) - len(found.rows),
        "encoder": found.facts["encoder"],
    }
    return np.hypot(lengths, np.nan_to_num(sentiments)), facts


def _read_features(table: pd.DataFrame, columns: Mapping[str, str]) -> Features:
    """Raw feature values, float64, NaN for unknown."""
    return {
        feature: _sentiment(table[column])
        if column == "overview"
        else table[column].to_numpy(dtype=np.float64)
        for feature, column in columns.items()
    }


def _sentiment(overviews: pd.Series[str]) -> npt.NDArray[np.float64]:
    """TextBlob's polarity of each overview in [−1, 1], 0 where it knows no word; NaN where there is no text."""
    from textblob import TextBlob

    return np.array(
        [
            TextBlob(text).sentiment.polarity if isinstance(text, str) and text else np.nan
            for text in overviews
        ],
        dtype=np.float64,
    )


def _scale(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Min–max over the known values to [0, 1]; unknown values and those of a constant column become 0."""
    known = values[~np.isnan(values)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    span = high - low if high > low else 1.0
    return np.nan_to_num((values - low) / span, nan=0.0)
