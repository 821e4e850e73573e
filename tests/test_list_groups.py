"""What is the same for a person, and what comes last: made-up songs and films by hand."""

from __future__ import annotations

import pytest

from indexer.catalogue.records import Movie, Track
from indexer.features.columns import tabulate_movies, tabulate_tracks
from indexer.knowledge import tables
from indexer.list_groups import group_movies, group_songs, weigh_movies, weigh_songs


def song(title: str, *artists: str, album: str | None = None) -> Track:
    return Track("", title, artists, album=album)


def held_against(*songs: Track) -> list[float]:
    found: list[float] = weigh_songs(tabulate_tracks(songs)).tolist()
    return found


def known_song() -> tables.SongKey:
    """A song that is written about, with a title that tells it from others."""
    return next(key for key in tables.songs().keys if len(key.title) >= 12)


def test_recordings_and_first_artists_by_hand() -> None:
    groups = group_songs(
        tabulate_tracks(
            [
                song("Long Enough Title", "Ann"),
                song("Long enough title - Live", "Ann", "Bob"),
                song("Long Enough Title (2011 Remaster)", "Bob"),
                song("Short", "Ann"),
                song("Short", "Bob"),
                song("Short (Demo)", "Ann"),
                song("Long Enough Title"),
            ]
        )
    )
    # A long title is one song whoever sings it; a short one is as many songs as it has artists.
    assert groups[:, 0].tolist() == [0, 0, 0, 1, 2, 1, 0]
    assert groups[:, 1].tolist() == [0, 0, 1, 0, 1, 0, -1]


def test_a_title_that_is_all_tail_is_still_one() -> None:
    groups = group_songs(tabulate_tracks([song("(I Can't Get No)", "Ann"), song("(Another Title)", "Ann")]))
    assert groups[:, 0].tolist() == [0, 1]


def test_each_film_is_for_itself() -> None:
    films = [Movie("1", "Same", year=1990), Movie("2", "Same", year=1990)]
    assert group_movies(tabulate_movies(films)).tolist() == [[0, -1], [1, -1]]


def test_an_ordinary_song_has_nothing_held_against_it() -> None:
    key = known_song()
    assert (
        held_against(song("Qwertz", "Ann"), song(key.title, key.artist), song("Live and Let Qwertz", "Ann"))
        == [0] * 3
    )


@pytest.mark.parametrize(
    "imitation",
    [
        song("Qwertz (Karaoke Version)", "Ann"),
        song("Qwertz - In the Style of Bob", "Ann"),
        song("Qwertz", "Ann", album="A Tribute to Bob"),
        song("Qwertz", "The Piano Tribute Players"),
        song("Qwertz (String Quartet Version)", "Ann"),
        song("Qwertz", "Vitamin String Quartet"),
    ],
    ids=lambda one: f"{one.title} | {one.artists[0]} | {one.album}",
)
def test_imitations_come_last(imitation: Track) -> None:
    [against] = held_against(imitation)
    assert against >= 0.5


@pytest.mark.parametrize("tail", ["Live", "Remix", "Demo", "Sped Up", "Instrumental"])
def test_another_version_of_a_song_comes_a_little_later(tail: str) -> None:
    one, two = held_against(song(f"Qwertz - {tail}", "Ann"), song(f"Qwertz ({tail})", "Ann"))
    assert one == two
    assert 0.0 < one < 0.15


def test_a_cover_comes_later_than_a_song_that_is_known_by_somebody_else() -> None:
    key = known_song()
    cover, guest, original = held_against(
        song(key.title, "Nobody At All"),
        song(key.title, "Nobody At All", key.artist),
        song(key.title, key.artist),
    )
    [live] = held_against(song(f"{key.title} - Live", "Nobody At All"))
    assert cover > 0.0 == guest == original
    assert live > cover


def test_a_short_title_is_no_cover_of_another() -> None:
    short = next(key for key in tables.songs().keys if len(key.title) < 8)
    assert held_against(song(short.title, "Nobody At All")) == [0.0]


@pytest.mark.parametrize(
    ("film", "concert"),
    [
        (Movie("", "Qwertz: Live at Wembley", genres=("Music", "Documentary")), True),
        (Movie("", "Qwertz", genres=("Music", "Documentary"), keywords=("Concert",)), True),
        (Movie("", "Qwertz", genres=("Music",)), True),
        (Movie("", "Qwertz", genres=("Music", "Documentary"), keywords=("biography",)), False),
        (Movie("", "Qwertz: Live at Wembley", genres=("Documentary",)), False),
        (Movie("", "Qwertz: Live at Wembley", genres=("Music", "Drama")), False),
        (Movie("", "Qwertz: Live at Wembley"), False),
    ],
    ids=lambda value: f"{value.title} {value.genres}" if isinstance(value, Movie) else str(value),
)
def test_films_of_concerts_come_later(film: Movie, concert: bool) -> None:
    [against] = weigh_movies(tabulate_movies([film])).tolist()
    assert (against > 0.0) == concert
