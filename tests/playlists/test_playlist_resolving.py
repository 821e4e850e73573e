"""Lines are taken for the song that they mean, and for no other."""

from __future__ import annotations

import pytest

from indexer.catalogue_store import CatalogueStore
from indexer.playlists.likeness import (
    OTHER_RECORDING,
    compare_artists,
    compare_keys,
    compare_titles,
    take_apart,
    take_artists_apart,
)
from indexer.playlists.lines import read_line
from indexer.playlists.reading import read_playlist
from indexer.playlists.resolving import LEAST_CONFIDENCE, find_candidates, resolve

AFRICA = "6rqhFgbbKwnb9MLmUQDhG6"


@pytest.mark.parametrize(
    ("line", "id"),
    [
        ("TOTO – Africa", AFRICA),
        ("africa toto", AFRICA),
        ("Toto - Afrcia", AFRICA),
        ("Totto - Africa", AFRICA),
        ("Africa (Official Video) [HD] - Toto", AFRICA),
        ("Toto - Africa - Remastered 1999", AFRICA),
        ("Toto - Africa (feat. Somebody Else)", AFRICA),
        ("Toto feat. Somebody - Africa", AFRICA),
        ("03. AFRICA by TOTO (4:55)", AFRICA),
        ("Queen - Bohemian Rhapsody", "t1"),
        ("Bohemian Rhapsody - 2011 Remaster - Queen", "t1"),
        ("David Bowie & Queen – Under Pressure", "t2"),
        ("David Bowie - Under Pressure", "t2"),
        ("beyonce - crazy in love", "t5"),
        ("Jay-Z: Crazy in Love", "t5"),
        ("The Band of Two - Song (Part 1)", "t6"),
        ("Band of Two - Song, Pt. I", "t6"),
        ("Nena - 99 Luftballons", "t7"),
        ("99 Luftballons - Nena", "t7"),
        ("bjorn aesop - hvor er du na", "t10"),
        ("The Penguins - Earth Angel", "t11"),
        ("Bob Marley - No Woman No Cry", "t12"),
        ("Stand by Me by Ben E King", "t13"),
        ("stand by me ben e. king", "t13"),
        ("Daft Punk - Around the World", "t15"),
        ("Daft Punk - Around the World - Radio Edit", "t16"),
        ("YOASOBI 夜に駆ける", "t17"),
        ("Taylor Swift-Anti-Hero", "t18"),
        ("50 Cent - In Da Club", "t19"),
        ("12 50 Cent - In Da Club", "t19"),
    ],
)
def test_a_line_finds_its_song(songs: CatalogueStore, line: str, id: str) -> None:
    best = find_candidates(songs, read_line(1, line))[0]
    assert best.track.id == id
    assert best.confidence >= LEAST_CONFIDENCE


@pytest.mark.parametrize(
    ("line", "nearest"),
    [
        ("Jeff Buckley - Hallelujah", "t3"),  # another's song of that name
        ("Oasis - Wonderwall", "t4"),  # another recording
        ("Queen - Africa", AFRICA),  # the artist of one, the title of another
        ("The Band of Two - Song (Part 2)", "t6"),
        ("Nena - 98 Luftballons", "t7"),
        ("Yesterday", "t8"),  # of whom?
        ("Hard Time Killing Floor Blues", "t14"),  # there is one, but the artist is not said
        ("Daft Punk - Around the World (Motorbass Remix)", "t15"),
    ],
)
def test_what_is_not_there_is_not_found_but_the_nearest_is_named(
    songs: CatalogueStore, line: str, nearest: str
) -> None:
    best = find_candidates(songs, read_line(1, line))[0]
    assert best.track.id == nearest
    assert 0.3 <= best.confidence < LEAST_CONFIDENCE


def test_nonsense_has_no_candidates(songs: CatalogueStore) -> None:
    for line in ("qqqq - zzzz", "!!!", "\ud800x", "🎉🎉", "-", "a" * 5000):
        assert find_candidates(songs, read_line(1, line)) == []


def test_an_id_is_exact_and_goes_before_the_names(songs: CatalogueStore) -> None:
    text = (
        "Track URI,Track Name,Artist Name(s)\nspotify:track:t8,Africa,TOTO\n"
        "old1,x,y\nspotify:track:no,Africa,Toto\nno,q,z"
    )
    resolution = resolve(songs, read_playlist(text))
    assert [(one.entry.line, one.track.id, one.confidence) for one in resolution.resolved] == [
        (2, "t8", 1.0),
        (3, "t1", 1.0),
        (4, AFRICA, 1.0),
    ]
    assert [(one.entry.line, one.candidates) for one in resolution.unresolved] == [(5, ())]


def test_an_unknown_link_has_no_candidates(songs: CatalogueStore) -> None:
    resolution = resolve(songs, read_playlist("spotify:track:0000000000000000000000"))
    assert resolution.resolved == ()
    assert resolution.unresolved[0].candidates == ()


def test_duplicates_are_kept_once_and_counted(songs: CatalogueStore) -> None:
    text = (
        "Toto - Africa\nAfrica – TOTO\ntoto - africa\nspotify:track:old1\n"
        "Queen: Bohemian Rhapsody\nqq - zz\nQQ – zz\n"
    )
    resolution = resolve(songs, read_playlist(text))
    assert [(one.entry.line, one.track.id) for one in resolution.resolved] == [(1, AFRICA), (4, "t1")]
    assert [one.entry.line for one in resolution.unresolved] == [6]
    assert resolution.duplicates == 4


def test_candidates_are_few_and_in_order(songs: CatalogueStore) -> None:
    found = resolve(songs, read_playlist("Yesterday")).unresolved[0].candidates
    assert [(one.track.id, one.confidence) for one in found] == [("t8", 0.6), ("t9", 0.6)]


def test_titles_are_taken_apart() -> None:
    title = take_apart("Song (feat. Her) [Live] - Remastered 2011")
    assert (title.whole, title.core, title.recording, title.credits) == (
        "song live",
        "song",
        "live",
        ("Her",),
    )
    assert take_apart("(I Can't Get No) Satisfaction").whole == "i cant get no satisfaction"
    assert take_apart("Song feat. Him - Radio Edit").whole == "song"
    assert take_apart("Song - Con banda").recording == "con banda"
    assert take_apart("Live Forever").recording == ""
    assert take_apart("").whole == ""


@pytest.mark.parametrize(
    ("one", "other", "likeness"),
    [
        ("Africa", "AFRICA!", 1.0),
        ("Song - Live", "Song", OTHER_RECORDING),
        ("Song", "Song (Somebody Remix)", OTHER_RECORDING),
        ("Long Title Here", "Long Titel Here", 0.95),
        ("Earth Angel", "Earth Angel (Will You Be Mine)", 0.93),
        ("Song - Remasterd 2011", "Song", 1.0),
    ],
)
def test_titles_are_compared(one: str, other: str, likeness: float) -> None:
    assert compare_titles(take_apart(one), take_apart(other)) == pytest.approx(likeness)
    assert compare_titles(take_apart(other), take_apart(one)) == pytest.approx(likeness)


@pytest.mark.parametrize(
    ("one", "other"),
    [("part 1", "part 2"), ("symphony no 5", "symphony no 6"), ("rocky ii", "rocky iii"), ("1 2", "2 1")],
)
def test_other_numbers_make_other_names(one: str, other: str) -> None:
    assert compare_keys(one, other) <= 0.5


def test_roman_numbers_are_numbers() -> None:
    assert compare_titles(take_apart("Song, Part II"), take_apart("Song (Pt. 2)")) == 0.9
    assert compare_titles(take_apart("Song, Part II"), take_apart("Song (Pt. 3)")) < LEAST_CONFIDENCE
    assert compare_keys("x", "") == 0.0


def test_artists_are_compared_in_any_order() -> None:
    def compare(wanted: str, *found: str) -> float:
        return compare_artists(take_artists_apart(wanted), tuple(map(take_artists_apart, found)))

    assert compare("Queen", "Queen", "David Bowie") == 1.0
    assert compare("Queen, David Bowie", "Queen", "David Bowie") == 1.0
    assert compare("David Bowie;Queen", "Queen", "David Bowie") == 0.97
    assert compare("Simon & Garfunkel", "Simon & Garfunkel") == 1.0
    assert compare("Prince", "Prince & The Revolution") == 0.92
    assert compare("The Beatles", "Beatles") == 1.0
    assert compare("Adele", "John Lennon") < 0.3
    assert compare("Adele") == 0.0


def test_the_store_recalls_rows_with_their_keys(songs: CatalogueStore) -> None:
    found = {row.row: row for row in songs.recall("tracks", "under presure queen", 3)}
    assert 2 in found
    assert len(found) <= 3
    assert found[2].titles == ("under pressure",)
    assert found[2].people == ("queen", "david bowie", "queen david bowie")
    assert songs.recall("tracks", "", 3) == []
    assert songs.recall("tracks", "africa", 0) == []
