"""Music2Movie by hand: TextBlob reads "good" as 0.7, "bad" as −0.7 and "table" as 0."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.features import pictures
from indexer.methods.method import Material
from indexer.methods.music2movie import Music2Movie, Music2MovieAligned

MakeMaterial = Callable[..., Material]

NAN = float("nan")
MOST: dict[str, Any] = {
    "rating": 9.0,
    "votes": 100.0,
    "revenue": 50.0,
    "runtime_min": 200.0,
    "popularity": 8.0,
}
LEAST: dict[str, Any] = {"rating": 1.0, "votes": 10.0, "revenue": 5.0, "runtime_min": 80.0, "popularity": 2.0}
LOUD: dict[str, Any] = {"popularity": 100.0, "tempo": 200.0, "loudness": -2.0} | dict.fromkeys(
    ("danceability", "energy", "valence", "speechiness", "acousticness", "instrumentalness"), 0.9
)
QUIET: dict[str, Any] = {"popularity": 20.0, "tempo": 60.0, "loudness": -30.0} | dict.fromkeys(
    ("danceability", "energy", "valence", "speechiness", "acousticness", "instrumentalness"), 0.1
)
MOVIES = [
    MOST | {"overview": "good"},  # 1 1 1 1 1 1 1
    LEAST | {"overview": "bad"},  # 0 0 0 0 0 0 0
    LEAST | {"overview": "table", "rating": 5.0},  # ½ 0 0 0 0 0 ½
    MOST | {"overview": "good", "popularity": NAN, "votes": 1e9},  # dropped
    LEAST | {"overview": "good", "revenue": NAN},  # 0 0 0 0 0 0 1, with a gap
]
TRACKS = [
    LOUD,  # nine ones
    QUIET,  # nine zeros
    QUIET | {"popularity": 100.0},  # 1 0 0 0 0 0 0 0 0
    QUIET | {"speechiness": 0.9},  # 0 0 0 0 0 0 1 0 0
    QUIET | {"valence": 0.9, "popularity": NAN},  # valence alone, at the sixth place, with a gap
    QUIET | {"acousticness": 0.9},  # the eighth place, which only padding meets
]
LOUD_ROW, QUIET_ROW, POPULAR_ROW, SPOKEN_ROW, HAPPY_ROW, ACOUSTIC_ROW = (np.array([row]) for row in range(6))


@pytest.fixture
def material(make_material: MakeMaterial) -> Material:
    return make_material(MOVIES, TRACKS)


def test_features_meet_by_position(material: Material) -> None:
    method = Music2Movie.fit(material)
    # Seven ones against nine; (½, …, ½) against nine ones; one at the seventh place against nine ones.
    np.testing.assert_allclose(
        method.scores("tracks", LOUD_ROW, "movies"), [[7 / (3 * 7**0.5), 0, 2**0.5 / 3, 0, 1 / 3]], rtol=1e-6
    )
    # A song's popularity meets a film's average vote, for both are listed first.
    np.testing.assert_allclose(
        method.scores("tracks", POPULAR_ROW, "movies"), [[7**-0.5, 0, 2**-0.5, 0, 0]], rtol=1e-6
    )
    # Spoken words meet the overview's sentiment: the seventh of both.
    np.testing.assert_allclose(
        method.scores("tracks", SPOKEN_ROW, "movies"), [[7**-0.5, 0, 2**-0.5, 0, 1]], rtol=1e-6
    )


def test_the_shorter_vector_is_padded_with_zeros(material: Material) -> None:
    assert Music2Movie.fit(material).scores("tracks", ACOUSTIC_ROW, "movies").tolist() == [[0, 0, 0, 0, 0]]


def test_an_item_of_zeros_scores_lowest(material: Material) -> None:
    assert Music2Movie.fit(material).scores("tracks", QUIET_ROW, "movies").tolist() == [[0, 0, 0, 0, 0]]


def test_films_to_songs_is_the_same_cosine(material: Material) -> None:
    method = Music2Movie.fit(material)
    np.testing.assert_allclose(
        method.scores("movies", np.arange(5), "tracks"), method.scores("tracks", np.arange(6), "movies").T
    )


def test_dropped_films_take_no_part_in_the_scaling(material: Material) -> None:
    method = Music2Movie.fit(material)
    # With the dropped film's 10⁹ votes the first film's would scale to nearly 0, and this to 6 / (3 · √6).
    assert method.scores("tracks", LOUD_ROW, "movies")[0, 0] == pytest.approx(0.8819171)


def test_what_is_missing_is_counted(material: Material) -> None:
    facts = Music2Movie.fit(material).facts
    missing = {m: {f: n for f, n in counts.items() if n} for m, counts in facts["missing"].items()}
    assert missing == {
        "movies": {"revenue": 1, "popularity_normalised": 1},
        "tracks": {"popularity_normalised": 1},
    }
    assert facts["movies_dropped"] == 1
    assert facts["items_without_features"] == {"movies": 2, "tracks": 1}


def test_features_are_the_listed_ones_in_the_listed_order(material: Material) -> None:
    facts = Music2Movie.fit(material).facts
    assert list(facts["missing"]["movies"]) == [
        "vote_average", "vote_count", "revenue", "runtime", "popularity_normalised", "runtime_normalised",
        "overview_sentiment",
    ]  # fmt: skip
    assert list(facts["missing"]["tracks"]) == [
        "popularity_normalised", "tempo_normalised", "danceability", "energy", "loudness", "valence",
        "speechiness", "acousticness", "instrumentalness",
    ]  # fmt: skip


def test_aligned_pairs_popularity_and_sentiment_with_valence(material: Material) -> None:
    method = Music2MovieAligned.fit(material)
    # Films are (popularity, sentiment): (1, 1), (0, 0), (0, ½), dropped, (0, 1).
    np.testing.assert_allclose(
        method.scores("tracks", POPULAR_ROW, "movies"), [[2**-0.5, 0, 0, 0, 0]], rtol=1e-6
    )
    np.testing.assert_allclose(
        method.scores("tracks", HAPPY_ROW, "movies"), [[2**-0.5, 0, 1, 0, 1]], rtol=1e-6
    )
    np.testing.assert_allclose(
        method.scores("tracks", LOUD_ROW, "movies"), [[1, 0, 2**-0.5, 0, 2**-0.5]], rtol=1e-6
    )


def test_aligned_leaves_out_what_has_no_counterpart(material: Material) -> None:
    scores = Music2MovieAligned.fit(material).scores("tracks", SPOKEN_ROW, "movies")
    assert scores.tolist() == [[0, 0, 0, 0, 0]]


def test_without_posters_that_is_said(material: Material) -> None:
    assert Music2Movie.fit(material).facts["posters"] == {
        "used": False,
        "why": "no folder of posters was given",
    }


def test_posters_lengthen_films_as_in_the_original(
    make_material: MakeMaterial, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Against the cosine over whole vectors: a film's features, poster and sentiment, a song's features and zeros."""
    posters = np.array([[3.0, 0.0, 4.0], [0.0, 1.0, 0.0]], dtype=np.float32)
    grey = np.array([0.5, 0.5, 0.0], dtype=np.float32)
    read = pictures.PictureVectors(np.array([0, 4]), posters, {"encoder": {"engine": "made up"}}, grey)
    monkeypatch.setattr(pictures, "read_posters", lambda *_: read)
    plain = Music2Movie.fit(make_material(MOVIES, TRACKS))
    method = Music2Movie.fit(make_material(MOVIES, TRACKS, files={"posters": tmp_path}))
    films = np.zeros((5, 9))
    films[0, :7], films[2, [0, 6]], films[4, 6] = 1, 0.5, 1
    shown = np.stack([posters[0], grey, grey, grey, posters[1]])
    sentiments = np.array([[0.7], [-0.7], [0.0], [0.7], [0.7]])
    whole = np.hstack([films, shown, sentiments])
    songs = np.hstack([[[1] * 9, [1] + [0] * 8], np.zeros((2, 4))])
    expected = songs @ whole.T / np.outer(np.linalg.norm(songs, axis=1), np.linalg.norm(whole, axis=1))
    rows = np.array([0, 2])
    np.testing.assert_allclose(method.scores("tracks", rows, "movies"), expected, rtol=1e-5)
    assert (method.scores("tracks", rows, "movies") < plain.scores("tracks", rows, "movies"))[:, 0].all()
    assert method.facts["posters"] == {
        "used": True,
        "films": 2,
        "films_without": 3,
        "encoder": {"engine": "made up"},
    }


def test_scores_lie_between_0_and_1(make_material: MakeMaterial) -> None:
    random = np.random.default_rng(5)
    texts = ["good", "bad", "table", "a terrible, wonderful thing"]
    movies = [{k: random.random() for k in MOST} | {"overview": texts[at % 4]} for at in range(40)]
    tracks = [{k: random.random() for k in LOUD} for _ in range(40)]
    for kind in (Music2Movie, Music2MovieAligned):
        scores = kind.fit(make_material(movies, tracks)).scores("tracks", np.arange(40), "movies")
        assert scores.min() >= 0
        assert scores.max() <= 1
        assert scores.std() > 0.01


def test_a_feature_that_is_the_same_everywhere_says_nothing(make_material: MakeMaterial) -> None:
    movies = [MOST | {"overview": "good", "votes": 7.0}, LEAST | {"overview": "bad", "votes": 7.0}]
    method = Music2Movie.fit(make_material(movies, TRACKS))
    # Six ones and a zero against nine ones.
    assert method.scores("tracks", LOUD_ROW, "movies")[0].tolist() == pytest.approx([6**0.5 / 3, 0])
