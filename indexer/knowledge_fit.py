"""Fits what is carried with the knowledge: predictors of profiles, the reader of texts, and the alignment.

A tenth of the films and artists, chosen by hash, is kept out of everything that is fitted (``matching.is_kept_out``):
how well their profiles are predicted shows whether the knowledge carries to works that nobody wrote about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from indexer.alignment import Alignment, fit_text_map
from indexer.catalogue.records import Medium
from indexer.features.blocks import BlockAxes, BlockScale
from indexer.features.matching import film_rows, is_kept_out, song_rows
from indexer.features.mood_text import TextReader
from indexer.features.profiles import Described, EncodeTexts, Predictor, read_film_features, read_song_parts
from indexer.features.ridge import LowRankRidge
from indexer.feel_pairs import find_feel_pairs
from indexer.knowledge import tables
from indexer.knowledge.vocabulary import vocabulary
from indexer.normalisation import unit
from indexer.readers import KnownTexts, Readers, join_blocks
from indexer.title_lookup import make_key

Floats = npt.NDArray[np.float32]
Key = TypeVar("Key")

_RANK = 160
_FILM_RIDGE, _SONG_RIDGE, _TEXT_RIDGE = 0.6, 0.4, 0.8
#: What a mood text with its profile counts beside a phrase with that of its work.
_MOOD_TEXT = 3.0


@dataclass(frozen=True)
class Fit:
    """The fitted readers, and figures of what was kept out: how near predicted profiles are to the written ones."""

    readers: Readers
    figures: Mapping[str, Any]


def fit_readers(movies: pd.DataFrame, tracks: pd.DataFrame, encode: EncodeTexts, seed: int = 0) -> Fit:
    """Fit to the knowledge, by what a catalogue tells of the films and songs that are written about."""
    films, songs = tables.films(), tables.songs()
    figures: dict[str, Any] = {}
    film_features = read_film_features(movies, encode)
    film_known = film_rows(movies, films.rows)
    film_model = _fit_profiles(
        [(film_features, 1.0)], film_known, films, lambda key: is_kept_out(key), encode, _FILM_RIDGE
    )
    figures["films"] = _check(film_model, film_features, film_known, films, is_kept_out, encode)
    parts = read_song_parts(tracks, encode)
    song_known = song_rows(tracks, songs.rows)
    song_model = _fit_profiles(
        # Half of what is learned is how to do without anything written of the artist.
        [(parts.features(), 1.0), (parts.features(without_artist=True), 0.5)],
        song_known,
        songs,
        lambda key: is_kept_out(key.artist),
        encode,
        _SONG_RIDGE,
    )
    for name, features in (("songs", parts.features()), ("songs_of_unknown_artists", parts.features(True))):
        figures[name] = _check(
            song_model, features, song_known, songs, lambda key: is_kept_out(key.artist), encode
        )
    described: dict[Medium, Described] = {
        "movies": Predictor(film_model).join(film_features, film_known, films, encode),
        "tracks": Predictor(song_model).join(parts.features(), song_known, songs, encode),
    }
    scale = BlockScale.fit(described)
    blocks = {medium: scale.blocks(medium, some) for medium, some in described.items()}
    joined = {medium: join_blocks(some) for medium, some in blocks.items()}
    pairs = find_feel_pairs(movies, tracks)
    fitted = _fit_pairs(pairs.rows, movies, tracks)
    alignment = Alignment.fit(joined, pairs.rows[fitted], pairs.weights[fitted].astype(np.float32), seed=seed)
    figures["pairs"] = {"fitted": int(fitted.sum()), "kept_out": int((~fitted).sum())} | _check_pairs(
        alignment, joined, pairs.rows[~fitted]
    )
    text, text_map, known_texts = _fit_texts(scale, alignment, joined, movies, tracks, encode, seed)
    return Fit(
        Readers(
            Predictor(film_model),
            Predictor(song_model),
            text,
            scale,
            BlockAxes.fit(blocks),
            alignment,
            text_map,
            known_texts,
        ),
        figures,
    )


def _fit_profiles(
    features: Sequence[tuple[Floats, float]],
    known: Mapping[int, int],
    written: tables.Profiles[Key],
    kept_out: Callable[[Key], bool],
    encode: EncodeTexts,
    ridge: float,
) -> LowRankRidge:
    rows = [row for row, about in known.items() if not kept_out(written.keys[about])]
    about = [known[row] for row in rows]
    wanted = _wanted(written, about, encode)
    weights = written.weights[about]
    return LowRankRidge.fit(
        np.concatenate([some[rows] for some, _ in features]),
        np.concatenate([wanted] * len(features)),
        np.concatenate([np.float32(share) * weights for _, share in features]),
        ridge,
        _RANK,
    )


def _wanted(written: tables.Profiles[Any], about: Sequence[int], encode: EncodeTexts) -> Floats:
    return np.concatenate(
        [written.values[list(about)], encode([written.phrases[row] for row in about])], axis=1
    )


def _check(
    model: LowRankRidge,
    features: Floats,
    known: Mapping[int, int],
    written: tables.Profiles[Key],
    kept_out: Callable[[Key], bool],
    encode: EncodeTexts,
) -> dict[str, float]:
    """Cosines around the mean between predicted and written profiles and meanings of the items kept out."""
    rows = [row for row, about in known.items() if kept_out(written.keys[about])]
    if not rows:
        return {}
    words, width = len(vocabulary().words), vocabulary().width
    wanted = np.nan_to_num(_wanted(written, [known[row] for row in rows], encode), nan=0.5)
    found = model.predict(features[rows])
    figures: dict[str, float] = {"items": len(rows)}
    for name, columns in (("profile", slice(0, words)), ("meaning", slice(width, None))):
        mean = wanted[:, columns].mean(axis=0)
        cosines = (unit(found[:, columns] - mean) * unit(wanted[:, columns] - mean)).sum(axis=1)
        figures[name] = round(float(cosines.mean()), 3)
    for place, name in enumerate(("energy", "valence", "acoustic")):
        figures[name] = round(float(np.corrcoef(found[:, words + place], wanted[:, words + place])[0, 1]), 3)
    return figures


def _fit_pairs(
    pairs: npt.NDArray[np.int64], movies: pd.DataFrame, tracks: pd.DataFrame
) -> npt.NDArray[np.bool_]:
    """Which pairs (n,) bool are fitted to: those neither of whose sides is kept out."""
    films = [
        is_kept_out(tables.FilmKey(make_key(str(title)), int(year) if year == year else 0))
        for title, year in zip(movies["title"], movies["year"], strict=True)
    ]
    songs = [is_kept_out(make_key(str(cell).split("|")[0])) for cell in tracks["artists"]]
    return np.array([not (films[film] or songs[song]) for film, song in pairs.tolist()], dtype=np.bool_)


def _check_pairs(
    alignment: Alignment, features: Mapping[Medium, Floats], pairs: npt.NDArray[np.int64]
) -> dict[str, float]:
    if not len(pairs):
        return {}
    movies, tracks = (alignment.project(medium, features[medium]) for medium in ("movies", "tracks"))
    figures = {}
    for name, asked, gallery, given, wanted in (
        ("song_to_film", tracks, movies, pairs[:, 1], pairs[:, 0]),
        ("film_to_song", movies, tracks, pairs[:, 0], pairs[:, 1]),
    ):
        ranks = np.empty(len(pairs))
        for start in range(0, len(pairs), 256):
            some = slice(start, start + 256)
            scores = asked[given[some]] @ gallery.T
            own = scores[np.arange(len(scores)), wanted[some]]
            ranks[some] = (scores > own[:, None]).sum(axis=1)
        figures[f"{name}_100"] = round(float((ranks < 100).mean()), 3)
    return figures


def _fit_texts(
    scale: BlockScale,
    alignment: Alignment,
    features: Mapping[Medium, Floats],
    movies: pd.DataFrame,
    tracks: pd.DataFrame,
    encode: EncodeTexts,
    seed: int,
) -> tuple[TextReader, npt.NDArray[np.float16], KnownTexts]:
    """The reader of texts, from phrases and mood texts with their profiles; and its map into the learned space."""
    texts: list[str] = []
    profiles, weights = [], []
    for written in (tables.films(), tables.songs(), tables.artists(), tables.genres()):
        texts += written.phrases
        profiles.append(written.values)
        weights.append(written.weights)
    moods = tables.mood_texts()
    if moods:
        texts += [mood.text for mood in moods]
        profiles.append(np.stack([mood.profile for mood in moods]))
        weights.append(np.full(len(moods), _MOOD_TEXT, dtype=np.float32))
    embedded = encode(texts)
    wanted, weight = np.concatenate(profiles), np.concatenate(weights)
    model = LowRankRidge.fit(embedded, wanted, weight, _TEXT_RIDGE, _RANK)
    mean = np.concatenate([model.predict(embedded).mean(axis=0), embedded.mean(axis=0)]).astype(np.float32)
    reader = TextReader(model, mean)
    # Where the works that suit a text lie, there lies the text.
    films = {key: row for row, key in _keys(film_rows(movies, tables.films().rows), tables.films())}
    songs = {key: row for row, key in _keys(song_rows(tracks, tables.songs().rows), tables.songs())}
    movies_at = alignment.project("movies", features["movies"])
    tracks_at = alignment.project("tracks", features["tracks"])
    phrases = dict(zip(tables.films().keys, tables.films().phrases, strict=True))
    heard = dict(zip(tables.songs().keys, tables.songs().phrases, strict=True))
    works = np.concatenate([movies_at[list(films.values())], tracks_at[list(songs.values())]])
    place: dict[Any, int] = {key: row for row, key in enumerate([*films, *songs])}
    asked = [phrases[key] for key in films] + [heard[key] for key in songs]
    pairs = [(row, row) for row in range(len(asked))]
    shares = [1.0] * len(asked)
    recalled, lie = [], []
    for mood in moods:
        suited = [place[key] for key in (*mood.films, *mood.songs) if key in place]
        pairs += [(row, len(asked)) for row in suited]
        shares += [_MOOD_TEXT] * len(suited)
        if suited:
            recalled.append(mood.text)
            lie.append(works[suited].mean(axis=0))
        asked.append(mood.text)
    known = KnownTexts(
        encode(recalled).astype(np.float16),
        np.array(lie, dtype=np.float16).reshape(len(recalled), works.shape[1]),
    )
    about = encode(asked)
    blocks = join_blocks(scale.blocks_around(mean, reader.profiles(about), about))
    start = (alignment.movies.astype(np.float32) + alignment.tracks.astype(np.float32)) / 2.0
    rows, weight = np.array(pairs, dtype=np.int64), np.array(shares, dtype=np.float32)
    return reader, fit_text_map(blocks, start, works, rows, weight, seed).astype(np.float16), known


def _keys(known: Mapping[int, int], written: tables.Profiles[Key]) -> list[tuple[int, Key]]:
    return [(row, written.keys[about]) for row, about in known.items()]
