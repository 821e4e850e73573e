from __future__ import annotations

from math import log, sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from indexer.catalogue.catalogue import read_catalogue
from indexer.features.names import NameTerms, SparseRows, name_terms

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def films(*titles: str, overview: list[str | None] | None = None, keywords: str = "") -> pd.DataFrame:
    mentions = overview or [None] * len(titles)
    return pd.DataFrame({"title": titles, "overview": mentions, "keywords": [keywords] * len(titles)})


def songs(*titles: str, artists: str = "", album: list[str | None] | None = None) -> pd.DataFrame:
    albums = album or [None] * len(titles)
    return pd.DataFrame({"title": titles, "artists": [artists] * len(titles), "album": albums})


def weights(names: NameTerms, rows: SparseRows, row: int) -> dict[str, float]:
    part = slice(rows.indptr[row], rows.indptr[row + 1])
    columns, values = rows.columns[part].tolist(), rows.values[part].tolist()
    return {names.terms[column]: value for column, value in zip(columns, values, strict=True)}


def test_a_small_catalogue_by_hand() -> None:
    movies = films("Purple Rain", "Dry Land", overview=[None, "Rain"])
    tracks = pd.DataFrame(
        {"title": ["Purple Rain", "Prince"], "artists": ["Prince", "Nobody"], "album": [None, float("nan")]}
    )
    names = name_terms(movies, tracks)
    # Of four items two have "purple", "purple rain" and "prince", three have "rain"; the rest is seen once.
    two, three = log(4 / 3) + 1, log(4 / 4) + 1
    assert list(names.terms) == ["purple", "purple rain", "rain"]
    film = sqrt(2 * two**2 + three**2)
    expected = {"purple": two / film, "purple rain": two / film, "rain": three / film}
    assert weights(names, names.movies, 0) == pytest.approx(expected)
    assert weights(names, names.movies, 1) == pytest.approx({"rain": 1.0})
    # "prince" is no film's word: it is dropped, yet has its share in the length.
    song = sqrt(3 * two**2 + three**2)
    expected = {"purple": two / song, "purple rain": two / song, "rain": three / song}
    assert weights(names, names.tracks, 0) == pytest.approx(expected)
    assert weights(names, names.tracks, 1) == {}


def test_arrays_are_of_the_stated_kinds() -> None:
    names = name_terms(films("Purple Rain", "Dry"), songs("Rain", "Purple", "Wet"))
    assert list(names.terms) == ["purple", "rain"]
    for rows, indptr, columns in (
        (names.movies, [0, 2, 2], [0, 1]),
        (names.tracks, [0, 1, 2, 2], [1, 0]),
    ):
        assert rows.indptr.tolist() == indptr
        assert rows.columns.tolist() == columns
        assert (rows.indptr.dtype, rows.columns.dtype, rows.values.dtype) == (np.int64, np.int32, np.float32)
        assert rows.n_columns == 2


def test_a_films_title_counts_more_than_what_it_mentions() -> None:
    names = name_terms(
        films("Rain", overview=["Purple"], keywords="prince"), songs("Rain", "Purple", "Prince")
    )
    length = sqrt(1 + 0.3**2 + 0.3**2)
    assert weights(names, names.movies, 0) == pytest.approx(
        {"rain": 1 / length, "purple": 0.3 / length, "prince": 0.3 / length}
    )


def test_repetition_is_damped() -> None:
    names = name_terms(films("Rain", "Purple"), songs("Rain", album=["Purple / Rain and Rain"]))
    found = weights(names, names.tracks, 0)
    # Both words are in two of three items, so that the idf cancels.
    assert found["rain"] / found["purple"] == pytest.approx(1 + log(3))


@pytest.mark.parametrize("joint", ["|", " ; "])
def test_no_pair_reaches_across_separated_values(joint: str) -> None:
    movies = films("Purple Rain", "More Purple Rain")
    assert list(name_terms(movies, songs("x", artists=f"Purple{joint}Rain")).terms) == ["purple", "rain"]
    assert list(name_terms(movies, songs("x", artists="Purple Rain")).terms) == [
        "purple",
        "purple rain",
        "rain",
    ]


def test_function_words_count_only_beside_another_word() -> None:
    names = name_terms(films("The X of the Wall"), songs("the x of the wall"))
    assert list(names.terms) == ["the wall", "the x", "wall", "x of"]


@pytest.mark.parametrize(
    ("one", "other", "terms"),
    [
        ("ÉTOILÉ", "étoilé", ["etoile"]),
        ("Ørsted’s", "Orsted's", ["orsteds"]),
        ("WALL·E", "Walle", ["walle"]),
        ("1939–1945", "1939 1945", ["1939", "1939 1945", "1945"]),
        ("Москва", "МОСКВА", ["москва"]),
    ],
)
def test_spellings_that_are_one_name(one: str, other: str, terms: list[str]) -> None:
    assert list(name_terms(films(one), songs(other)).terms) == terms


def mentions(count: int, size: int) -> pd.DataFrame:
    """Films of which the first ``count`` mention "common"."""
    overview = ["common" if place < count else None for place in range(size)]
    return films(*[f"title{place}" for place in range(size)], overview=overview)


@pytest.mark.parametrize(("size", "most"), [(40, 20), (1050, 21)])
def test_common_mentions_are_dropped(size: int, most: int) -> None:
    tracks = songs("Common")
    kept = name_terms(mentions(most, size), tracks)
    assert kept.terms == ["common"]
    assert np.diff(kept.movies.indptr).tolist() == [1] * most + [0] * (size - most)
    assert name_terms(mentions(most + 1, size), tracks).terms == []


def test_a_title_keeps_a_common_word() -> None:
    movies = mentions(30, 1050)
    movies.loc[40, "title"] = "Common"
    names = name_terms(movies, songs("Common"))
    assert names.terms == ["common"]
    assert np.flatnonzero(np.diff(names.movies.indptr)).tolist() == [40]
    assert weights(names, names.movies, 40) == pytest.approx({"common": 1.0})


def test_a_word_of_many_songs_is_dropped() -> None:
    movies = films("Chorus", "Verse")
    tracks = songs(*["chorus"] * 21, *["verse"] * 20, *["other"] * 20)
    assert name_terms(movies, tracks).terms == ["verse"]


def test_the_same_tables_give_the_same_bytes() -> None:
    movies, tracks = films("Purple Rain", "The Wall", "Home"), songs("Home", "Wall of Rain", "The Wall")
    one, other = name_terms(movies, tracks), name_terms(movies, tracks)
    assert one.terms == other.terms == ["home", "rain", "the wall", "wall"]
    for first, second in ((one.movies, other.movies), (one.tracks, other.tracks)):
        assert first.values.tobytes() == second.values.tobytes()
        assert first.columns.tobytes() == second.columns.tobytes()


def test_nothing_shared_gives_an_empty_vocabulary() -> None:
    names = name_terms(films("Home"), songs("Away"))
    assert names.terms == []
    assert names.movies.indptr.tolist() == [0, 0]
    assert name_terms(films("", "?!"), songs("…")).terms == []


def test_transposed_has_rows_by_column() -> None:
    rows = SparseRows(
        np.array([0, 2, 2, 3]), np.array([0, 2, 2], np.int32), np.array([1, 2, 3], np.float32), 4
    )
    turned = rows.transposed()
    assert turned.indptr.tolist() == [0, 1, 1, 3, 3]
    assert turned.columns.tolist() == [0, 0, 2]
    assert turned.values.tolist() == [1, 2, 3]
    assert turned.n_columns == 3


@pytest.mark.skipif(not (DATA / "tracks_82k.csv").is_file(), reason="the shared data sets are not here")
def test_a_soundtrack_album_names_its_film() -> None:
    catalogue = read_catalogue(DATA / "movies_19k.csv", DATA / "tracks_82k.csv")
    names = name_terms(catalogue.movies, catalogue.tracks)
    film = catalogue.movies["title"].tolist().index("Purple Rain")
    dense = np.zeros(names.movies.n_columns, np.float32)
    for term, value in weights(names, names.movies, film).items():
        dense[names.terms.index(term)] = value
    owners = np.repeat(np.arange(names.tracks.n_rows), np.diff(names.tracks.indptr))
    scores = np.bincount(owners, dense[names.tracks.columns] * names.tracks.values, len(catalogue.tracks))
    first = catalogue.tracks.iloc[np.argsort(-scores)[:4]]
    assert set(first["title"]) == {"Take Me with U", "Purple Rain", "I Would Die 4 U", "When Doves Cry"}
