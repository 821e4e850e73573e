"""What is told of films and songs, and what is written of them: made-up rows with numbers worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from indexer.catalogue.records import Movie, Track
from indexer.features.columns import tabulate_movies, tabulate_tracks
from indexer.features.profiles import (
    FILM_GENRES,
    Predictor,
    SongParts,
    read_film_features,
    read_song_parts,
)
from indexer.features.ridge import LowRankRidge
from indexer.knowledge import tables
from indexer.knowledge.vocabulary import vocabulary

Floats = npt.NDArray[np.float32]
NAN = float("nan")
WIDTH = vocabulary().width


def encode(texts: Sequence[str]) -> Floats:
    """Two numbers a text: along the first axis where it speaks of the sea; an empty text is zeros."""
    found = [[0.0, 0.0] if not text else [1.0, 0.0] if "sea" in text else [0.0, 1.0] for text in texts]
    return np.array(found, dtype=np.float32).reshape(-1, 2)


def films(*movies: Movie) -> Floats:
    return read_film_features(tabulate_movies(movies), encode)


def songs(*tracks: Track, left_out: frozenset[str] = frozenset()) -> SongParts:
    return read_song_parts(tabulate_tracks(tracks), encode, left_out)


# --- films ---------------------------------------------------------------------------------------------------


def test_a_films_plot_keywords_genres_and_language_are_read_by_hand() -> None:
    [told] = films(
        Movie("1", "A", overview="At sea.", keywords=("rain",), genres=("War", "Nonsense"), language="fr")
    )
    assert told[:4].tolist() == [1.0, 0.0, 0.0, 1.0]
    genres = told[4 : 4 + len(FILM_GENRES)]
    assert np.flatnonzero(genres).tolist() == [FILM_GENRES.index("war")]
    assert genres.max() == pytest.approx(0.3)
    # One language, no year, and that there are a plot and keywords at all.
    assert told[4 + len(FILM_GENRES) :].nonzero()[0].shape == (3,)
    assert told[-2:].tolist() == pytest.approx([0.2, 0.2])


def test_a_films_titles_are_not_read() -> None:
    one, other = films(
        Movie("1", "The Sea", "La Mer", 1990, overview="Rain."), Movie("2", "A", year=1990, overview="Rain.")
    )
    assert one.tolist() == other.tolist()


def test_a_film_of_which_nothing_is_told_is_zeros() -> None:
    assert not films(Movie("1", "A", genres=("Nonsense",), language="xx")).any()


def test_near_years_are_more_alike_than_far_ones() -> None:
    bare, *years = films(Movie("0", "A"), *(Movie("1", "A", year=year) for year in (1980, 1983, 2015)))
    base, near, far = (year - bare for year in years)
    assert float(base @ base) == pytest.approx(0.25)
    assert float(base @ near) > 0.2 > 0.05 > float(base @ far)


# --- songs ---------------------------------------------------------------------------------------------------


def written(known: tables.Profiles[str], keys: Sequence[str], shares: Sequence[float]) -> Floats:
    """What is written of these, profile beside phrase, each by its share."""
    rows = [known.rows[key] for key in keys]
    joined = np.concatenate(
        [np.nan_to_num(known.values[rows]), encode([known.phrases[row] for row in rows])], axis=1
    )
    mean: Floats = np.array(shares, dtype=np.float32) @ joined
    return mean


def test_a_song_has_what_is_written_of_its_artists_and_the_first_counts_most() -> None:
    known = tables.artists()
    first, second = known.keys[:2]
    one, two, nobody = songs(
        Track("1", "A", (first,)), Track("2", "A", (first, second)), Track("3", "A", ("Nobody At All",))
    ).artists
    np.testing.assert_allclose(one, written(known, [first], [1.0]), rtol=1e-5)
    # Each further one counts 0.8 of the one before.
    np.testing.assert_allclose(
        two, written(known, [first, second], [1 / 1.8, 0.8 / 1.8]), rtol=1e-5, atol=1e-7
    )
    assert not nobody.any()


def test_an_artist_that_is_left_out_is_not_known() -> None:
    first, second = tables.artists().keys[:2]
    parts = songs(Track("1", "A", (first, second)), left_out=frozenset([first]))
    np.testing.assert_allclose(parts.artists[0], written(tables.artists(), [second], [1.0]), rtol=1e-5)


def test_a_song_has_what_is_written_of_its_labels_and_borrows_those_of_its_artists_other_songs() -> None:
    known = tables.genres()
    label = known.keys[0]
    own, borrowed, stranger = songs(
        Track("1", "A", ("Nobody At All",), tags=(label, "qwertz")),
        Track("2", "B", ("Nobody At All",)),
        Track("3", "C", ("Somebody Else",)),
    ).labels
    np.testing.assert_allclose(own, written(known, [label], [1.0]), rtol=1e-5)
    assert borrowed.tolist() == own.tolist()
    assert not stranger.any()


def test_a_songs_title_is_not_read() -> None:
    sea, rain = (
        songs(Track("1", title, ("Nobody At All",), year=1990)).features() for title in ("Sea", "Rain")
    )
    assert sea.tolist() == rain.tolist()


def test_audio_is_around_its_mean_and_a_song_without_any_has_none() -> None:
    quiet, loud, silent = songs(
        Track("1", "A", energy=0.14), Track("2", "A", energy=0.89), Track("3", "A")
    ).rest
    # Energy is the second feature, at 0.64 ± 0.25.
    assert [quiet[1], loud[1]] == pytest.approx([0.25 * -2, 0.25 * 1])
    assert [quiet[10], loud[10]] == pytest.approx([0.12 * 4, 0.12 * 1])
    assert quiet[[0, *range(2, 9)]].tolist() == [0.0] * 8
    assert not silent.any()


def test_features_without_the_artist_are_as_if_nothing_were_written_of_them() -> None:
    artist = tables.artists().keys[0]
    parts = songs(Track("1", "A", (artist,), tags=(tables.genres().keys[0],), year=1990))
    unknown = replace(parts, artists=np.zeros_like(parts.artists))
    assert parts.features(without_artist=True).tolist() == unknown.features().tolist()
    assert parts.features()[0, -2:].tolist() == [0.5, 0.5]
    assert unknown.features()[0, -2:].tolist() == [0.0, 0.5]


# --- what is written and what is predicted -------------------------------------------------------------------


def test_what_is_written_is_mixed_with_what_is_predicted_by_how_sure_it_is() -> None:
    offset = np.zeros(WIDTH + 2, dtype=np.float32)
    offset[[0, 1, WIDTH - 1, WIDTH]] = 0.5, 7.0, 0.4, 3.0
    nothing = np.zeros((1, WIDTH + 2), dtype=np.float16)
    model = LowRankRidge(np.zeros(1, dtype=np.float32), np.zeros((1, 1), dtype=np.float16), nothing, offset)
    values = np.zeros((2, WIDTH), dtype=np.float32)
    values[1, 0], values[1, -1] = 1.0, NAN
    known = tables.Profiles(("a", "b"), values, np.array([0.4, 0.75], dtype=np.float32), ("", "rain"))
    found = Predictor(model).join(np.zeros((2, 1), dtype=np.float32), {1: 1}, known, encode)
    # Predicted alone, cut to 0 … 1 and its meaning to length 1.
    assert found.profiles[0, [0, 1, 2, -1]].tolist() == pytest.approx([0.5, 1.0, 0.0, 0.4])
    assert found.meanings[0].tolist() == [1.0, 0.0]
    # Three quarters written, one predicted; what is not written of it is predicted alone.
    assert found.profiles[1, [0, 1, 2, -1]].tolist() == pytest.approx([0.875, 0.25, 0.0, 0.4])
    assert found.meanings[1].tolist() == pytest.approx([0.25 / 0.625**0.5, 0.75 / 0.625**0.5])
    assert found.sure.tolist() == [0.0, 0.75]
    assert found.joined.shape == (2, WIDTH + 2)
    assert found.joined[1, -2:].tolist() == found.meanings[1].tolist()
