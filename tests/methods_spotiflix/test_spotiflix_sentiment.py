"""SpotiFlix by sentiment, on songs whose positivity is 0.1 + 0.8 · valence."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from indexer.catalogue.records import Medium
from indexer.errors import MissingColumn, MissingMaterial, UnreadableFile, VersionDamaged
from indexer.methods.audio_table import FEATURES
from indexer.methods.method import Material
from indexer.methods.spotiflix_sentiment import SpotiflixSentiment

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"

MakeMaterial = Callable[..., Material]
Song = Callable[..., dict[str, float]]
WriteTable = Callable[[str, Any], Path]

NAN = float("nan")
#: VADER's lexicon has good at 1.9 and bad at −2.5; each counts one more for being a rated word.
GOOD_AND_BAD = round(2.9 / 6.4, 3)
MOVIES = [
    {"overview": "good"},
    {"overview": "bad"},
    {"overview": "good bad"},
    {"overview": "A table."},
    {"overview": None},
]


@pytest.fixture
def tracks(song: Song) -> list[dict[str, Any]]:
    return [song(0.5), song(0.5, valence=0.1), song(0.5, valence=0.9), song(0.5, energy=NAN)]


@pytest.fixture
def lyrics(write_table: WriteTable) -> Path:
    random = np.random.default_rng(11)
    rows = [dict(zip(FEATURES, row, strict=True)) for row in random.random((4000, 7)).round(4).tolist()]
    return write_table("lyrics.csv", [{**row, "pos_percent": 0.1 + 0.8 * row["valence"]} for row in rows])


@pytest.fixture
def material(make_material: MakeMaterial, tracks: list[dict[str, Any]], lyrics: Path) -> Material:
    return make_material(MOVIES, tracks, {"song_positivity": lyrics})


@pytest.fixture
def by_hand() -> SpotiflixSentiment:
    films, songs = np.array([1.0, 0.5, NAN, 0.0]), np.array([0.5, NAN, 0.25])
    return SpotiflixSentiment({"movies": films.astype("f4"), "tracks": songs.astype("f4")}, {"films": 4})


def test_films_are_as_positive_as_vader_reads_them(material: Material) -> None:
    films = SpotiflixSentiment.fit(material).positivity["movies"]
    np.testing.assert_allclose(films, [1.0, 0.0, GOOD_AND_BAD, NAN, NAN], rtol=1e-6)


def test_songs_are_as_positive_as_their_valence_says(material: Material) -> None:
    method = SpotiflixSentiment.fit(material)
    np.testing.assert_allclose(method.positivity["tracks"], [0.5, 0.18, 0.82, NAN], atol=0.03)
    learnt = method.facts["regression"]["weights"]
    assert learnt.pop("valence") == pytest.approx(0.8, abs=0.05)
    assert learnt.pop("intercept") == pytest.approx(0.1, abs=0.05)
    assert max(abs(weight) for weight in learnt.values()) < 0.05


def test_facts_set_the_errors_beside_a_constants(material: Material) -> None:
    facts = SpotiflixSentiment.fit(material).facts
    validation = facts["regression"]["validation"]
    # 0.8 times a uniform number: variance 0.64 / 12, mean distance from the middle 0.2.
    assert validation["constant_mse"] == pytest.approx(0.64 / 12, abs=0.005)
    assert validation["constant_mae"] == pytest.approx(0.2, abs=0.02)
    assert validation["r2"] == pytest.approx(1 - validation["mse"] / validation["constant_mse"], abs=1e-3)
    assert validation["r2"] > 0.98
    assert (validation["rows"], facts["regression"]["training"]["rows"]) == (600, 3400)
    assert facts["regression"]["split_by"] == "row"
    assert (facts["movies"]["unknown"], facts["tracks"]["unknown"]) == (2, 1)
    assert (facts["movies"]["at_0"], facts["movies"]["at_1"]) == (1, 1)
    assert facts["tracks"]["from_lyrics"] == 0


def test_an_artist_is_on_one_side_of_the_split(
    make_material: MakeMaterial, write_table: WriteTable, song: Song, tracks: list[dict[str, Any]]
) -> None:
    # The one artist with half the songs is either all in the validation part or not at all.
    artists = ["Many"] * 50 + [f"Artist {at}" for at in range(50)]
    rows = [{"artist": artist, "pos_percent": 0.5, **song(0.5)} for artist in artists]
    method = SpotiflixSentiment.fit(
        make_material(MOVIES, tracks, {"song_positivity": write_table("s.csv", rows)})
    )
    assert method.facts["regression"]["split_by"] == "artist"
    assert method.facts["regression"]["validation"]["rows"] in (*range(1, 17), *range(50, 66))
    assert method.facts["regression"]["validation"]["r2"] is None


def test_lyrics_and_scripts_speak_first_where_they_are_given(
    material: Material, write_table: WriteTable, tmp_path: Path
) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    for name, script in (("m0.txt", "bad"), ("m2.txt", " "), ("m3.txt", "good"), ("m9.txt", "good")):
        (scripts / name).write_text(script, encoding="utf-8")
    sung = [
        {"track_id": f"t{row}", "lyrics": text} for row, text in ((0, "good"), (2, "a table"), (3, "bad"))
    ]
    files = {**material.files, "film_texts": scripts, "lyrics": write_table("sung.csv", sung)}
    method = SpotiflixSentiment.fit(replace(material, files=files))
    np.testing.assert_allclose(method.positivity["movies"], [0, 0, GOOD_AND_BAD, 1, NAN], rtol=1e-6)
    np.testing.assert_allclose(method.positivity["tracks"], [1, 0.18, 0.82, 0], atol=0.03)
    assert method.facts["tracks"]["from_lyrics"] == 2
    assert method.facts["movies"]["from_texts"] == 2


def test_the_nearer_the_positivity_the_higher_and_unknown_is_never_a_match(
    by_hand: SpotiflixSentiment,
) -> None:
    films = by_hand.scores("tracks", np.array([0, 1, 2]), "movies")
    expected = [[1 / 1.5, 1, 0, 1 / 1.5], [0, 0, 0, 0], [1 / 1.75, 1 / 1.25, 0, 1 / 1.25]]
    np.testing.assert_allclose(films, expected, rtol=1e-6)
    songs = by_hand.scores("movies", np.array([0, 2]), "tracks")
    np.testing.assert_allclose(songs, [[1 / 1.5, 0, 1 / 1.75], [0, 0, 0]], rtol=1e-6)
    alike = by_hand.scores("movies", np.array([3]), "movies")
    np.testing.assert_allclose(alike, [[0.5, 1 / 1.5, 0, 1]], rtol=1e-6)
    alike = by_hand.scores("tracks", np.array([2]), "tracks")
    np.testing.assert_allclose(alike, [[1 / 1.25, 0, 1]], rtol=1e-6)


def test_the_happy_song_gets_the_good_film(material: Material) -> None:
    scores = SpotiflixSentiment.fit(material).scores("tracks", np.array([1, 2]), "movies")
    assert scores.dtype == np.float32
    assert np.argsort(-scores, axis=1, kind="stable")[:, :3].tolist() == [[1, 2, 0], [0, 2, 1]]


def test_what_is_needed_is_asked_for(
    make_material: MakeMaterial, write_table: WriteTable, song: Song, tracks: list[dict[str, Any]]
) -> None:
    with pytest.raises(MissingMaterial, match="song_positivity"):
        SpotiflixSentiment.fit(make_material(MOVIES, tracks, {}))
    path = write_table("s.csv", [song()])
    with pytest.raises(MissingColumn, match="pos_percent"):
        SpotiflixSentiment.fit(make_material(MOVIES, tracks, {"song_positivity": path}))
    path = write_table("s.csv", [song() | {"pos_percent": 0.5}, song() | {"pos_percent": 55}])
    with pytest.raises(UnreadableFile, match="1 usable rows"):
        SpotiflixSentiment.fit(make_material(MOVIES, tracks, {"song_positivity": path}))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_what_is_written_opens_as_it_was(material: Material, tmp_path: Path) -> None:
    method = SpotiflixSentiment.fit(material)
    method.write(tmp_path / "one")
    SpotiflixSentiment.fit(material).write(tmp_path / "two")
    opened = SpotiflixSentiment.open(tmp_path / "one")
    opened.write(tmp_path / "three")
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(tmp_path / "three")
    assert set(contents(tmp_path / "one")) == {"fitted.json", "movies.npy", "tracks.npy"}
    assert opened.facts == method.facts
    rows, media = np.array([0, 2]), get_args(Medium)
    for source, target in [(source, target) for source in media for target in media]:
        np.testing.assert_array_equal(
            opened.scores(source, rows, target), method.scores(source, rows, target), strict=True
        )


@pytest.mark.parametrize("name", ["fitted.json", "movies.npy", "tracks.npy"])
def test_a_damaged_file_is_named(by_hand: SpotiflixSentiment, tmp_path: Path, name: str) -> None:
    by_hand.write(tmp_path / "method")
    path = tmp_path / "method" / name
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"[1, 2]"):
        path.write_bytes(damaged)
        with pytest.raises(VersionDamaged, match=name):
            SpotiflixSentiment.open(tmp_path / "method")
    path.unlink()
    with pytest.raises(VersionDamaged, match=name):
        SpotiflixSentiment.open(tmp_path / "method")


@pytest.mark.parametrize(("there", "then"), [(b")", b" "), (b",)", b"9)"), (b"'descr'", b"'des\n''")])
def test_an_altered_header_is_damage(
    by_hand: SpotiflixSentiment, tmp_path: Path, there: bytes, then: bytes
) -> None:
    by_hand.write(tmp_path / "method")
    path = tmp_path / "method" / "movies.npy"
    whole = path.read_bytes()
    assert there in whole
    path.write_bytes(whole.replace(there, then, 1))
    with pytest.raises(VersionDamaged, match=r"movies\.npy"):
        SpotiflixSentiment.open(tmp_path / "method")


@pytest.mark.parametrize("values", [np.array([0.5, 1.5], "f4"), np.array([0.5]), np.zeros((2, 2), "f4")])
def test_values_that_were_never_written_are_damage(
    by_hand: SpotiflixSentiment, tmp_path: Path, values: np.ndarray
) -> None:
    by_hand.write(tmp_path / "method")
    np.save(tmp_path / "method" / "movies.npy", values)
    with pytest.raises(VersionDamaged, match=r"movies\.npy"):
        SpotiflixSentiment.open(tmp_path / "method")


def test_opening_and_scoring_need_numpy_alone(by_hand: SpotiflixSentiment, tmp_path: Path) -> None:
    by_hand.write(tmp_path / "method")
    code = f"""
import json, sys
from pathlib import Path
import numpy as np
from indexer.methods.spotiflix_sentiment import SpotiflixSentiment
scores = SpotiflixSentiment.open(Path({str(tmp_path / "method")!r})).scores("tracks", np.array([0]), "movies")
print(json.dumps([scores[0].round(3).tolist(), sorted({{name.split(".")[0] for name in sys.modules}})]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    scores, modules = json.loads(done.stdout)
    assert scores == pytest.approx([0.667, 1.0, 0.0, 0.667])
    assert set(modules) & {"torch", "sklearn", "scipy", "pandas", "vaderSentiment", "requests"} == set()


def test_audio_says_a_little_about_lyrics(make_material: MakeMaterial) -> None:
    path = DATA / "spotiflix_song_positivity_4k.csv"
    if not path.exists():
        pytest.skip(f"the shared data set {path.name} is not here")
    facts = SpotiflixSentiment.fit(make_material([{}], [{}], {"song_positivity": path})).facts["regression"]
    assert facts["split_by"] == "artist"
    assert 0.03 < facts["validation"]["r2"] < 0.15
    assert facts["validation"]["mae"] < facts["validation"]["constant_mae"]
