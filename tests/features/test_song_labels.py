"""What is said of songs, and what they borrow from their artists' other songs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from indexer.catalogue.records import TRACK_COLUMNS
from indexer.features.song_labels import artist_names, gather_labels, gather_years, mean_vectors

NAN = float("nan")


def make_tracks(*rows: dict[str, Any]) -> pd.DataFrame:
    empty = {name: None if kind in ("many", "text") else NAN for name, kind in TRACK_COLUMNS.items()}
    return pd.DataFrame([{**empty, **row} for row in rows], columns=list(TRACK_COLUMNS))


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("Amy| BOB |Cé", ["amy", "bob", "cé"]),
        ("Amy||Bob", ["amy", "bob"]),
        ("A|B|C|Guest", ["a", "b", "c"]),
        ("", []),
        (None, []),
        (NAN, []),
    ],
)
def test_the_first_three_artists_are_named(cell: object, names: list[str]) -> None:
    assert artist_names(cell) == names


def test_a_songs_own_labels_are_its_tags_and_then_its_genres_each_once() -> None:
    [labels] = gather_labels(make_tracks({"artists": "Amy", "tags": "Sad|slow|SAD", "genres": "Slow|Folk"}))
    assert labels == ("sad", "slow", "folk")


def test_a_song_borrows_the_commonest_labels_of_its_artists_other_songs() -> None:
    labels = gather_labels(
        make_tracks(
            {"artists": "Amy", "genres": "folk", "tags": "sad"},
            {"artists": "amy|Bob", "genres": "Folk", "tags": "live"},
            {"artists": "AMY"},
            {"artists": "Bob", "tags": "odd"},
            {"artists": "Cy"},
            {"artists": None, "tags": "lone"},
            {"artists": None},
        )
    )
    # Amy's songs say folk twice; ties go by the alphabet.
    assert labels[2] == ("folk", "live", "sad")
    assert labels[0] == ("sad", "folk", "live")
    # Of both artists together: folk 3 times, live twice, odd and sad once; its own come first.
    assert labels[1] == ("live", "folk", "odd", "sad")
    assert labels[3] == ("odd", "folk", "live")
    assert labels[4] == ()
    # Songs without an artist are not by the same one.
    assert labels[5] == ("lone",)
    assert labels[6] == ()


def test_guests_neither_lend_nor_borrow() -> None:
    labels = gather_labels(
        make_tracks({"artists": "A|B|C|Guest", "tags": "loud"}, {"artists": "Guest"}, {"artists": "C"})
    )
    assert labels == [("loud",), (), ("loud",)]


def test_an_artist_named_twice_lends_once() -> None:
    labels = gather_labels(
        make_tracks(
            {"artists": "Amy|amy", "tags": "zither"}, {"artists": "Amy", "tags": "flute"}, {"artists": "Amy"}
        )
    )
    assert labels[2] == ("flute", "zither")


def test_the_order_of_rows_says_nothing() -> None:
    rows = [
        {"artists": "Amy", "tags": "zither|flute"},
        {"artists": "Amy", "tags": "flute|zither|harp"},
        {"artists": "Amy"},
    ]
    assert gather_labels(make_tracks(*rows)) == gather_labels(make_tracks(*rows[::-1]))[::-1]


def test_no_song_takes_too_many() -> None:
    own = "|".join(f"own {number:02}" for number in range(20))
    lent = "|".join(f"lent {number:02}" for number in range(20))
    labels = gather_labels(
        make_tracks(
            {"artists": "Amy", "tags": own},
            {"artists": "Bob", "tags": lent},
            {"artists": "Bob"},
        )
    )
    assert labels[0] == tuple(f"own {number:02}" for number in range(14))
    assert labels[2] == tuple(f"lent {number:02}" for number in range(12))


def test_a_year_is_the_songs_own_else_its_decades_middle_else_its_artists_median() -> None:
    years = gather_years(
        make_tracks(
            {"artists": "Amy", "year": 1971, "decade": 1980},
            {"artists": "Amy", "decade": 1980},
            {"artists": "Amy|Bob", "year": 1999},
            {"artists": "Amy"},
            {"artists": "Amy|Bob"},
            {"artists": "Cy"},
            {"artists": None},
        )
    )
    assert years[:3].tolist() == [1971, 1985, 1999]
    # Amy's median is 1985 and Bob's 1999; a song of both is between them.
    assert years[3:5].tolist() == [1985, 1992]
    assert np.isnan(years[5:]).tolist() == [True, True]


def test_a_guessed_year_does_not_spread_further() -> None:
    years = gather_years(
        make_tracks({"artists": "Amy", "year": 1960}, {"artists": "Amy|Bob"}, {"artists": "Bob"})
    )
    assert years[:2].tolist() == [1960, 1960]
    assert np.isnan(years[2])


def test_labels_mean_the_mean_of_their_vectors() -> None:
    vectors = {"sad": np.array([1, 0], dtype=np.float32), "slow": np.array([0, 3], dtype=np.float32)}
    means = mean_vectors([("sad", "slow"), (), ("sad",), ("sad", "sad", "slow")], vectors, 2)
    np.testing.assert_allclose(means, np.array([[0.5, 1.5], [0, 0], [1, 0], [2 / 3, 1]]), rtol=1e-6)
    assert means.dtype == np.float32


def test_a_label_without_a_vector_is_an_error() -> None:
    with pytest.raises(KeyError, match="loud"):
        mean_vectors([("loud",)], {}, 2)
