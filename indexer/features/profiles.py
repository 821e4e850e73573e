"""Music profiles of films, songs and texts: what is written of them, joined with what is predicted from what is told.

A profile is a row of the knowledge's vocabulary (``indexer.knowledge.vocabulary``). Beside it stands a *meaning*: the
embedding of a phrase that says what a work feels like, written or predicted. Titles and artists' names are not read:
what they have in common with other titles is no feeling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import AUDIO_FEATURES, split_cell
from indexer.features import matching
from indexer.features.columns import Table, read_numbers, read_texts
from indexer.features.ridge import LowRankRidge
from indexer.features.song_labels import gather_labels, gather_years
from indexer.knowledge import tables
from indexer.knowledge.vocabulary import vocabulary
from indexer.normalisation import unit

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
#: Texts → embeddings (n, d) float32; an empty text is zeros.
EncodeTexts = Callable[[Sequence[str]], Floats]

#: TMDb's genres of films (developer.themoviedb.org, "Genres"), as data sets write them.
FILM_GENRES = (
    "action", "adventure", "animation", "comedy", "crime", "documentary", "drama", "family", "fantasy", "history",
    "horror", "music", "mystery", "romance", "science fiction", "tv movie", "thriller", "war", "western",
)  # fmt: skip
_LANGUAGES = (
    "en", "fr", "it", "ja", "es", "de", "ko", "zh", "cn", "hi", "ru", "pt", "sv", "da", "no", "pl", "nl", "tr", "fa",
)  # fmt: skip
_ERA = np.linspace(1925.0, 2022.0, 14)
#: Means and deviations of Spotify's audio features over its public sets: only to bring them to one scale.
_AUDIO_SCALE = {
    "danceability": (0.57, 0.17), "energy": (0.64, 0.25), "loudness": (-8.3, 5.0), "speechiness": (0.085, 0.1),
    "acousticness": (0.31, 0.33), "instrumentalness": (0.15, 0.3), "liveness": (0.21, 0.19), "valence": (0.48, 0.26),
    "tempo": (122.0, 30.0),
}  # fmt: skip


@dataclass(frozen=True)
class Described:
    """Of n items: ``profiles`` (n, width) without NaN, ``meanings`` (n, d) unit rows, ``sure`` (n,) in 0 … 1.

    ``sure``: how much of a profile is written rather than predicted.
    """

    profiles: Floats
    meanings: Floats
    sure: Floats

    @property
    def joined(self) -> Floats:
        """Profiles and meanings side by side."""
        return np.concatenate([self.profiles, self.meanings], axis=1)


def read_film_features(movies: Table, encode: EncodeTexts) -> Floats:
    """What is told of films (n, d) float32: plot, keywords, genres, era, language. No title."""
    prose = zip(read_texts(movies, "tagline"), read_texts(movies, "overview"), strict=True)
    plots = encode([". ".join(part for part in parts if part) for parts in prose])
    keywords = encode([", ".join(split_cell(cell)) for cell in movies["keywords"]])
    genres = [[genre.casefold() for genre in split_cell(cell)] for cell in movies["genres"]]
    spoken = [[cell] if isinstance(cell, str) else [] for cell in movies["language"]]
    return np.concatenate(
        [
            plots,
            keywords,
            0.3 * _flags(genres, FILM_GENRES),
            0.4 * _flags(spoken, _LANGUAGES),
            0.5 * _era(read_numbers(movies, "year")),
            0.2 * (np.abs(plots).sum(axis=1, keepdims=True) > 0),
            0.2 * (np.abs(keywords).sum(axis=1, keepdims=True) > 0),
        ],
        axis=1,
    ).astype(np.float32)


@dataclass(frozen=True)
class SongParts:
    """What is told of songs: means of the written profiles and phrases of their ``artists`` and of their ``labels``.

    ``rest`` (n, d): audio features and era. A song of whose artists or labels nothing is written has zeros there.
    """

    artists: Floats
    labels: Floats
    rest: Floats

    def features(self, without_artist: bool = False) -> Floats:
        """Features (n, d) float32; ``without_artist``: as if nothing were written of the artists."""
        artists = np.zeros_like(self.artists) if without_artist else self.artists
        known = [np.any(part != 0, axis=1, keepdims=True) for part in (artists, self.labels)]
        return np.concatenate(
            [artists, self.labels, self.rest, *(0.5 * flag for flag in known)], axis=1
        ).astype(np.float32)


def read_song_parts(tracks: Table, encode: EncodeTexts, left_out: frozenset[str] = frozenset()) -> SongParts:
    """Gather what is told of songs; ``left_out``: keys of artists of whom nothing is to be known."""
    artists, genres = tables.artists(), tables.genres()
    labels = gather_labels(tracks)
    known = sorted({label for row in labels for label in row})
    about = {label: genres.rows.get(tables.name_key(label)) for label in known}
    years = gather_years(tracks)
    audio = np.stack(
        [(read_numbers(tracks, name) - mean) / spread for name, (mean, spread) in _AUDIO_SCALE.items()],
        axis=1,
    )
    heard = ~np.isnan(audio).any(axis=1, keepdims=True)
    audio = np.clip(np.nan_to_num(audio), -3.0, 3.0)
    rest = np.concatenate(
        [0.25 * audio, 0.12 * audio**2, 0.3 * heard, 0.7 * _era(years), 0.3 * ~np.isnan(years)[:, None]],
        axis=1,
    )
    return SongParts(
        _mean_written(matching.artist_rows(read_texts(tracks, "artists"), left_out), artists, encode),
        _mean_written(
            [[row for label in own if (row := about[label]) is not None] for own in labels], genres, encode
        ),
        rest.astype(np.float32),
    )


def _mean_written(
    rows: Sequence[Sequence[int]], written: tables.Profiles[str], encode: EncodeTexts
) -> Floats:
    """Means (n, width + d) of written profiles and embedded phrases; the first rows of each count most."""
    used = sorted({row for some in rows for row in some})
    place = {row: number for number, row in enumerate(used)}
    phrases = encode([written.phrases[row] for row in used]) if used else encode([""])[:0]
    joined = np.concatenate([np.nan_to_num(written.values[used]), phrases], axis=1)
    means = np.zeros((len(rows), joined.shape[1]), dtype=np.float32)
    for number, some in enumerate(rows):
        if some:
            weights = 0.8 ** np.arange(len(some))
            means[number] = (weights / weights.sum()) @ joined[[place[row] for row in some]]
    return means


@dataclass(frozen=True)
class Predictor:
    """Predicts profiles and meanings, side by side, from features."""

    model: LowRankRidge

    def join(
        self, features: Floats, written: Mapping[int, int], known: tables.Profiles[Any], encode: EncodeTexts
    ) -> Described:
        """Profiles of items from ``features`` (n, d), joined with what is written of those in ``written``: row → row.

        Written and predicted are mixed by how sure the written row is.
        """
        width = vocabulary().width
        predicted = self.model.predict(features)
        profiles, meanings = predicted[:, :width].clip(0.0, 1.0), unit(predicted[:, width:])
        sure = np.zeros(len(features), dtype=np.float32)
        if written:
            rows, about = list(written), list(written.values())
            weight = known.weights[about][:, None]
            values = known.values[about]
            told = np.where(np.isnan(values), profiles[rows], values)
            profiles[rows] = weight * told + (1.0 - weight) * profiles[rows]
            phrases = encode([known.phrases[row] for row in about])
            meanings[rows] = unit(weight * phrases + (1.0 - weight) * meanings[rows])
            sure[rows] = known.weights[about]
        return Described(profiles, meanings, sure)


def _flags(rows: Sequence[Sequence[str]], names: Sequence[str]) -> Floats:
    place = {name: column for column, name in enumerate(names)}
    flags = np.zeros((len(rows), len(names)), dtype=np.float32)
    for row, said in enumerate(rows):
        for name in said:
            if name in place:
                flags[row, place[name]] = 1.0
    return flags


def _era(years: npt.NDArray[np.float64]) -> Floats:
    """Soft bins of years, unit rows; unknown is zeros."""
    width = _ERA[1] - _ERA[0]
    return unit(np.nan_to_num(np.exp(-0.5 * ((years[:, None] - _ERA) / width) ** 2)).astype(np.float32))


__all__ = ["AUDIO_FEATURES", "Described", "Predictor", "SongParts", "read_film_features", "read_song_parts"]
