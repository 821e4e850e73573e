"""Known soundtracks: what is given, known and stated of made-up films and songs, and what says nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from indexer.catalogue.records import Movie, Track
from indexer.errors import VersionDamaged
from indexer.features.columns import tabulate_movies, tabulate_tracks
from indexer.knowledge import tables
from indexer.soundtracks import FILE, SOURCES, Fact, Soundtracks, gather_soundtracks

FILM = Movie("film", "Qwertz Harbour", year=1990)


def gather(films: list[Movie], songs: list[Track], *given: tuple[int, int]) -> Soundtracks:
    rows: npt.NDArray[np.int64] = np.array(given, dtype=np.int64).reshape(-1, 2)
    return gather_soundtracks(tabulate_movies(films), tabulate_tracks(songs), rows)


def stated(song: Track, *films: Movie) -> list[tuple[int, str]]:
    """Films of one song, and where that is known from."""
    return [(fact.row, fact.source) for fact in gather(list(films) or [FILM], [song]).of("tracks", 0)]


def song(title: str = "Opening", album: str | None = None, year: int | None = 1990) -> Track:
    return Track("song", title, ("Nobody At All",), album=album, year=year)


@pytest.mark.parametrize(
    "said",
    [
        song(album="Qwertz Harbour (Original Motion Picture Soundtrack)"),
        song(album="Qwertz Harbour: Original Motion Picture Score"),
        song(album="Qwertz Harbour - The Complete Motion Picture Score"),
        song(album="Qwertz Harbour (Music from the Motion Picture Soundtrack)"),
        song(album="Music from the Motion Picture: Qwertz Harbour"),
        song('Love Song (From "Qwertz Harbour")'),
        song("Love Song - From “Qwertz Harbour”"),
        song('Love Song [Theme from the Film "Qwertz Harbour"]'),
        song("Theme from Qwertz Harbour"),
        song("Love Theme from Qwertz Harbour (Instrumental)"),
    ],
    ids=lambda one: f"{one.title} | {one.album}",
)
def test_what_albums_and_titles_say(said: Track) -> None:
    assert stated(said) == [(0, "catalogue")]


@pytest.mark.parametrize(
    "said",
    [
        song(album="Qwertz Harbour"),
        song("Qwertz Harbour"),
        song("Love Song from Qwertz Harbour"),
        song("Theme from Qwertz"),
        song(album="Asdf (Original Motion Picture Soundtrack)"),
    ],
    ids=lambda one: f"{one.title} | {one.album}",
)
def test_what_says_nothing(said: Track) -> None:
    assert stated(said) == []


@pytest.mark.parametrize(
    ("year", "fits"), [(1988, False), (1989, True), (1991, True), (1992, False), (None, False)]
)
def test_a_soundtrack_is_of_the_year_of_its_film_or_next_to_it(year: int | None, fits: bool) -> None:
    assert bool(stated(song("Theme from Qwertz Harbour", year=year))) == fits


def test_a_title_that_several_films_of_those_years_bear_says_nothing() -> None:
    theme = song("Theme from Qwertz Harbour")
    assert stated(theme, FILM, Movie("other", "Qwertz Harbour", year=1991)) == []
    assert stated(theme, Movie("other", "Qwertz Harbour", year=1960), FILM) == [(1, "catalogue")]
    # One film's title and original title are one film.
    assert stated(theme, Movie("film", "Qwertz Harbour", "Qwertz Harbour", 1990)) == [(0, "catalogue")]
    assert stated(theme, Movie("film", "Hafen", "Qwertz Harbour", 1990)) == [(0, "catalogue")]


def test_facts_of_the_knowledge_are_found_for_every_recording_of_the_song() -> None:
    fact = tables.soundtrack_facts()[0]
    film = Movie("film", fact.film.title, year=fact.film.year)
    songs = [Track(id, fact.song.title, (fact.song.artist,)) for id in ("one", "two")]
    songs.append(Track("other", fact.song.title, ("Nobody At All",)))
    found = gather([FILM, film], songs)
    assert found.of("movies", 1) == [Fact(0, "knowledge"), Fact(1, "knowledge")]
    assert found.of("tracks", 1) == [Fact(1, "knowledge")]
    assert list(found.of("tracks", 2)) == list(found.of("movies", 0)) == []


def test_each_pair_is_known_once_from_its_surest_source_and_the_surest_come_first() -> None:
    songs = [song("Theme from Qwertz Harbour"), song("Theme from Qwertz Harbour"), song("Something else")]
    found = gather([FILM], songs, (0, 2), (0, 1))
    assert found.of("movies", 0) == [Fact(1, "given"), Fact(2, "given"), Fact(0, "catalogue")]
    assert SOURCES == ("given", "knowledge", "catalogue")


def test_facts_read_back_as_they_were_written(tmp_path: Path) -> None:
    found = gather([FILM], [song("Theme from Qwertz Harbour")], (0, 0))
    found.write(tmp_path)
    again = Soundtracks.open(tmp_path)
    assert again.facts.tolist() == [[0, 0, 0]]
    assert again.of("tracks", 0) == [Fact(0, "given")]
    gather([FILM], [song()]).write(tmp_path)
    assert Soundtracks.open(tmp_path).facts.tolist() == []


def test_damage_is_named(tmp_path: Path) -> None:
    with pytest.raises(VersionDamaged, match=FILE):
        Soundtracks.open(tmp_path)
    (tmp_path / FILE).write_bytes(b"\x93NUMPY")
    with pytest.raises(VersionDamaged, match="cannot be read"):
        Soundtracks.open(tmp_path)
    np.save(tmp_path / FILE, np.zeros((2, 2), dtype=np.int32))
    with pytest.raises(VersionDamaged, match="not facts"):
        Soundtracks.open(tmp_path)
