"""Playlists of every layout become the same entries."""

from __future__ import annotations

import pytest

from indexer.errors import BadPlaylist
from indexer.playlists.entries import Reading
from indexer.playlists.lines import list_readings, read_line, strip_frame
from indexer.playlists.m3u import is_m3u, read_path
from indexer.playlists.reading import MAX_LINES, MAX_PLAYLIST, decode, read_playlist
from indexer.playlists.tables import find_delimiter

AFRICA = "6rqhFgbbKwnb9MLmUQDhG6"


def first(text: str) -> Reading:
    return read_line(1, text).readings[0]


@pytest.mark.parametrize(
    "line",
    [
        "Toto - Africa",
        "Toto – Africa",
        "Toto — Africa",
        "Toto—Africa",
        "Toto\tAfrica",
        "Toto: Africa",
        "Toto | Africa",
        "01. Toto - Africa",
        "1) Toto - Africa",
        "[12] Toto - Africa",
        "07 - Toto - Africa",
        "#3 Toto - Africa",
        "• Toto - Africa",
        "- Toto - Africa",
        "Toto - Africa (4:55)",
        "Toto - Africa [4:55]",
        "Toto - Africa 4:55",
        "Toto - Africa - 1:04:55",
        "0:00 Toto - Africa",
        "1:02:03 - Toto - Africa",
        '"Toto - Africa"',
        '"Toto" - "Africa"',
        "Toto - “Africa”",
        "\u200bToto\u00a0-\u00a0Africa\ufeff",
        "Toto_-_Africa",
        "Toto, Africa",
        "Toto -Africa",
    ],
)
def test_a_line_names_artist_and_title(line: str) -> None:
    assert first(line).title == "Africa"
    assert first(line).artist == "Toto"


def test_title_by_artist_reads_the_title_first() -> None:
    assert first("Africa by Toto") == Reading("Africa", "Toto", 1.0)


def test_either_side_of_a_dash_may_be_the_title() -> None:
    assert list_readings("Nena - 99 Luftballons") == (
        Reading("99 Luftballons", "Nena", 1.0),
        Reading("Nena", "99 Luftballons", 0.995),
        Reading("Nena - 99 Luftballons", "", 0.93),
    )


def test_a_title_keeps_its_hyphens_and_dashes() -> None:
    assert first("Taylor Swift - Anti-Hero") == Reading("Anti-Hero", "Taylor Swift", 1.0)
    readings = {(r.title, r.artist) for r in read_line(1, "Oasis – Wonderwall - Live").readings}
    assert ("Wonderwall - Live", "Oasis") in readings


def test_a_number_that_may_be_the_names_own_is_read_both_ways() -> None:
    readings = {(r.title, r.artist) for r in read_line(1, "50 Cent - In Da Club").readings}
    assert {("In Da Club", "50 Cent"), ("In Da Club", "Cent")} <= readings
    assert strip_frame("7:11 - Beyoncé") != ""


@pytest.mark.parametrize(
    "line",
    [
        f"spotify:track:{AFRICA}",
        f"https://open.spotify.com/track/{AFRICA}",
        f"https://open.spotify.com/track/{AFRICA}?si=0a1b2c",
        f"http://open.spotify.com/intl-de/track/{AFRICA}",
        f"open.spotify.com/embed/track/{AFRICA}",
        AFRICA,
    ],
)
def test_a_spotify_link_or_id_is_an_id(line: str) -> None:
    assert read_line(4, line).id == AFRICA
    assert read_line(4, line).line == 4


def test_a_local_file_of_spotify_is_read_by_its_names() -> None:
    entry = read_line(1, "spotify:local:The+Band:An+Album:Some+Song%21:211")
    assert entry.readings == (Reading("Some Song!", "The Band", 1.0),)
    assert entry.id == ""


def test_lines_count_from_one_and_comments_and_blanks_are_left_out() -> None:
    text = (
        "\ufeff# my list\r\n\r\nToto - Africa\r\n   \r\n----\r\n// more\r\nNena - 99 Luftballons\r\n#nicelist"
    )
    assert [(e.line, e.text) for e in read_playlist(text)] == [
        (3, "Toto - Africa"),
        (7, "Nena - 99 Luftballons"),
    ]


def test_a_song_that_begins_with_a_number_sign_is_no_comment() -> None:
    assert [e.text for e in read_playlist("#41 - Dave Matthews Band")] == ["#41 - Dave Matthews Band"]


EXPORTIFY = (
    '\ufeff"Track URI","Track Name","Artist URI(s)","Artist Name(s)","Album Name","Track Duration (ms)"\r\n'
    f'"spotify:track:{AFRICA}","Africa","spotify:artist:1","TOTO","Toto IV","295893"\r\n'
    '"spotify:local:Someone::A+Song:10","A, ""quoted"" Song","","Someone,Another","",""\r\n'
    "\r\n"
)


def test_exportify_is_read_by_its_columns() -> None:
    one, other = read_playlist(EXPORTIFY)
    assert (one.line, one.id, one.text) == (2, AFRICA, "TOTO – Africa")
    assert one.readings == (Reading("Africa", "TOTO"),)
    assert (other.line, other.readings) == (3, (Reading('A, "quoted" Song', "Someone,Another"),))


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("title,artist\na,b", ","),
        ("Artist;Title\na;b", ";"),
        ("Song\tArtist\tAlbum\nx\ty\tz", "\t"),
        ("artist|track name\na|b", "|"),
        ("Track URI,Added At\nspotify:track:1,2020", ","),
        ("Toto, Africa\nQueen, Radio Ga Ga", ""),
        ("Title\nAfrica", ""),
        ("Song for You - Artist Band", ""),
    ],
)
def test_a_table_is_told_by_the_names_of_its_columns(text: str, delimiter: str) -> None:
    assert find_delimiter(text) == delimiter


def test_a_table_may_break_lines_in_cells_and_lack_cells() -> None:
    entries = read_playlist('artist,title,note\nToto,Africa,"two\nlines"\nNena\n')
    assert [(e.line, e.text) for e in entries] == [(2, "Toto – Africa"), (4, "Nena")]


def test_quoted_cells_without_header_are_told_apart() -> None:
    entry = read_playlist('"Toto","Africa"\n')[0]
    assert entry.readings[0] == Reading("Africa", "Toto", 1.0)


M3U = """#EXTM3U
#EXTINF:295,Toto - Africa
C:\\Music\\Toto\\Toto IV\\03 - Africa.mp3
#EXTINF:-1 tvg-id="x" group-title="a, b",Nena - 99 Luftballons
nena.mp3
#EXTINF:10,Yesterday
#EXTART:The Beatles
beatles/yesterday.flac
../Daft Punk/Homework/07_Around_the_World.mp3
"""


def test_an_m3u_is_read_by_what_describes_its_files() -> None:
    entries = read_playlist(M3U)
    assert [(e.line, e.readings[0].title, e.readings[0].artist) for e in entries[:3]] == [
        (2, "Africa", "Toto"),
        (4, "99 Luftballons", "Nena"),
        (6, "Yesterday", "The Beatles"),
    ]
    assert entries[3].line == 9
    assert Reading("Around the World", "Daft Punk", 0.97) in entries[3].readings
    assert len(entries) == 4


def test_an_m3u_without_header_is_told_by_its_files() -> None:
    assert is_m3u("music/Toto - Africa.mp3\nb.flac\n")
    assert not is_m3u("Toto - Africa\nmp3 - a song\nQueen - Killer Queen")
    paths = read_playlist("/music/Toto - Africa.mp3\nhttp://host/a/Nena%20-%2099%20Luftballons.ogg?x=1\n")
    assert [(e.readings[0].title, e.readings[0].artist) for e in paths] == [
        ("Africa", "Toto"),
        ("99 Luftballons", "Nena"),
    ]


def test_a_path_keeps_what_it_says() -> None:
    entry = read_path(3, "D:\\Music\\TOTO\\Toto IV\\10 Africa.mp3")
    assert entry.text == "D:\\Music\\TOTO\\Toto IV\\10 Africa.mp3"
    assert {("Africa", "TOTO"), ("Africa", "Toto IV")} <= {(r.title, r.artist) for r in entry.readings}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("Beyoncé – Halo".encode(), "Beyoncé – Halo"),
        ("\ufeffBeyoncé".encode(), "Beyoncé"),
        ("Beyoncé – Halo".encode("utf-16"), "Beyoncé – Halo"),
        ("Beyoncé – Halo".encode("cp1252"), "Beyoncé – Halo"),
    ],
)
def test_files_are_decoded(data: bytes, text: str) -> None:
    assert decode(data) == text


@pytest.mark.parametrize(
    "data",
    [b"\x89PNG\r\n\x1a\n\x00\x00", b"PK\x03\x04abc", b"%PDF-1.7\n", b"\xff\xfb\x90d\x00\x01", b"\x81\x8d"],
)
def test_a_binary_file_is_refused(data: bytes) -> None:
    with pytest.raises(BadPlaylist, match="binary file"):
        decode(data)


def test_text_with_control_characters_is_refused() -> None:
    with pytest.raises(BadPlaylist, match="binary file") as raised:
        read_playlist("Toto\x00 - Africa")
    assert raised.value.field == "playlist"


def test_limits_are_kept() -> None:
    assert read_playlist("a - b\n" * MAX_LINES)[-1].line == MAX_LINES
    with pytest.raises(BadPlaylist, match="more than 1,000 songs"):
        read_playlist("a - b\n" * (MAX_LINES + 1))
    with pytest.raises(BadPlaylist, match="1,000,001 characters"):
        read_playlist("a" * (MAX_PLAYLIST + 1))


@pytest.mark.parametrize("text", ["", "\n \r\n", "# a\n// b\n***", "title,artist\n", "#EXTM3U\n"])
def test_a_playlist_without_songs_is_refused(text: str) -> None:
    with pytest.raises(BadPlaylist, match="no song in it"):
        read_playlist(text)


@pytest.mark.parametrize("text", ["title,artist\n" + "x" * 200_000, 'title,artist\n"' + "a\n" * 100_000])
def test_a_table_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadPlaylist, match="line 2 cannot be read as a table"):
        read_playlist(text)


@pytest.mark.parametrize(
    "line",
    [
        "-" * 5000 + "a",
        "a - " * 900,
        ": " * 500 + "x",
        "by " * 900,
        "(" * 3000 + "a",
        "\t" * 50 + "a",
        "0:00",
        "12.",
    ],
)
def test_odd_lines_are_read(line: str) -> None:
    entry = read_line(1, line)
    assert 1 <= len(entry.readings) <= 28
    assert len(entry.text) <= 300
