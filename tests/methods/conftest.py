"""A made-up catalogue of a dozen films and songs, small enough to state every answer by hand."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from indexer.catalogue.catalogue import Catalogue
from indexer.catalogue.records import MOVIE_COLUMNS, TRACK_COLUMNS
from indexer.catalogue.report import CleaningReport
from indexer.mel.readings import open_cache
from indexer.mel.spectrogram import SETTINGS
from indexer.methods.audio_table import FEATURES
from indexer.methods.method import Material
from indexer.normalisation import unit
from indexer.vector_cache import content_key

NAN = float("nan")

#: What words mean: unit vectors whose cosines are easy to state. "soul" is at exactly 0.5 from "romance".
MEANINGS: dict[str, list[float]] = {
    "western": [1, 0, 0, 0, 0, 0],
    "romance": [0, 1, 0, 0, 0, 0],
    "horror": [0, 0, 1, 0, 0, 0],
    "drama": [0, 0, 0, 1, 0, 0],
    "country": [0.8, 0, 0, 0, 0, 0.6],
    "folk": [0.6, 0, 0, 0, 0, 0.8],
    "love songs": [0, 0.96, 0, 0, 0, 0.28],
    "soul": [0, 0.5, 0, 0, 0, 0.75**0.5],
    "gothic": [0, 0, 0.8, 0, 0, 0.6],
    "pop": [0, 0, 0, 0, 1, 0],
}

#: Genres, votes and overview of each film.
_MOVIES: list[tuple[str, float, str]] = [
    ("Western", 50, "A good man rides alone."),
    ("Western|Drama", 900, "A bad man rides in company."),
    ("Romance", 300, "Two happy people meet."),
    ("Romance|Western", 20, "Two sad people part."),
    ("Horror", NAN, "A terrible house."),
    ("Horror|Romance", 700, "A lovely house."),
    ("Drama", 10, "A table."),
    ("Drama|Romance", 450, "An excellent table."),
    ("Western|Horror", 80, "A boring ranch."),
    ("Horror|Drama", 60, "A beautiful cellar."),
    ("", 5, "Nothing is known."),
    ("Romance|Drama", 610, "The worst wedding."),
]
#: Genres, tags and popularity of each song.
_TRACKS: list[tuple[str, str, float]] = [
    ("country", "folk", 30),
    ("", "Country|pop", 80),
    ("soul", "love songs", NAN),
    ("", "love songs|pop", 55),
    ("", "gothic", 12),
    ("pop", "", 99),
    ("", "", 1),
    ("folk", "folk|gothic", 44),
    ("country", "", NAN),
    ("", "soul|pop", 71),
    ("love songs", "country", 23),
    ("pop", "folk", 64),
]


def _table(columns: Mapping[str, str], prefix: str, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    absent = {"text": None, "many": ""}
    full = [
        {name: absent.get(kind, NAN) for name, kind in columns.items()}
        | {"id": f"{prefix}{at}", "title": f"Title {at}"}
        | dict(row)
        for at, row in enumerate(rows)
    ]
    kinds = {name: "str" if kind in absent else "float64" for name, kind in columns.items()}
    return pd.DataFrame(full, columns=list(columns)).astype(kinds)


def make_catalogue(movies: Sequence[Mapping[str, Any]], tracks: Sequence[Mapping[str, Any]]) -> Catalogue:
    """Rows say only what matters; the rest is unknown. Ids are m0, m1 … and t0, t1 …"""
    return Catalogue(
        _table(MOVIE_COLUMNS, "m", movies),
        _table(TRACK_COLUMNS, "t", tracks),
        pd.DataFrame({"tmdb_id": [], "track_id": []}, dtype="str"),
        CleaningReport("default", {}),
    )


def encode(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """The stated meanings; a word without one is an error in a test."""
    return np.array([MEANINGS[text] for text in texts], dtype=np.float32)


class WordEncoder:
    """Stands in for a build's encoder: a text is the sum of its words, each a direction of its own."""

    name, weights_sha256, precision = "words", "0" * 64, "float32"
    dimension, max_tokens = 16, 64

    def encode_all(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        rows = [
            sum(np.random.default_rng(zlib.crc32(word.encode())).normal(size=16) for word in text.split())
            for text in texts
        ]
        return unit(np.array(rows, dtype=np.float32).reshape(-1, 16))


MakeMaterial = Callable[..., Material]


@pytest.fixture
def make_material() -> MakeMaterial:
    """Material of the given rows; ``texts``, ``encode``, ``files`` and ``seed`` where a test needs its own."""

    def make(
        movies: Sequence[Mapping[str, Any]], tracks: Sequence[Mapping[str, Any]], **changes: Any
    ) -> Material:
        texts = {"movies": np.eye(len(movies), 3), "tracks": np.eye(len(tracks), 3)}
        given = {"texts": {m: rows.astype(np.float32) for m, rows in texts.items()}, "encode": encode}
        return Material(make_catalogue(movies, tracks), **(given | changes))

    return make


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """A dozen films and songs with gaps, their embeddings, and ratings; the same in every run."""
    random = np.random.default_rng(7)
    movies = [
        {"genres": genres, "votes": votes, "overview": overview, "popularity": at * 1.5, "rating": at / 2}
        | {"runtime_min": 80.0 + at if at % 3 else NAN, "revenue": 1e6 * at if at % 2 else NAN}
        for at, (genres, votes, overview) in enumerate(_MOVIES)
    ]
    movies[9]["popularity"] = NAN
    features = ("tempo", "danceability", "energy", "loudness", "valence", "speechiness", "acousticness")
    tracks = [
        {"genres": genres, "tags": tags, "popularity": popularity, "instrumentalness": at / 11}
        | {"liveness": at / 12 if at != 5 else NAN}
        | dict(zip(features, random.random(7).tolist(), strict=True))
        for at, (genres, tags, popularity) in enumerate(_TRACKS)
    ]
    texts = {
        "movies": random.normal(size=(12, 8)).astype(np.float32),
        "tracks": random.normal(size=(12, 8)).astype(np.float32),
    }
    files = tmp_path_factory.mktemp("files")
    ratings = files / "ratings.csv"
    lines = [
        f"{person},m{movie},{random.integers(1, 6)}"
        for person in range(30)
        for movie in range(person % 2, 10, 2)
    ]
    ratings.write_text("\n".join(["userId,tmdb_id,rating", *lines]) + "\n", encoding="utf-8")
    positivity, soundtracks = files / "positivity.csv", files / "soundtracks.csv"
    _write_songs(positivity, "pos_percent", [round(at / 24, 3) for at in range(24)], random)
    _write_songs(soundtracks, "movie_name", [f"Title {at % 8}" for at in range(24)], random)
    lyrics = files / "lyrics.csv"
    words = list(MEANINGS)
    sung = [f't{at},"{words[at % 10]}\n{words[at // 2]}"' for at in range(12)]
    lyrics.write_text("\n".join(["track_id,lyrics", *sung]) + "\n", encoding="utf-8")
    given = {"ratings": ratings, "song_positivity": positivity, "soundtrack_features": soundtracks}
    given["lyrics"] = lyrics
    given |= _write_heard_songs(files, random)
    encoder: Any = WordEncoder()
    return Material(
        make_catalogue(movies, tracks), texts, encode, given, seed=3, cache=files / "cache", encoder=encoder
    )


def _write_songs(path: Path, name: str, cells: Sequence[object], random: np.random.Generator) -> None:
    """A file of songs' audio features and one more column."""
    features = random.random((len(cells), len(FEATURES))).round(4).tolist()
    lines = [",".join(map(str, [cell, *row])) for cell, row in zip(cells, features, strict=True)]
    path.write_text("\n".join([",".join([name, *FEATURES]), *lines]) + "\n", encoding="utf-8")


def _write_heard_songs(folder: Path, random: np.random.Generator) -> dict[str, Path]:
    """A folder of songs that the mel network has read before: neither sound nor TensorFlow is needed."""
    audio, model = folder / "audio", folder / "mel"
    audio.mkdir()
    model.mkdir()
    manifest = {
        "format": 1,
        "features": list(FEATURES),
        "spectrogram": dict(SETTINGS),
        "scale": {"mean_db": -60.0, "scale_db": 20.0},
        "weights": {"file": "none.weights.h5", "sha256": "0" * 64},
    }
    (model / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    songs = [f"song {at}".encode() for at in range(12)]
    for at, song in enumerate(songs):
        (audio / f"t{at}.ogg").write_bytes(song)
    with open_cache(folder / "cache", model) as cache:
        cache.put([content_key(song) for song in songs], random.random((12, 7), dtype=np.float32))
    return {"audio_clips": audio, "mel_model": model}
