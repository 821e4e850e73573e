"""All that a build knows of its items as numbers, before any of it is weighed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from indexer.catalogue.catalogue import Catalogue
from indexer.catalogue.records import SEPARATOR, Medium
from indexer.config import BuildConfig
from indexer.features.columns import read_numbers
from indexer.features.film_tags import read_film_tags
from indexer.features.matching import film_rows, song_rows
from indexer.features.profiles import Described, read_film_features, read_song_parts
from indexer.features.scaling import Ranks
from indexer.features.song_moods import read_song_moods
from indexer.features.words import strongest_words
from indexer.knowledge import tables
from indexer.knowledge.vocabulary import vocabulary
from indexer.list_groups import group_movies, group_songs, weigh_movies, weigh_songs
from indexer.readers import Readers
from indexer.space import MEDIA

Floats = npt.NDArray[np.float32]
#: Texts and what they are → embeddings (n, d) float32; an empty text is zeros.
Encode = Callable[[Sequence[str], str], Floats]

#: Fame of a song whose popularity nobody gives: written about, its artist written about, neither.
_WRITTEN, _ARTIST_WRITTEN, _UNKNOWN = 0.85, 0.6, 0.4


@dataclass(frozen=True)
class ItemFeatures:
    """Features by medium, rows as in the catalogue.

    ``described``: profiles and meanings; ``blocks``: block name → (n, size), the learned one before known pairs;
    ``moods`` (n, 2): valence and energy in 0 … 1; ``words`` (n, k): see ``indexer.features.words``; ``groups`` and
    ``against``: see ``indexer.list_groups``.
    """

    described: Mapping[Medium, Described]
    blocks: Mapping[Medium, Mapping[str, Floats]]
    moods: Mapping[Medium, Floats]
    words: Mapping[Medium, npt.NDArray[np.uint16]]
    groups: Mapping[Medium, npt.NDArray[np.int32]]
    against: Mapping[Medium, Floats]


def describe_items(
    catalogue: Catalogue, config: BuildConfig, encode: Encode, readers: Readers
) -> ItemFeatures:
    """Read a catalogue: what is written of its items, and what follows from what the catalogue tells of them."""
    movies, tracks = catalogue.movies, catalogue.tracks
    described: dict[Medium, Described] = {
        "movies": describe_films(_with_tags(movies, config), readers, lambda texts: encode(texts, "films")),
        "tracks": describe_songs(tracks, readers, lambda texts: encode(texts, "songs")),
    }
    if config.song_emotions is not None or config.emotion_words is not None:
        described["tracks"] = _told_moods(described["tracks"], tracks, config)
    fame: dict[Medium, npt.NDArray[np.float64]] = {
        "movies": _film_fame(movies),
        "tracks": _song_fame(tracks, described["tracks"]),
    }
    words = vocabulary()
    moods: dict[Medium, Floats] = {}
    blocks: dict[Medium, dict[str, Floats]] = {}
    for medium in MEDIA:
        some = described[medium]
        energy, valence = (some.profiles[:, words.numbers.start + place] for place in (0, 1))
        moods[medium] = np.stack([valence, energy], axis=1)
        dials = 2.0 * np.column_stack([valence, energy, fame[medium]]) - 1.0
        blocks[medium] = {**readers.blocks(medium, some), "dials": dials.astype(np.float32)}
    return ItemFeatures(
        described,
        blocks,
        moods,
        {medium: strongest_words(described[medium].profiles) for medium in MEDIA},
        {"movies": group_movies(movies), "tracks": group_songs(tracks)},
        {"movies": weigh_movies(movies), "tracks": weigh_songs(tracks)},
    )


def describe_films(
    movies: pd.DataFrame, readers: Readers, encode: Callable[[Sequence[str]], Floats]
) -> Described:
    """Profiles of films."""
    known = tables.films()
    return readers.films.join(
        read_film_features(movies, encode), film_rows(movies, known.rows), known, encode
    )


def describe_songs(
    tracks: pd.DataFrame, readers: Readers, encode: Callable[[Sequence[str]], Floats]
) -> Described:
    """Profiles of songs."""
    known = tables.songs()
    return readers.songs.join(
        read_song_parts(tracks, encode).features(), song_rows(tracks, known.rows), known, encode
    )


def _with_tags(movies: pd.DataFrame, config: BuildConfig) -> pd.DataFrame:
    """The films with people's tags among their keywords, where the settings name a file of tags."""
    if config.movie_tags is None:
        return movies
    told = movies.assign(keywords=movies["keywords"].astype(object).fillna(""))
    cells = told["keywords"].tolist()
    for row, tag in read_film_tags(config.movie_tags, movies):
        cells[row] = SEPARATOR.join(part for part in (cells[row], tag) if part)
    return told.assign(keywords=cells)


def _told_moods(songs: Described, tracks: pd.DataFrame, config: BuildConfig) -> Described:
    """Songs with the valence and energy that people's labels give them."""
    profiles = songs.profiles.copy()
    start = vocabulary().numbers.start
    told = read_song_moods(config.song_emotions, config.emotion_words, tracks)
    for place, column in ((0, 1), (1, 0)):
        known = ~np.isnan(told[:, column])
        profiles[known, start + place] = 0.5 * profiles[known, start + place] + 0.5 * told[known, column]
    return replace(songs, profiles=profiles)


def _film_fame(movies: pd.DataFrame) -> npt.NDArray[np.float64]:
    """How well known each film is (n,) in 0 … 1, by the rank of its votes and of its popularity; unknown is 0.5."""
    columns = [read_numbers(movies, name) for name in ("votes", "popularity")]
    ranks = np.stack([Ranks.fit_shares(column).apply(column) for column in columns])
    known = np.maximum((~np.isnan(ranks)).sum(axis=0), 1)
    return np.where(np.isnan(ranks).all(axis=0), 0.5, np.nansum(ranks, axis=0) / known)


def _song_fame(tracks: pd.DataFrame, described: Described) -> npt.NDArray[np.float64]:
    """How well known each song is (n,) in 0 … 1: its popularity's rank; at least what being written about says."""
    from indexer.features.matching import artist_rows

    column = read_numbers(tracks, "popularity")
    ranks = Ranks.fit_shares(column).apply(column)
    artists = np.array([bool(rows) for rows in artist_rows(tracks["artists"])])
    guess = np.where(described.sure > 0, _WRITTEN, np.where(artists, _ARTIST_WRITTEN, _UNKNOWN))
    return np.where(np.isnan(ranks), guess, np.where(described.sure > 0, np.maximum(ranks, guess), ranks))
