"""The catalogue file gives back what was written and finds it by what people type."""

import random
import re
import sqlite3
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from indexer.catalogue.records import Movie, Track
from indexer.catalogue_store import CatalogueStore, write_store
from indexer.errors import InputError, UnknownItem, VersionDamaged, VersionError, VersionFormat
from indexer.record_cache import RecordCache
from indexer.title_lookup import Found, make_key

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

MOVIES = pd.DataFrame(
    {
        "id": ["348", "679", "8077", "841", "438631", "129", "77"],
        "title": ["Alien", "Aliens", "Alien³", "Dune", "Dune", "Spirited Away", "The Thing"],
        "original_title": ["Alien", "Aliens", "Alien³", "Dune", "Dune", "千と千尋の神隠し", None],
        "year": [1979.0, 1986.0, 1992.0, 1984.0, 2021.0, 2001.0, float("nan")],
        "genres": ["Horror|Science Fiction", "", None, "", "", "Animation", ""],
        "votes": [9000.0, 6000.0, 3000.0, 1500.0, 7000.0, 12000.0, float("nan")],
        "rating": [8.1, 7.9, 6.3, 6.2, 7.8, 8.5, float("nan")],
        "popularity": [94.0, 67.0, 45.0, 30.0, 300.0, 118.0, 5.0],
    }
)
TRACKS = pd.DataFrame(
    [
        ("t0", "Bohemian Rhapsody - Remastered 2011", "Queen", "x0|x1", 82.0, 1975.0, False),
        ("t1", "Queen", "Perfume Genius", "", 58.0, None, False),
        ("t2", "Hello", "Adele", "", 73.0, 2015.0, False),
        ("t3", "Hello", "Lionel Richie", None, 73.0, 1984.0, None),
        ("t4", "Hello, Goodbye", "The Beatles", "", 90.0, None, None),
        ("t5", "Under Pressure", "Queen|David Bowie", "", 80.0, None, None),
        ("t6", "夜に駆ける", "YOASOBI", "", 75.0, None, None),
        ("t7", "!!!", "Nobody", "", None, None, None),
        ("t8", "Группа крови", "Кино", "", 60.0, None, None),
        ("t9", "Hvor er du nå", "Bjørn Æsop", "", 5.0, None, True),
        ("t10", "Hello", "Unknown Singer", "", None, None, None),
    ],
    columns=["id", "title", "artists", "other_ids", "popularity", "year", "explicit"],
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store #1 100%?") / "catalogue.sqlite"
    write_store(path, MOVIES, TRACKS)
    return path


@pytest.fixture(scope="module")
def store(path: Path) -> Iterator[CatalogueStore]:
    store = CatalogueStore.open(path)
    yield store
    store.close()


def test_records_come_back_in_the_order_asked(store: CatalogueStore) -> None:
    assert (store.count("movies"), store.count("tracks")) == (7, 11)
    assert store.movies([6, 0]) == [
        Movie("77", "The Thing", popularity=5.0),
        Movie(
            "348",
            "Alien",
            "Alien",
            year=1979,
            genres=("Horror", "Science Fiction"),
            rating=8.1,
            votes=9000,
            popularity=94.0,
        ),
    ]
    assert store.tracks([9, 5, 9])[0] == Track(
        "t9", "Hvor er du nå", ("Bjørn Æsop",), popularity=5.0, explicit=True
    )
    assert [track.id for track in store.tracks([9, 5, 9])] == ["t9", "t5", "t9"]
    assert store.tracks([5])[0].artists == ("Queen", "David Bowie")
    assert store.tracks([2])[0].explicit is False
    assert store.tracks([]) == []
    assert store.ids("tracks", [3, 1]) == ["t3", "t1"]


def test_rows_by_id_and_by_other_id(store: CatalogueStore) -> None:
    assert store.row("movies", "841") == 3
    assert store.row("tracks", "x1") == 0
    assert store.rows("tracks", ["t4", "x0", "t4"]) == [4, 0, 4]
    assert store.rows("tracks", []) == []


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("nope", "no song has the id 'nope'; look it up by title with /v1/tracks?q="),
        ("348", "'348' is not the id of a song; it is one of the movies"),
        (
            "spotify:track:t1",
            "'spotify:track:t1' is an address, not the id of a song: give its last part alone",
        ),
        ("\ud800", "no song has the id '\\ud800'; look it up by title with /v1/tracks?q="),
        ("t1\0", "no song has the id 't1\\x00'; look it up by title with /v1/tracks?q="),
        ("' OR 1=1 --", 'no song has the id "\' OR 1=1 --"; look it up by title with /v1/tracks?q='),
    ],
)
def test_unknown_id_says_what_to_do(store: CatalogueStore, item: str, message: str) -> None:
    with pytest.raises(UnknownItem) as caught:
        store.rows("tracks", ["t1", item])
    assert str(caught.value) == message
    assert caught.value.field == "tracks"


def test_row_outside_the_catalogue_is_damage(store: CatalogueStore) -> None:
    with pytest.raises(VersionDamaged, match="no row 7"):
        store.movies([0, 7])


def test_own_id_wins_over_an_other_id(tmp_path: Path) -> None:
    tracks = pd.DataFrame({"id": ["a", "b", "c"], "title": ["A", "B", "C"], "other_ids": ["b|z", "z", ""]})
    write_store(tmp_path / "c.sqlite", MOVIES, tracks)
    store = CatalogueStore.open(tmp_path / "c.sqlite")
    assert store.rows("tracks", ["a", "b", "z"]) == [0, 1, 0]
    store.close()


def found(store: CatalogueStore, text: str, limit: int = 3) -> list[str]:
    return store.ids("tracks", [one.row for one in store.look_up("tracks", text, limit)])


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("bohemain rapsody quen", "t0"),
        ("QUEEN bohemian rhapsody", "t0"),
        ("bohem", "t0"),
        ("bohemian rhapsody - 2009 remaster", "t0"),
        ("queen", "t1"),
        ("adele hello", "t2"),
        ("hello ade", "t2"),
        ("richie hello", "t3"),
        ("beatles hello goodbye", "t4"),
        ("under pressure feat. bowie", "t5"),
        ("bowie", "t5"),
        ("夜に", "t6"),
        ("駆ける", "t6"),
        ("yoasobi", "t6"),
        ("!!!", "t7"),
        ("группа", "t8"),
        ("КИНО группа крови", "t8"),
        ("bjorn aesop hvor er du na", "t9"),
        ("h", "t4"),
    ],
)
def test_look_up_finds_first(store: CatalogueStore, text: str, first: str) -> None:
    assert found(store, text)[0] == first


def test_equal_matches_are_ordered_by_fame_then_row(store: CatalogueStore) -> None:
    assert store.look_up("tracks", "hello", 4) == [
        Found(2, 1.0),
        Found(3, 1.0),
        Found(10, 1.0),
        Found(4, 0.9),
    ]
    assert store.look_up("tracks", "hello", 1) == [Found(2, 1.0)]


def test_films_by_title_year_and_original_title(store: CatalogueStore) -> None:
    def rows(text: str) -> list[int]:
        return [one.row for one in store.look_up("movies", text, 3)]

    assert rows("alien") == [0, 1, 2]
    assert rows("alien 1986")[0] == 1
    assert rows("dune")[:2] == [4, 3]
    assert rows("dune 1984")[:2] == [3, 4]
    assert rows("千尋") == [5]
    assert rows("thing") == rows("the thing") == [6]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "...",
        "zzkw pvvt jjyx",
        "x" * 5000,
        "\ud800",
        "\0",
        '" OR 1 --',
        "title:* NEAR(a b)",
        "%",
        "'; DROP",
    ],
)
def test_nonsense_finds_nothing(store: CatalogueStore, text: str) -> None:
    assert store.look_up("tracks", text) == []


def test_limit_of_nothing(store: CatalogueStore) -> None:
    assert store.look_up("tracks", "hello", 0) == []


def test_same_tables_give_the_same_bytes(path: Path, tmp_path: Path) -> None:
    write_store(tmp_path / "again.sqlite", MOVIES.copy(), TRACKS.copy())
    assert (tmp_path / "again.sqlite").read_bytes() == path.read_bytes()
    write_store(tmp_path / "again.sqlite", MOVIES, TRACKS)
    assert (tmp_path / "again.sqlite").read_bytes() == path.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["again.sqlite"]


def test_empty_tables_are_a_catalogue_too(tmp_path: Path) -> None:
    write_store(tmp_path / "c.sqlite", MOVIES.iloc[:0], TRACKS.iloc[:0])
    store = CatalogueStore.open(tmp_path / "c.sqlite")
    assert store.count("tracks") == 0
    assert store.look_up("tracks", "hello") == []
    store.close()


@pytest.mark.parametrize(
    ("ids", "message"), [(["a", "a"], "id 'a' is there twice"), (["a", None], "row 1 has no id")]
)
def test_bad_ids_are_refused_and_leave_no_file(tmp_path: Path, ids: list[str | None], message: str) -> None:
    with pytest.raises(InputError, match=message):
        write_store(tmp_path / "c.sqlite", MOVIES, pd.DataFrame({"id": ids, "title": ["A", "B"]}))
    assert list(tmp_path.iterdir()) == []


def test_many_threads_read_the_same(store: CatalogueStore) -> None:
    texts = ["hello", "queen", "bohem", "夜に", "adele hello"] * 20
    alone = [found(store, text) for text in texts]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda text: found(store, text), texts)) == alone


def test_closed_store_says_so(path: Path) -> None:
    store = CatalogueStore.open(path)
    store.close()
    store.close()
    with pytest.raises(VersionError, match="was closed"):
        store.movies([0])


def test_missing_foreign_and_damaged_files(path: Path, tmp_path: Path) -> None:
    with pytest.raises(VersionDamaged, match="is missing"):
        CatalogueStore.open(tmp_path / "none.sqlite")
    other = tmp_path / "other.sqlite"
    other.write_text("not a database " * 100)
    with pytest.raises(VersionDamaged, match="cannot be read"):
        CatalogueStore.open(other)
    other.write_bytes(path.read_bytes()[:8192])
    with pytest.raises(VersionDamaged, match="cannot be read"):
        CatalogueStore.open(other)
    other.unlink()
    connection = sqlite3.connect(other)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(VersionFormat, match="found 99"):
        CatalogueStore.open(other)


def test_damaged_posting_list_is_reported(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "c.sqlite"
    copy.write_bytes(path.read_bytes())
    connection = sqlite3.connect(copy)
    connection.execute("UPDATE tracks_grams SET rows = x'ffffffff'")
    connection.commit()
    connection.close()
    store = CatalogueStore.open(copy)
    with pytest.raises(VersionDamaged, match="damaged look-up"):
        store.look_up("tracks", "hello")
    store.close()


def test_the_file_cannot_be_written_through_the_store(store: CatalogueStore) -> None:
    with pytest.raises(VersionDamaged, match="readonly"), store._connection() as connection:
        connection.execute("DELETE FROM movies")
    assert store.count("movies") == len(store.movies(range(7)))


def test_reading_needs_no_pandas() -> None:
    code = "import sys, indexer.catalogue_store; sys.exit('pandas' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=False).returncode
        == 0
    )


def _read_real_tracks() -> pd.DataFrame:
    source = DATA / "tracks_82k.csv"
    if not source.is_file():
        pytest.skip(f"{source.name} is not at hand")
    tracks = pd.read_csv(source, usecols=["track_id", "artists", "track_name", "popularity", "year"])
    tracks = tracks.rename(columns={"track_id": "id", "track_name": "title"})
    tracks["artists"] = tracks["artists"].str.replace(";", "|")
    return tracks


def _strip_accents(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))


def _mistype(text: str, dice: random.Random) -> str:
    at = dice.randrange(1, max(2, len(text) - 1))
    letter = dice.choice("abcdefghijklmnopqrstuvwxyz")
    return dice.choice(
        [
            text[:at] + text[at + 1 :],
            text[:at] + letter + text[at:],
            text[:at] + letter + text[at + 1 :],
            text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :],
        ]
    )


def test_noisy_queries_find_real_songs(tmp_path: Path) -> None:
    tracks = _read_real_tracks()
    write_store(tmp_path / "c.sqlite", MOVIES, tracks)
    assert (tmp_path / "c.sqlite").stat().st_size < 60_000_000
    store = CatalogueStore.open(tmp_path / "c.sqlite")
    dice = random.Random(20)
    noises: dict[str, Callable[[str, str], str]] = {
        "case": lambda title, artist: f"{title} {artist}".upper(),
        "accents": lambda title, artist: _strip_accents(f"{title} {artist}"),
        "order": lambda title, artist: f"{artist} {title}",
        "typo": lambda title, artist: _mistype(f"{title} {artist}", dice),
        "two typos": lambda title, artist: _mistype(_mistype(f"{title} {artist}", dice), dice),
        "feat": lambda title, artist: re.sub(r"\s*[(\[]?(?:feat|ft)\..*", "", title) + f" {artist}",
        "remaster": lambda title, artist: f"{title} - Remastered 2011 {artist}",
        "unfinished": lambda title, artist: f"{title} {artist}"[: -max(1, len(artist) // 3)],
    }
    # Measured: top-1 and top-5 above 0.98 for every kind of noise.
    for kind, noise in noises.items():
        pool = tracks[tracks["title"].str.contains("feat.", regex=False)] if kind == "feat" else tracks
        hits_1 = hits_5 = 0
        chosen = pool.sample(80, random_state=5)
        for title, artists in zip(chosen["title"], chosen["artists"], strict=True):
            artist = artists.split("|")[0]
            rows = [one.row for one in store.look_up("tracks", noise(title, artist), 5)]
            same = [
                make_key(track.title) == make_key(title) and make_key(track.artists[0]) == make_key(artist)
                for track in store.tracks(rows)
            ]
            hits_1 += same[:1] == [True]
            hits_5 += any(same)
        assert (hits_1 / 80 >= 0.93, hits_5 / 80 >= 0.95) == (True, True), (kind, hits_1, hits_5)
    store.close()


# --- records in memory ------------------------------------------------------------------------------------


def test_records_are_read_once_and_the_last_used_stay() -> None:
    read: list[list[int]] = []

    def cells(rows: Sequence[int]) -> list[tuple[object, ...]]:
        read.append(list(rows))
        return [(f"t{row}", 1 if row else None, "a||b" if row else None) for row in rows]

    cache = RecordCache(
        lambda *cells: cells, {"id": "text", "explicit": "bool", "genres": "many"}, cells, kept_records=2
    )
    assert cache.get([2, 0, 2]) == [("t2", True, ("a", "b")), ("t0", None, ()), ("t2", True, ("a", "b"))]
    assert cache.get([2]) == [("t2", True, ("a", "b"))]
    assert cache.get([3, 2]) == [("t3", True, ("a", "b")), ("t2", True, ("a", "b"))]
    assert len(cache) == 2
    assert cache.get([0]) == [("t0", None, ())]
    assert read == [[2, 0], [3], [0]]


def test_more_rows_than_stay_in_memory_all_come_in_the_order_asked() -> None:
    cache = RecordCache(lambda id: id, {"id": "text"}, lambda rows: [(str(row),) for row in rows], 3)
    assert cache.get([5, 1, 4, 2, 3, 1]) == ["5", "1", "4", "2", "3", "1"]
    assert len(cache) == 3
