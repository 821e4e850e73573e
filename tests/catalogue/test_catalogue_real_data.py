from __future__ import annotations

from pathlib import Path

import pytest

from indexer.catalogue import Catalogue, read_catalogue

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FILES = [DATA / name for name in ("movies_19k.csv", "tracks_82k.csv", "soundtracks.csv")]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    missing = [path.name for path in FILES if not path.exists()]
    if missing:
        pytest.skip(f"real data not at hand: {', '.join(missing)}")
    return read_catalogue(FILES[0], FILES[1], FILES[2])


def test_the_public_films_and_songs_are_read_without_loss(catalogue: Catalogue) -> None:
    movies, tracks, pairs = (catalogue.report.files[name] for name in ("movies", "tracks", "soundtracks"))
    assert (movies.rows_read, movies.rows_kept) == (18_631, 18_571)
    assert {
        name: rule.count for name, rule in movies.rules.items() if rule.action == "drop" and rule.count
    } == {
        "missing_genres": 53,
        "not_released": 7,
    }
    assert (tracks.rows_read, tracks.rows_kept) == (81_982, 81_982)
    assert (pairs.rows_read, pairs.rows_kept) == (925, 924)


def test_a_film_with_line_breaks_in_its_overview_is_whole(catalogue: Catalogue) -> None:
    film = catalogue.movies.set_index("id").loc["40969"]
    assert film["title"] == "Terror Train"
    assert " Riding the coattails " in film["overview"]
    assert "\n" not in film["overview"]
