from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from indexer.catalogue import AUDIO_FEATURES, TRACK_COLUMNS, Track, track_from_cells
from indexer.catalogue.merging import name_key
from indexer.catalogue.report import FileReport
from indexer.catalogue.spotify import read_tracks

Write = Callable[..., Path]


def counts(report: FileReport) -> dict[str, int]:
    return {name: rule.count for name, rule in report.rules.items() if rule.count}


def test_a_row_becomes_the_record_it_describes(write_tracks: Write) -> None:
    table, report = read_tracks(write_tracks({"decade": "1970s", "artists": "Ann; Bob;Ann;M|O|O|N"}))
    assert list(table.columns) == list(TRACK_COLUMNS)
    assert track_from_cells(dict(zip(TRACK_COLUMNS, table.iloc[0], strict=True))) == Track(
        id="t1",
        title="Song 1",
        artists=("Ann", "Bob", "M/O/O/N"),
        album="One",
        genres=("folk",),
        tags=("soft rock", "mellow"),
        year=1972,
        decade=1970,
        popularity=40.0,
        duration_ms=200_000,
        explicit=False,
        key=3,
        mode=1,
        time_signature=4,
        danceability=0.5,
        energy=0.6,
        loudness=-7.5,
        speechiness=0.1,
        acousticness=0.2,
        instrumentalness=0.3,
        liveness=0.4,
        valence=0.7,
        tempo=120.5,
    )
    assert counts(report) == {}


def test_absent_audio_features_are_unknown_and_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "tracks.csv"
    path.write_text("track_id,artists,track_name\na,Ann,None\n", encoding="utf-8")
    table, report = read_tracks(path)
    assert track_from_cells(dict(zip(TRACK_COLUMNS, table.iloc[0], strict=True))) == Track(
        id="a", title="None", artists=("Ann",)
    )
    assert set(AUDIO_FEATURES) <= set(report.absent)
    assert report.unknown["tempo"] == 1


def test_gaps_in_genre_year_and_popularity_keep_the_row(write_tracks: Write) -> None:
    table, report = read_tracks(
        write_tracks({"track_genre": "", "year": "", "decade": "", "popularity": "", "explicit": ""})
    )
    assert table["id"].tolist() == ["t1"]
    assert counts(report) == {}
    assert {name: report.unknown[name] for name in ("genres", "year", "popularity", "explicit", "album")} == {
        "genres": 1,
        "year": 1,
        "popularity": 1,
        "explicit": 1,
        "album": 0,
    }


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"track_id": ""}, "missing_id"),
        ({"track_name": " "}, "missing_title"),
        ({"artists": " ; "}, "missing_artist"),
    ],
)
def test_each_row_rule_drops_its_row(write_tracks: Write, change: dict[str, str], rule: str) -> None:
    table, report = read_tracks(write_tracks({}, change, {}))
    assert table["id"].tolist() == ["t1", "t3"]
    assert counts(report) == {rule: 1}


@pytest.mark.parametrize(
    ("column", "cell", "rule"),
    [
        *[(name, str(high + 1), "impossible_number") for name, (_, high) in AUDIO_FEATURES.items()],
        *[(name, str(low - 1), "impossible_number") for name, (low, _) in AUDIO_FEATURES.items()],
        ("tempo", "0.0", "impossible_number"),
        ("valence", "NaN", "impossible_number"),
        ("key", "-1", "impossible_number"),
        ("key", "3.5", "impossible_number"),
        ("time_signature", "0", "impossible_number"),
        ("duration_ms", "0", "impossible_number"),
        ("popularity", "101", "impossible_number"),
        ("year", "1800", "impossible_number"),
        ("explicit", "maybe", "wrong_type"),
        ("energy", "loud", "wrong_type"),
    ],
)
def test_an_odd_value_becomes_unknown_and_its_row_stays(
    write_tracks: Write, column: str, cell: str, rule: str
) -> None:
    table, report = read_tracks(write_tracks({}, {column: cell}))
    assert table["id"].tolist() == ["t1", "t2"]
    assert table[column].isna().tolist() == [False, True]
    assert counts(report) == {rule: 1}
    assert report.rules[rule].samples[0].value == f"{column} = {cell}"


def test_the_ends_of_the_documented_ranges_are_possible(write_tracks: Write) -> None:
    lowest = {name: str(low) for name, (low, _) in AUDIO_FEATURES.items() if name != "tempo"}
    highest = {name: str(high) for name, (_, high) in AUDIO_FEATURES.items()}
    table, report = read_tracks(write_tracks(lowest, highest))
    assert counts(report) == {}
    assert table["loudness"].tolist() == [-60.0, 10.0]


def test_a_song_listed_once_per_genre_becomes_one_song(write_tracks: Write) -> None:
    table, report = read_tracks(
        write_tracks(
            {"track_id": "b", "track_genre": "rock", "energy": "0.1", "year": ""},
            {"track_id": "a"},
            {"track_id": "b", "track_genre": "indie", "energy": "0.9", "year": "1980"},
            {"track_id": "b", "track_genre": "rock", "energy": "0.8", "year": "1990"},
        )
    )
    assert table["id"].tolist() == ["b", "a"]
    assert table["genres"].tolist() == ["rock|indie", "folk"]
    assert table["energy"].tolist() == [0.1, 0.6]
    assert table["year"].tolist() == [1980.0, 1972.0]
    assert table["other_ids"].tolist() == ["", ""]
    assert counts(report) == {"genre_rows_merged": 2}
    assert [sample.row for sample in report.rules["genre_rows_merged"].samples] == [3, 4]


def test_the_same_recording_under_several_ids_keeps_the_most_popular(write_tracks: Write) -> None:
    table, report = read_tracks(
        write_tracks(
            {
                "track_id": "x",
                "track_name": "Déjà  Vu",
                "artists": "Ann;Bob",
                "popularity": "10",
                "tags": "a",
            },
            {"track_id": "y", "track_name": "Other"},
            {
                "track_id": "z",
                "track_name": "deja vu",
                "artists": "BOB;ann",
                "album_name": "",
                "popularity": "60",
                "tags": "b",
            },
            {"track_id": "w", "track_name": "DEJA VU", "artists": "ann;bob", "popularity": "", "tags": ""},
            {"track_id": "v", "track_name": "Deja vu - Live", "artists": "Ann;Bob"},
            {"track_id": "u", "track_name": "Deja vu", "artists": "Ann"},
        )
    )
    assert table["id"].tolist() == ["y", "z", "v", "u"]
    assert table["title"].tolist() == ["Other", "deja vu", "Deja vu - Live", "Deja vu"]
    assert table["other_ids"].tolist() == ["", "x|w", "", ""]
    assert table["tags"].tolist()[1] == "b|a"
    assert table["popularity"].tolist() == [40.0, 60.0, 40.0, 40.0]
    assert counts(report) == {"same_recording_merged": 2}
    assert report.rules["same_recording_merged"].samples[0].value == "merged into z"


def test_of_equally_popular_recordings_the_most_complete_is_kept(write_tracks: Write) -> None:
    same = {"track_name": "Same"}
    table, _ = read_tracks(
        write_tracks({**same, "tempo": "", "album_name": ""}, {**same, "tempo": ""}, same, same)
    )
    assert table["id"].tolist() == ["t3"]
    assert table["other_ids"].tolist() == ["t4|t2|t1"]


def test_genre_rows_are_merged_before_recordings(write_tracks: Write) -> None:
    table, report = read_tracks(
        write_tracks(
            {"track_id": "a", "track_name": "Same", "track_genre": "rock"},
            {"track_id": "b", "track_name": "Same", "track_genre": "pop"},
            {"track_id": "a", "track_name": "Same", "track_genre": "indie"},
        )
    )
    assert (table["id"].tolist(), table["other_ids"].tolist()) == (["a"], ["b"])
    assert table["genres"].tolist() == ["rock|indie|pop"]
    assert counts(report) == {"genre_rows_merged": 1, "same_recording_merged": 1}


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("  BEYONCÉ\tKnowles ", "beyonce knowles"),
        ("Straße", "strasse"),
        ("ｆｕｌｌ", "full"),
        ("が", "が"),  # not か: this mark is part of the letter
        ("हिन्दी", "हिन्दी"),
        ("한국", "한국"),
    ],
)
def test_names_are_compared_without_case_accents_and_spaces(name: str, key: str) -> None:
    assert name_key(name) == key
