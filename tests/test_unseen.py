"""Items that no version holds get the vectors that a build gives the same rows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from indexer.build import build
from indexer.catalogue.records import Medium, Movie, Track
from indexer.config import BuildConfig
from indexer.errors import QueryError, UnsupportedQuery, VersionDamaged
from indexer.features.blocks import BLOCKS
from indexer.features.columns import tabulate_movies, tabulate_tracks
from indexer.features.words import strongest_words
from indexer.feel_pairs import find_feel_pairs
from indexer.index_version import IndexVersion, open_version
from indexer.knowledge import tables
from indexer.knowledge.vocabulary import vocabulary
from indexer.space import MEDIA, Dials
from indexer.unseen import Artists, KnownTexts, Placed, Placing, ReadSongs
from indexer.unseen_items import UnseenItem, UnseenMovie, UnseenTrack
from server.search import Query, Search

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / ".." / "shared" / "data"
Floats = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def version(starter_indexes: Path) -> Iterator[IndexVersion]:
    opened = open_version(starter_indexes)
    yield opened
    opened.close()


def records(version: IndexVersion, medium: Medium, rows: list[int]) -> list[Movie | Track]:
    store = version.store
    return list(store.movies(rows) if medium == "movies" else store.tracks(rows))


def unseen(record: Movie | Track) -> UnseenItem:
    renamed = replace(record, id="item-1")
    return UnseenTrack(renamed) if isinstance(renamed, Track) else UnseenMovie(renamed)


def forget_texts(version: IndexVersion, songs: ReadSongs | None = None) -> Placing:
    """What places items of the version and encodes every text anew; ``songs``: the catalogue's, by row."""
    nothing = np.zeros((0, 16), np.uint8), np.zeros((0, version.encoder.dimension), np.float16)
    texts = KnownTexts(version.encoder, b"", *nothing)
    return Placing.open(version.folder / "unseen", version.space, songs or version.store.tracks, texts.encode)


def cosines(left: Floats, right: Floats) -> Floats:
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    likeness: Floats = (left * right).sum(axis=1) / lengths
    return likeness


def paired(version: IndexVersion, medium: Medium) -> set[int]:
    """Rows that a known pair draws to its partner: an item that the catalogue does not hold is in no pair of it."""
    every = (list(range(version.store.count(each))) for each in MEDIA)
    movies, tracks = (records(version, each, rows) for each, rows in zip(MEDIA, every, strict=True))
    pairs = find_feel_pairs(tabulate_movies(movies), tabulate_tracks(tracks))  # type: ignore[arg-type]
    side = MEDIA.index(medium)
    return set(pairs.rows[:, side].tolist()) | set(version.soundtracks.facts[:, side].tolist())


def check_rows(
    version: IndexVersion, placing: Placing, medium: Medium, rows: list[int], blocks: tuple[str, ...] = BLOCKS
) -> None:
    placed = [placing.place(unseen(record)) for record in records(version, medium, rows)]
    vectors, stored = np.stack([each.vector for each in placed]), version.indexes[medium].vectors(rows)
    for name in blocks:
        columns = version.space.columns(name)
        said = np.any(stored[:, columns] != 0, axis=1)
        assert said.any(), name
        assert cosines(vectors[said, columns], stored[said, columns]).min() >= 0.999, name
    drawn = paired(version, medium)
    alone = [place for place, row in enumerate(rows) if row not in drawn]
    columns = version.space.columns("learned")
    # It is learned from all blocks, so that what one of them misses is missing there.
    least = 0.999 if blocks == BLOCKS else 0.9
    assert np.all(cosines(vectors[alone, columns], stored[alone, columns]) >= least)
    for name in ("dials", "hub"):
        assert not vectors[:, version.space.columns(name)].any()
    words = strongest_words(np.stack([each.profile for each in placed]))
    assert (words == version.words[medium][rows]).mean() > 0.99


@pytest.mark.parametrize("medium", MEDIA)
def test_an_item_gets_the_vector_of_the_same_row(version: IndexVersion, medium: Medium) -> None:
    assert version.placing is not None
    assert paired(version, medium) < set(range(version.store.count(medium)))
    check_rows(version, version.placing, medium, list(range(0, version.store.count(medium), 7)))


@pytest.mark.parametrize("medium", MEDIA)
def test_and_where_no_text_of_it_was_encoded_before(version: IndexVersion, medium: Medium) -> None:
    check_rows(version, forget_texts(version), medium, list(range(0, version.store.count(medium), 61)))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IndexVersion]:
    """A version of some hundred rows of the shared data, as a user would build them."""
    if not DATA.is_dir():
        pytest.skip("the shared data is not here")
    folder = tmp_path_factory.mktemp("real")
    movies, tracks = (
        pd.read_csv(DATA / "movies_19k.csv", dtype=str),
        pd.read_csv(DATA / "tracks_82k.csv", dtype=str),
    )
    pairs = pd.read_csv(DATA / "soundtracks.csv", dtype=str)
    labelled = pd.read_csv(DATA / "song_emotion_tags.csv", dtype=str)["track_id"]
    ids = "track_id" if "track_id" in tracks else "id"
    pairs = pairs[pairs["track_id"].isin(tracks[ids]) & pairs["tmdb_id"].isin(movies["id"])].iloc[::10]
    heard = tracks[ids].isin(pairs["track_id"])
    tracks = pd.concat([tracks[heard], tracks[tracks[ids].isin(labelled) & ~heard].iloc[:240]])
    few = movies["keywords"].fillna("").str.count(",").between(1, 4)
    scored = movies["id"].isin(pairs["tmdb_id"])
    movies = pd.concat([movies[scored], movies[few & ~scored].iloc[:520]])
    files = {"movies": movies, "tracks": tracks, "soundtracks": pairs}
    for name, table in files.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    build(
        BuildConfig(
            movies=folder / "movies.csv",
            tracks=folder / "tracks.csv",
            soundtracks=folder / "soundtracks.csv",
            song_emotions=DATA / "song_emotion_deezer.csv",
            emotion_words=DATA / "song_emotion_tags.csv",
            indexes=folder / "indexes",
        )
    )
    opened = open_version(folder / "indexes")
    yield opened
    opened.close()


@pytest.mark.parametrize("medium", MEDIA)
def test_a_real_item_gets_the_vector_of_the_same_row(real: IndexVersion, medium: Medium) -> None:
    assert real.placing is not None
    assert {name for name, size in real.space.sizes.items() if size} == set(real.space.sizes)
    rows = list(range(0, real.store.count(medium), 5))
    # People's labels say how songs of the catalogue feel, and nothing of others.
    blocks = tuple(name for name in BLOCKS if medium == "movies" or name != "feeling")
    check_rows(real, real.placing, medium, rows, blocks)
    check_rows(real, forget_texts(real), medium, rows[::10], blocks)


# --- what an item says ---------------------------------------------------------------------------------------


def place(version: IndexVersion, item: UnseenItem) -> Placed:
    assert version.placing is not None
    return version.placing.place(item)


def block_of(version: IndexVersion, placed: Placed, name: str) -> Floats:
    return placed.vector[version.space.columns(name)]


def test_a_title_nobody_wrote_about_says_nothing(version: IndexVersion) -> None:
    sad, glad = (
        place(version, UnseenTrack(Track("item-1", title))) for title in ("Qwertz Funeral", "Qwertz Party")
    )
    assert sad.vector.tobytes() == glad.vector.tobytes()


def test_a_work_that_is_written_about_is_what_is_written(version: IndexVersion) -> None:
    words = len(vocabulary().words)
    films, songs = tables.films(), tables.songs()
    sure = max(tables.SURE.values())
    for row in np.flatnonzero(films.weights == np.float32(sure))[:20].tolist():
        key = films.keys[row]
        found = place(version, UnseenMovie(Movie("item-1", key.title, year=key.year)))
        np.testing.assert_allclose(found.profile[:words], films.values[row, :words], atol=1.0 - sure + 1e-6)
    for row in np.flatnonzero(songs.weights == np.float32(sure))[:20].tolist():
        song = songs.keys[row]
        found = place(version, UnseenTrack(Track("item-1", song.title, (song.artist,))))
        np.testing.assert_allclose(found.profile[:words], songs.values[row, :words], atol=1.0 - sure + 1e-6)


def test_words_move_the_mood(version: IndexVersion) -> None:
    valence = vocabulary().numbers.start + 1
    sad = place(version, UnseenMovie(Movie("item-1", "A", overview="A terrible, hopeless funeral.")))
    glad = place(version, UnseenMovie(Movie("item-1", "A", overview="A wonderful, happy wedding.")))
    assert sad.profile[valence] < glad.profile[valence] - 0.1


def test_a_song_borrows_from_its_artists_other_songs(version: IndexVersion) -> None:
    rows = range(version.store.count("tracks"))
    songs = [track for track in version.store.tracks(list(rows)) if len(track.tags) > 2 and track.year][:20]
    nearer = 0
    for song in songs:
        new = UnseenTrack(Track("item-1", "A song nobody has heard", song.artists))
        known, alone = place(version, new).profile, forget_texts(version, lambda _: ()).place(new).profile
        itself = place(version, unseen(song)).profile
        nearer += bool(np.linalg.norm(known - itself) < np.linalg.norm(alone - itself))
    assert nearer > len(songs) / 2


def test_what_plays_no_part_is_named(version: IndexVersion) -> None:
    song = Track(
        "item-1", "A", key=3, mode=1, popularity=50.0, duration_ms=1000, time_signature=4, tempo=90.0
    )
    assert set(place(version, UnseenTrack(song, "la la")).unread) == {
        "key",
        "mode",
        "popularity",
        "duration_ms",
        "time_signature",
        "lyrics",
    }
    film = Movie("item-1", "A", language="en", year=1990, popularity=3.0, overview="B")
    assert place(version, UnseenMovie(film)).unread == ("popularity",)


def test_lyrics_change_nothing(version: IndexVersion) -> None:
    song = Track("item-1", "A", tags=("pop",))
    with_lyrics, without = place(version, UnseenTrack(song, "love love")), place(version, UnseenTrack(song))
    assert with_lyrics.vector.tobytes() == without.vector.tobytes()


# --- searches ------------------------------------------------------------------------------------------------


def test_an_item_finds_what_the_same_song_finds(search: Search, version: IndexVersion) -> None:
    drawn = paired(version, "tracks")
    alone = [row for row in range(version.store.count("tracks")) if row not in drawn][:10]
    shared = []
    for song in version.store.tracks(alone):
        by_id = search.find(Query("movies", tracks=(song.id,), limit=10))
        by_item = search.find(Query("movies", items=(UnseenTrack(replace(song, id="item-1")),), limit=10))
        shared.append(len({hit.id for hit in by_item.hits} & {hit.id for hit in by_id.hits}))
        assert {hit.based_on for hit in by_item.hits} == {"item-1"}
        assert by_item.unread != () == by_id.unread
    assert np.mean(shared) >= 8


def test_reasons_add_up_and_inputs_are_told_apart(search: Search, version: IndexVersion) -> None:
    [song] = version.store.tracks([3])
    [film] = version.store.movies([5])
    items = (UnseenTrack(replace(song, id="item-1")), UnseenMovie(replace(film, id="item-2")))
    answer = search.find(Query("movies", tracks=(song.id,), items=items, text="a storm at sea", limit=100))
    for hit in answer.hits:
        assert sum(reason.value for reason in hit.reasons) == pytest.approx(hit.raw_score, abs=1e-4)
    assert answer.hits[0].based_on == "item-2"
    assert answer.hits[0].id == film.id
    # The same song by its id comes first where both are as near.
    assert {hit.based_on for hit in answer.hits} <= {song.id, "item-1", "item-2", "text"}
    assert "text" in {hit.based_on for hit in answer.hits}


def test_items_within_a_medium_and_with_dials(search: Search, version: IndexVersion) -> None:
    [song] = version.store.tracks([3])
    item = UnseenTrack(replace(song, id="item-1"))
    plain = search.find(Query("tracks", items=(item,), limit=5))
    assert plain.hits[0].id == song.id
    turned = search.find(Query("tracks", items=(item,), dials=Dials(popularity=1.0), limit=5))
    assert "dials" in {reason.term for hit in turned.hits for reason in hit.reasons}


def test_an_item_that_says_nothing_is_refused(search: Search) -> None:
    good = UnseenTrack(Track("item-1", "A"))
    with pytest.raises(QueryError, match="can be read") as refused:
        search.find(Query("movies", items=(good, UnseenTrack(Track("item-2", "", key=3), "words"))))
    assert refused.value.field == "items.1"


def test_other_methods_take_no_items(search: Search) -> None:
    with pytest.raises(UnsupportedQuery) as refused:
        search.find(Query("movies", items=(UnseenTrack(Track("item-1", "A")),), method="music2movie"))
    assert refused.value.field == "items"


def test_a_version_built_before_says_so(version: IndexVersion, tmp_path: Path) -> None:
    before = Search(replace(version, folder=tmp_path))
    with pytest.raises(UnsupportedQuery, match="build the index again") as refused:
        before.find(Query("movies", items=(UnseenTrack(Track("item-1", "A")),)))
    assert refused.value.field == "items"


def test_artists_that_do_not_fit_their_songs_are_damage(version: IndexVersion, tmp_path: Path) -> None:
    for name in ("artists_indptr.npy", "artists_rows.npy"):
        (tmp_path / name).write_bytes((version.folder / "unseen" / name).read_bytes())
    (tmp_path / "artists.txt").write_text("one\n", encoding="utf-8")
    with pytest.raises(VersionDamaged, match="do not fit together"):
        Artists(tmp_path)


def test_placing_loads_no_heavy_library(starter_indexes: Path) -> None:
    code = """
import json, sys
from pathlib import Path
from indexer.catalogue.records import Movie, Track
from server.search import Query, Search, UnseenMovie, UnseenTrack
items = UnseenTrack(Track("item-1", "A", ("B",), tags=("pop",))), UnseenMovie(Movie("item-2", "C", overview="Good."))
Search.open(Path(sys.argv[1])).find(Query("movies", items=items))
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(starter_indexes)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"pandas", "sklearn", "scipy", "textblob", "nltk", "torch", "sentence_transformers", "tensorflow"}
    assert heavy & set(json.loads(done.stdout)) == set()
