"""Known pairs: means of partners by hand, and the pairs that a catalogue has both sides of."""

from __future__ import annotations

import numpy as np

from indexer.catalogue.records import Movie, Track
from indexer.features.columns import tabulate_movies, tabulate_tracks
from indexer.feel_pairs import KnownPairs, find_feel_pairs
from indexer.knowledge import tables


def pairs_of(*pairs: tuple[int, int, float]) -> KnownPairs:
    rows = np.array([pair[:2] for pair in pairs], dtype=np.int64).reshape(-1, 2)
    return KnownPairs(rows, np.array([pair[2] for pair in pairs], dtype=np.float64))


def film_of(pair: tables.Pair, id: str = "film", later: int = 0) -> Movie:
    return Movie(id, pair.film.title, year=pair.film.year + later)


def song_of(pair: tables.Pair, id: str = "song", popularity: float | None = None) -> Track:
    return Track(id, pair.song.title, (pair.song.artist,), popularity=popularity)


def find(films: list[Movie], songs: list[Track]) -> dict[tuple[int, int], float]:
    found = find_feel_pairs(tabulate_movies(films), tabulate_tracks(songs))
    return {
        (film, song): weight
        for (film, song), weight in zip(found.rows.tolist(), found.weights.tolist(), strict=True)
    }


def test_the_mean_of_partners_is_weighed_and_zeros_for_an_item_without_any() -> None:
    pairs = pairs_of((0, 0, 1.0), (0, 1, 3.0), (2, 1, 0.5))
    songs = np.array([[4, 0], [0, 8]], dtype=np.float32)
    # A quarter of the first and three quarters of the second; nothing; the second alone.
    assert pairs.means("movies", 3, songs).tolist() == [[1.0, 6.0], [0.0, 0.0], [0.0, 8.0]]
    films = np.array([[1, 0], [0, 0], [0, 7]], dtype=np.float32)
    found = pairs.means("tracks", 2, films)
    np.testing.assert_allclose(found, [[1.0, 0.0], [6 / 7, 1.0]], rtol=1e-6)
    assert found.dtype == np.float32


def test_no_pairs_are_no_partners() -> None:
    assert pairs_of().means("movies", 2, np.ones((3, 2), dtype=np.float32)).tolist() == [[0, 0], [0, 0]]


def test_pairs_are_joined() -> None:
    joined = pairs_of((0, 5, 1.0)).join(pairs_of((2, 3, 0.35), (0, 5, 0.5)))
    assert joined.rows.tolist() == [[0, 5], [2, 3], [0, 5]]
    assert joined.weights.tolist() == [1.0, 0.35, 0.5]


def test_a_pair_is_found_where_both_sides_are_there_and_counts_by_its_strength() -> None:
    pair = tables.feel_pairs()[0]
    nobody = Track("x", "Qwertz Harbour", ("Nobody At All",))
    assert find([Movie("x", "Qwertz Harbour", year=1990), film_of(pair)], [nobody, song_of(pair)]) == {
        (1, 1): pair.strength / 3
    }
    assert (
        find([film_of(pair)], [nobody])
        == find([Movie("x", "Qwertz Harbour", year=1990)], [song_of(pair)])
        == {}
    )


def test_a_film_is_found_in_the_years_around_its_own_and_in_no_other() -> None:
    pairs = tables.feel_pairs()
    years: dict[str, set[int]] = {}
    for pair in pairs:
        years.setdefault(pair.film.title, set()).add(pair.film.year)
    pair = next(pair for pair in pairs if len(years[pair.film.title]) == 1)
    for later, found in ((-2, 0), (-1, 1), (0, 1), (1, 1), (2, 0)):
        assert len(find([film_of(pair, later=later)], [song_of(pair)])) == found
    assert find([Movie("film", pair.film.title)], [song_of(pair)]) == {}


def test_of_several_recordings_the_best_known_counts() -> None:
    pair = tables.feel_pairs()[0]
    songs = [song_of(pair, "a", 10.0), song_of(pair, "b", 60.0), song_of(pair, "c"), song_of(pair, "d", 60.0)]
    assert list(find([film_of(pair)], songs)) == [(0, 1)]


def test_all_songs_of_one_film_are_found() -> None:
    first = tables.feel_pairs()[0].film
    pairs = [pair for pair in tables.feel_pairs() if pair.film == first]
    found = find([film_of(pairs[0])], [song_of(pair, str(place)) for place, pair in enumerate(pairs)])
    assert found == {(0, place): pair.strength / 3 for place, pair in enumerate(pairs)}
