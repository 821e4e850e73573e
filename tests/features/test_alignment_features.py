"""What the learned alignment reads: blocks side by side, 0 where unknown, and topics with their guards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from indexer.catalogue.records import AUDIO_FEATURES, MOVIE_COLUMNS, TRACK_COLUMNS
from indexer.features import alignment_features
from indexer.features.alignment_features import MovieFeatures, Topics, TrackFeatures
from indexer.features.song_labels import gather_years

NAN = float("nan")
ERAS = 14
Floats = npt.NDArray[np.float32]


def make_table(columns: Mapping[str, str], rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    empty = {name: None if kind in ("many", "text") else NAN for name, kind in columns.items()}
    return pd.DataFrame([{**empty, **row} for row in rows], columns=list(columns))


def floats(rows: Sequence[Sequence[float]]) -> Floats:
    return np.array(rows, dtype=np.float32)


def movie_features(movies: pd.DataFrame, sentences: Floats, texts: Floats, keywords: Floats) -> Floats:
    return MovieFeatures.fit(movies, sentences, keywords).read(movies, sentences, texts, keywords)


def track_features(
    tracks: pd.DataFrame, texts: Floats, labels: Sequence[Sequence[str]], labelled: Floats
) -> Floats:
    fitted = TrackFeatures.fit(tracks, texts, labels, labelled)
    return fitted.read(tracks, texts, labels, labelled, gather_years(tracks))


def topics(labels: Sequence[Sequence[str]], least: int) -> Floats:
    return Topics.fit(labels, least).apply(labels)


# --- films ---------------------------------------------------------------------------------------------------


@pytest.fixture
def films() -> Floats:
    movies = make_table(
        MOVIE_COLUMNS,
        [
            {"genres": "Drama|Crime", "language": "en", "year": 1925},
            {"genres": "Comedy", "language": "fr", "year": 2022},
            {"genres": "Drama", "language": "en"},
            {},
        ],
    )
    sentences = floats([[1, 0], [0, 1], [0, 0], [0, 0]])
    texts = floats([[0.6, 0.8], [1, 0], [0, 1], [0, 0]])
    keywords = floats([[0, 0], [3, 1], [1, 1], [0, 0]])
    return movie_features(movies, sentences, texts, keywords)


def test_a_films_features_are_its_blocks_side_by_side(films: Floats) -> None:
    assert films.shape == (4, 2 + 2 + 2 + 3 + 2 + ERAS)
    assert films.dtype == np.float32
    half = 0.5**0.5
    sentence, text, keywords = films[:, :2], films[:, 2:4], films[:, 4:6]
    np.testing.assert_allclose(sentence, floats([[half, -half], [-half, half], [0, 0], [0, 0]]), atol=1e-6)
    np.testing.assert_allclose(text, floats([[0.6, 0.8], [1, 0], [0, 1], [0, 0]]), atol=1e-6)
    np.testing.assert_allclose(keywords, floats([[0, 0], [1, 0], [-1, 0], [0, 0]]), atol=1e-6)


def test_genres_and_languages_are_flags_in_a_fixed_order(films: Floats) -> None:
    # Genres by the alphabet: comedy, crime, drama. Languages by how often they are spoken: en, fr.
    assert films[:, 6:9].tolist() == [[0, 0.5, 0.5], [0.5, 0, 0], [0, 0, 0.5], [0, 0, 0]]
    assert films[:, 9:11].tolist() == [[0.5, 0], [0, 0.5], [0.5, 0], [0, 0]]


def test_a_year_lies_softly_among_eras(films: Floats) -> None:
    first, last, unknown, nothing = films[:, 11 : 11 + ERAS]
    # At the middle of the first bin, its neighbour one deviation away, and the last bin the other way round.
    assert first[1] / first[0] == pytest.approx(np.exp(-0.5), rel=1e-5)
    assert np.linalg.norm(first) == pytest.approx(1.0, rel=1e-5)
    np.testing.assert_allclose(last, first[::-1], atol=1e-6)
    assert unknown.tolist() == nothing.tolist() == [0.0] * ERAS


def test_rare_languages_have_no_flag_of_their_own() -> None:
    spoken = ["en", "en", *(f"x{number:02}" for number in range(13))]
    movies = make_table(MOVIE_COLUMNS, [{"language": language} for language in spoken])
    nothing = np.zeros((len(spoken), 1), dtype=np.float32)
    flags = movie_features(movies, nothing, nothing, nothing)[:, 3:-ERAS]
    assert flags.shape == (15, 12)
    # Twelve in all: en, and eleven of thirteen by the alphabet.
    assert flags[:, 0].tolist() == [0.5, 0.5] + [0.0] * 13
    assert flags.sum(axis=1).tolist() == [0.5] * 13 + [0.0] * 2


def test_topics_of_keywords_come_last() -> None:
    # Three keywords on twenty films is enough for two topics.
    words = ["heist|vault", "heist|vault", "ghost", "ghost"] * 5
    movies = make_table(MOVIE_COLUMNS, [{"keywords": cell} for cell in words])
    nothing = np.zeros((20, 1), dtype=np.float32)
    found = movie_features(movies, nothing, nothing, nothing)
    assert found.shape == (20, 3 + ERAS + 2)
    expected = topics([cell.split("|") for cell in words], least=5)
    assert found[:, -2:].tolist() == expected.tolist()


# --- songs ---------------------------------------------------------------------------------------------------


def make_songs(rows: Sequence[dict[str, Any]], labels: Sequence[Sequence[str]] | None = None) -> Floats:
    tracks = make_table(TRACK_COLUMNS, rows)
    nothing = np.zeros((len(rows), 1), dtype=np.float32)
    return track_features(tracks, nothing, labels or [()] * len(rows), nothing)


def test_a_songs_features_are_its_blocks_side_by_side() -> None:
    tracks = make_table(TRACK_COLUMNS, [{"year": 1925, "artists": "Amy"}, {"artists": "Amy"}, {}])
    texts, labelled = floats([[3, 1], [1, 1], [0, 0]]), floats([[0, 0, 0], [0, 2, 0], [0, 0, 4]])
    found = track_features(tracks, texts, [(), (), ()], labelled)
    assert found.shape == (3, 2 + 3 + ERAS + len(AUDIO_FEATURES))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, :2], floats([[1, 0], [-1, 0], [0, 0]]), atol=1e-6)
    tilt = 5**-0.5
    expected = floats([[0, 0, 0], [0, tilt, -2 * tilt], [0, -tilt, 2 * tilt]])
    np.testing.assert_allclose(found[:, 2:5], expected, atol=1e-6)
    # The second song's year is its artist's.
    assert found[0, 5 : 5 + ERAS].tolist() == found[1, 5 : 5 + ERAS].tolist()
    assert int(found[0, 5 : 5 + ERAS].argmax()) == 0
    assert found[2, 5 : 5 + ERAS].tolist() == [0.0] * ERAS


def test_audio_is_standardised_weighed_and_0_where_unknown() -> None:
    rows = [{"energy": 0.2}, {"energy": 0.8}, {}, {"energy": 0.5, "tempo": 120.0}]
    audio = make_songs(rows)[:, 2 + ERAS :]
    energy, tempo = (list(AUDIO_FEATURES).index(name) for name in ("energy", "tempo"))
    # Mean 0.5, deviation √0.06 over the three that are known.
    step = 0.3 * 0.3 / 0.06**0.5
    np.testing.assert_allclose(audio[:, energy], [-step, step, 0, 0], atol=1e-6)
    # One value has no spread, and nothing at all is no error.
    assert audio[:, tempo].tolist() == [0.0] * 4
    assert np.delete(audio, [energy, tempo], axis=1).tolist() == [[0.0] * 7] * 4


def test_an_outlier_counts_three_deviations_at_most() -> None:
    rows = [{"loudness": -5.0 + 0.01 * (number % 2)} for number in range(99)]
    audio = make_songs([*rows, {"loudness": -60.0}])[:, 2 + ERAS :]
    loudness = list(AUDIO_FEATURES).index("loudness")
    assert audio[99, loudness] == pytest.approx(-0.9)
    assert np.abs(audio[:99, loudness]).max() < 0.1


def test_topics_of_labels_come_last() -> None:
    labels = [("folk", "sad"), ("metal",)] * 20
    found = make_songs([{}] * 40, labels)
    assert found.shape == (40, 2 + ERAS + 9 + 2)
    assert found[:, -2:].tolist() == topics(labels, least=20).tolist()


# --- topics --------------------------------------------------------------------------------------------------


def test_labels_found_together_are_one_topic() -> None:
    labels = [("folk", "sad"), ("folk", "sad"), ("metal", "loud"), ("loud", "metal"), ()] * 4
    found = topics(labels, least=2)
    assert found.shape == (20, 3)
    likeness = found @ found.T
    assert likeness[0, 1] == pytest.approx(1.0, abs=1e-5)
    assert likeness[2, 3] == pytest.approx(1.0, abs=1e-5)
    assert likeness[0, 2] == pytest.approx(0.0, abs=1e-5)
    assert found[4].tolist() == [0.0] * 3


def test_rare_labels_are_left_out() -> None:
    plain = [("folk",), ("metal",), ("folk", "jazz"), ("metal", "jazz")] * 3
    with_rare = [("folk", "rare one"), *plain[1:], ("rare two",)]
    found = topics(with_rare, least=2)
    assert found.shape == (13, 2)
    assert found[12].tolist() == [0.0, 0.0]
    # The first song is what any other folk song is.
    np.testing.assert_allclose(found[0], found[4], atol=1e-6)


def test_a_label_said_twice_of_one_song_is_on_one_song() -> None:
    assert topics([("a", "a", "b", "c", "b", "c"), ("d",)], least=2).shape == (2, 0)


@pytest.mark.parametrize(
    "labels",
    [
        [],
        [()] * 5,
        [("folk",)] * 5,
        [("folk", "sad")] * 5,
        [("folk", "sad", "slow"), ("folk", "sad", "slow")],
        [("one",), ("two",), ("three",), ("four",)],
    ],
    ids=["no songs", "no labels", "one label", "two labels", "two songs", "all rare"],
)
def test_too_little_has_no_topics(labels: list[tuple[str, ...]]) -> None:
    found = topics(labels, least=2)
    assert found.shape == (len(labels), 0)
    assert found.dtype == np.float32


def test_topics_are_bounded_and_the_same_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignment_features, "_TOPICS", 5)
    rng = np.random.default_rng(0)
    labels = [tuple(f"label {place}" for place in rng.integers(0, 30, 4)) for _ in range(200)]
    once, again = topics(labels, least=5), topics(labels, least=5)
    assert once.shape == (200, 5)
    np.testing.assert_allclose(np.linalg.norm(once, axis=1), 1.0, atol=1e-5)
    assert once.tobytes() == again.tobytes()
