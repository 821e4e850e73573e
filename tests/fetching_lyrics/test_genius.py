"""Lyrics from Genius against a stand-in: the right song, every way to fail, and runs that go on where they ended."""

from __future__ import annotations

import csv
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from indexer.errors import ConfigError, FetchFailed
from indexer.fetching import genius as module
from indexer.fetching.genius import (
    FAILURES,
    TERMS,
    GeniusLyrics,
    LyricsTally,
    Song,
    fetch_lyrics,
    refuse_folder,
)

if TYPE_CHECKING:
    from conftest import StandIn

ROOT = Path(__file__).resolve().parents[2]
OpenSource = Callable[..., GeniusLyrics]

SONG = Song("s1", "Rain", ("Ann", "Bob"))
LYRICS = "Walking in the rain\nagain\nOh & oh"


def words(text: str) -> list[str]:
    return text.split()


def failures(folder: Path) -> dict[str, str]:
    with (folder / FAILURES).open(encoding="utf-8", newline="") as file:
        return {line["id"]: line["reason"] for line in csv.DictReader(file)}


# --- one song ------------------------------------------------------------------------------------------------


def test_lyrics_are_found_and_headings_left_out(genius: StandIn, open_source: OpenSource) -> None:
    genius.add("Other", "Ann")
    genius.add("Rain", "Cover Band")
    genius.add("Rain", "Ann")
    assert words(open_source().find(SONG)) == words(LYRICS)
    assert genius.queries == ["Rain Ann"]
    assert genius.keys == ["Bearer a-key-of-ones-own"]


@pytest.mark.parametrize(
    ("ours", "theirs", "by"),
    [
        ("Rain - Remastered 2011", "Rain", "Ann"),
        ("Rain (feat. Zoe)", "Rain", "Ann & Zoe"),
        ("RAIN", "Raín", "ANN"),
        ("Rain - Live", "Rain (Live)", "Bob"),
    ],
)
def test_a_title_means_the_same_song_whatever_stands_behind_it(
    genius: StandIn, open_source: OpenSource, ours: str, theirs: str, by: str
) -> None:
    genius.add(theirs, by)
    assert words(open_source().find(Song("s1", ours, ("Ann", "Bob")))) == words(LYRICS)


@pytest.mark.parametrize(
    ("title", "artist", "more", "said"),
    [
        ("Rainbow", "Ann", {}, "no song of this title and artist"),
        ("Rain", "Annette", {}, "no song of this title and artist"),
        ("Rain", "Ann", {"lyrics_state": "unreleased"}, "no complete lyrics"),
        ("Rain", "Ann", {"instrumental": True}, "no complete lyrics"),
        ("Rain", "Ann", {"page": "<html><p>Nothing here</p></html>"}, "holds no lyrics"),
    ],
)
def test_what_is_not_there_is_final(
    genius: StandIn, open_source: OpenSource, title: str, artist: str, more: dict[str, object], said: str
) -> None:
    genius.add(title, artist, **more)  # type: ignore[arg-type]
    with pytest.raises(FetchFailed, match=said) as failure:
        open_source().find(SONG)
    assert (failure.value.kind, failure.value.is_final) == ("not-found", True)


@pytest.mark.parametrize("path", ["//evil.example/x", "rain", "/a b", "/a?b", 7, None, "/\\evil"])
def test_a_page_elsewhere_is_not_asked_for(genius: StandIn, open_source: OpenSource, path: object) -> None:
    genius.add("Rain", "Ann", path=path)
    with pytest.raises(FetchFailed, match="no path that can be read") as failure:
        open_source().find(SONG)
    assert failure.value.kind == "bad-reply"
    assert set(genius.asked) == {"/search"}


@pytest.mark.parametrize(
    ("fault", "kind", "is_final", "asked"),
    [
        ("401", "key", False, 1),
        ("403", "key", False, 1),
        ("404", "status-404", True, 1),
        ("500", "status-500", False, 2),
        ("429 long", "status-429", False, 1),
        ("closed", "connection", False, 2),
        ("not json", "bad-reply", False, 1),
        ("no hits", "bad-reply", False, 1),
        ("elsewhere", "refused", True, 1),
    ],
)
def test_a_search_that_fails_says_how(
    genius: StandIn, open_source: OpenSource, fault: str, kind: str, is_final: bool, asked: int
) -> None:
    genius.faults["/search"] = [fault] * 2
    with pytest.raises(FetchFailed) as failure:
        open_source().find(SONG)
    assert (failure.value.kind, failure.value.is_final) == (kind, is_final)
    assert genius.asked["/search"] == asked
    assert "a-key-of-ones-own" not in str(failure.value)


@pytest.mark.parametrize(
    ("fault", "kind", "is_final"),
    [
        ("403", "status-403", True),
        ("404", "status-404", True),
        ("503", "status-503", False),
        ("cut", "truncated", False),
        ("closed", "connection", False),
        ("elsewhere", "refused", True),
        ("huge", "too-large", True),
        ("not json", "content-type", True),
    ],
)
def test_a_page_that_fails_says_how(
    genius: StandIn, open_source: OpenSource, fault: str, kind: str, is_final: bool
) -> None:
    genius.faults[genius.add("Rain", "Ann")] = [fault] * 2
    with pytest.raises(FetchFailed) as failure:
        open_source().find(SONG)
    assert (failure.value.kind, failure.value.is_final) == (kind, is_final)


@pytest.mark.parametrize("where", ["search", "page"])
def test_a_host_that_says_nothing_is_left_in_time(
    genius: StandIn, open_source: OpenSource, where: str
) -> None:
    path = genius.add("Rain", "Ann")
    genius.faults["/search" if where == "search" else path] = ["slow"]
    with pytest.raises(FetchFailed) as failure:
        open_source(attempts=1, read_s=0.05, whole_s=0.1).find(SONG)
    assert failure.value.kind == "timeout"


@pytest.mark.parametrize("fault", ["429", "500", "closed"])
def test_what_passes_is_asked_again(genius: StandIn, open_source: OpenSource, fault: str) -> None:
    path = genius.add("Rain", "Ann")
    genius.faults = {"/search": [fault], path: [fault]}
    assert words(open_source().find(SONG)) == words(LYRICS)
    assert genius.asked == {"/search": 2, path: 2}


def test_a_page_of_endless_tags_is_no_song(genius: StandIn, open_source: OpenSource) -> None:
    genius.add("Rain", "Ann", page='<div data-lyrics-container="true">' + "<b>" * 100_000 + "rain")
    try:
        found = open_source().find(SONG)
    except FetchFailed as failure:
        assert failure.kind == "bad-reply"
    else:
        assert found == "rain"


# --- a run ---------------------------------------------------------------------------------------------------


def test_a_run_keeps_texts_by_id_and_goes_on_where_it_ended(
    genius: StandIn, open_source: OpenSource, tmp_path: Path
) -> None:
    songs = [
        SONG,
        Song("s2", "Sun", ("Ann",)),
        Song("s3", "Moon", ("Ann",)),
        Song("../s4", "Star", ("Ann",)),
        SONG,
    ]
    genius.add("Rain", "Ann")
    moon = genius.add("Moon", "Ann")
    genius.faults[moon] = ["500", "500"]
    told: list[int] = []
    first = fetch_lyrics(songs, tmp_path / "l", open_source(), 0.0, advance=lambda t: told.append(t.done))
    assert (first.wanted, first.fetched, first.failed, first.gave_up) == (4, 1, 3, "")
    assert dict(first.reasons) == {"not-found": 1, "status-500": 1, "bad-id": 1}
    assert words((tmp_path / "l" / "s1.txt").read_text(encoding="utf-8")) == words(LYRICS)
    assert sorted(path.name for path in (tmp_path / "l").iterdir()) == [FAILURES, "s1.txt"]
    assert told == [1, 2, 3, 4]
    genius.asked.clear()
    second = fetch_lyrics(songs, tmp_path / "l", open_source(), 0.0)
    assert (second.fetched, second.present, second.skipped, second.failed) == (1, 1, 2, 0)
    assert genius.asked == {"/search": 1, moon: 1}
    assert failures(tmp_path / "l").keys() == {"s2", "../s4"}
    genius.add("Sun", "Ann")
    third = fetch_lyrics(songs[:3], tmp_path / "l", open_source(), 0.0, retry_failed=True)
    assert (third.fetched, third.present) == (1, 2)


@pytest.mark.parametrize(
    ("fault", "asked", "said"), [("401", 1, "does not accept the key"), ("500", 10, "10 failures in a row")]
)
def test_a_run_that_is_hopeless_ends(
    genius: StandIn, open_source: OpenSource, tmp_path: Path, fault: str, asked: int, said: str
) -> None:
    genius.faults["/search"] = [fault] * 40
    songs = [Song(f"s{at}", "Rain", ("Ann",)) for at in range(30)]
    tally = fetch_lyrics(songs, tmp_path, open_source(attempts=1), 0.0)
    assert said in tally.gave_up
    assert (tally.failed, genius.asked["/search"]) == (asked, asked)
    # None of it is the songs' fault: the next run asks for all of them.
    genius.faults.clear()
    genius.add("Rain", "Ann")
    assert fetch_lyrics(songs, tmp_path, open_source(), 0.0).fetched == 30


def test_songs_that_are_not_there_do_not_end_a_run(
    genius: StandIn, open_source: OpenSource, tmp_path: Path
) -> None:
    tally = fetch_lyrics([Song(f"s{at}", "Rain", ()) for at in range(15)], tmp_path, open_source(), 0.0)
    assert (tally.failed, tally.gave_up) == (15, "")


def test_a_long_pause_that_is_asked_for_ends_a_run(
    genius: StandIn, open_source: OpenSource, tmp_path: Path
) -> None:
    genius.faults["/search"] = ["429 long"]
    songs = [Song(f"s{at}", "Rain", ("Ann",)) for at in range(3)]
    tally = fetch_lyrics(songs, tmp_path, open_source(), 0.0)
    assert "asks to be left alone" in tally.gave_up
    assert genius.asked["/search"] == 1


def test_a_run_waits_between_songs_and_can_be_stopped_there(
    genius: StandIn, open_source: OpenSource, tmp_path: Path
) -> None:
    genius.add("Rain", "Ann")
    stop = threading.Event()

    def advance(tally: LyricsTally) -> None:
        stop.set()

    songs = [SONG, Song("s2", "Rain", ("Ann",))]
    tally = fetch_lyrics(songs, tmp_path, open_source(), 3600.0, advance=advance, stop=stop)
    assert (tally.fetched, tally.done) == (1, 1)


# --- where to ------------------------------------------------------------------------------------------------


def test_no_repository_and_no_version_takes_lyrics(tmp_path: Path) -> None:
    (tmp_path / "code" / ".git").mkdir(parents=True)
    with pytest.raises(ConfigError, match="lies in the repository"):
        refuse_folder(tmp_path / "code" / "data" / "lyrics")
    version = tmp_path / "indexes" / "20260101T000000Z"
    version.mkdir(parents=True)
    (version / "manifest.json").write_text("{}", encoding="utf-8")
    (tmp_path / "indexes" / "CURRENT").write_text(version.name, encoding="utf-8")
    for folder in (version, version / "lyrics", tmp_path / "indexes" / "lyrics"):
        with pytest.raises(ConfigError, match="lies among index versions"):
            refuse_folder(folder)
    refuse_folder(tmp_path / "lyrics")


def test_the_command_shows_the_terms_and_fetches(
    genius: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    starter_indexes: Path,
) -> None:
    from indexer.__main__ import main
    from indexer.fetching import addresses

    genius.add("As Time Goes By", "Dooley Wilson")
    policy = addresses.HostPolicy
    monkeypatch.setattr(
        addresses, "HostPolicy", lambda _: policy(frozenset({genius.origin}), permits=lambda _: True)
    )
    plain = GeniusLyrics
    monkeypatch.setattr(
        module, "GeniusLyrics", lambda downloader, key: plain(downloader, key, genius.origin, genius.origin)
    )
    (tmp_path / "key").write_text("a-key-of-ones-own\n", encoding="utf-8")
    common = [
        "fetch",
        "lyrics",
        "--indexes",
        str(starter_indexes),
        "--genius-key-file",
        str(tmp_path / "key"),
    ]
    to = ["--to", str(tmp_path / "lyrics"), "--pause", "0.001", "--limit", "3"]
    assert main([*common, *to]) == 0
    printed = capsys.readouterr()
    assert TERMS in printed.err
    assert printed.out.splitlines()[0] == "0 fetched, 0 were there, 0 skipped as hopeless, 3 failed"
    assert genius.keys == ["Bearer a-key-of-ones-own"] * 3
    assert main([*common, "--to", str(ROOT / "lyrics")]) == 1
    assert "lies in the repository" in capsys.readouterr().err
    assert not (ROOT / "lyrics").exists()


def test_importing_the_command_loads_nothing_heavy() -> None:
    code = "import sys; from indexer.commands import fetch_lyrics; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {name.split(".")[0] for name in done.stdout.split()} & {
        "lyricsgenius",
        "requests",
        "bs4",
        "pandas",
    } == set()
