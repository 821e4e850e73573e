"""SpotiFlix by clusters, on three kinds of music that are plainly apart."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.catalogue.records import Medium
from indexer.errors import MissingMaterial, UnreadableFile, UnsupportedQuery, VersionDamaged
from indexer.methods.method import Material
from indexer.methods.spotiflix_clusters import SpotiflixClusters

ROOT = Path(__file__).resolve().parents[2]

MakeMaterial = Callable[..., Material]
Song = Callable[..., dict[str, float]]
WriteTable = Callable[[str, Any], Path]

NAN = float("nan")
#: Soundtracks are at 0.1 in everything; happy ones at 0.9 in valence, loud ones at 0.9 in energy. Centroids of
#: sad and happy, and of sad and loud, are 0.8 apart, those of happy and loud 0.8 · √2.
KINDS: dict[str, dict[str, float]] = {"sad": {}, "happy": {"valence": 0.9}, "loud": {"energy": 0.9}}
ONE_OFF, TWO_OFF = 1 / 1.8, 1 / (1 + 0.8 * 2**0.5)
#: Title, original title, votes; the kinds of soundtrack songs of the third are both sad and loud.
MOVIES = [
    {"title": "Tears", "votes": 10.0},
    {"title": "Tears", "votes": 900.0},
    {"title": "Sun & Moon", "votes": NAN},
    {"title": "The Engine", "original_title": "La Máquina", "votes": 5.0},
    {"title": "Silent", "votes": 5000.0},
]
SOUNDTRACKS = [("tears", "sad"), ("Sun and Moon", "happy"), ("La maquina", "loud"), ("La maquina", "sad")]
#: Scores of the five films for a song of each kind.
FILMS = {
    "sad": [0, 1, ONE_OFF, 1, 0],
    "happy": [0, ONE_OFF, 1, ONE_OFF, 0],
    "loud": [0, ONE_OFF, TWO_OFF, 1, 0],
}


@pytest.fixture
def files(write_table: WriteTable, song: Song) -> dict[str, Path]:
    """Clips of each kind, all alike within it, a little off the soundtracks; 40 of a series nobody has."""
    clips = [song(0.15, **named) for named in KINDS.values() for _ in range(60)]
    heard = [{"movie_name": film, **song(0.1, **KINDS[kind])} for film, kind in SOUNDTRACKS]
    heard += [{"movie_name": "A Series", **song(0.1, **KINDS[kind])} for kind in ("happy", "loud") * 20]
    heard += [{"movie_name": "Tears", **song(0.1), "valence": ""}]
    return {
        "clip_features": write_table("clips.csv", clips),
        "soundtrack_features": write_table("soundtracks.csv", heard),
    }


@pytest.fixture
def tracks(song: Song) -> list[dict[str, Any]]:
    """One song of each kind, and one whose energy is unknown."""
    return [*(song(0.12, **named) for named in KINDS.values()), song(0.1, energy=NAN)]


@pytest.fixture
def material(make_material: MakeMaterial, tracks: list[dict[str, Any]], files: dict[str, Path]) -> Material:
    return make_material(MOVIES, tracks, files)


@pytest.fixture
def by_hand() -> SpotiflixClusters:
    """Two song clusters, translated crosswise to two soundtrack clusters 3 apart; film 1 has both, film 3 one."""
    arrays = {
        "track_clusters": np.array([0, 1, -1]),
        "translation": np.array([1, 0]),
        "distances": np.array([[0, 3], [3, 0]], dtype=np.float32),
        "film_rows": np.array([1, 3]),
        "film_starts": np.array([0, 2]),
        "film_clusters": np.array([0, 1, 0]),
        "counts": np.array([4, 3]),
    }
    return SpotiflixClusters(arrays, {"films": {"known": 2}})


def test_a_song_gets_the_films_with_its_kind_of_music(material: Material) -> None:
    scores = SpotiflixClusters.fit(material).scores("tracks", np.array([0, 1, 2, 3]), "movies")
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, [*FILMS.values(), [0] * 5], rtol=1e-5)


def test_a_film_gets_the_songs_of_its_kind_of_music(material: Material) -> None:
    scores = SpotiflixClusters.fit(material).scores("movies", np.arange(5), "tracks")
    expected = np.array([*FILMS.values(), [0] * 5]).T
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_facts_say_how_the_fit_went_beside_the_published_figures(material: Material) -> None:
    facts = SpotiflixClusters.fit(material).facts
    assert facts["paper"] == {
        "songs_silhouette": 0.13,
        "soundtracks_silhouette": 0.30,
        "validation_accuracy": 0.82,
    }
    # All songs of a kind are alike: every silhouette is 1 and no song is off its centroid.
    tight = {"clusters": 3, "silhouette": 1.0, "spread": 0.0}
    assert facts["songs"].items() >= ({"from": "clip_features", "rows": 180} | tight).items()
    assert facts["soundtracks"].items() >= ({"dropped_rows": 1, "rows": 44} | tight).items()
    assert (facts["network"]["validation_rows"], facts["network"]["training_rows"]) == (27, 153)
    assert facts["network"]["validation_accuracy"] == 1.0
    assert facts["network"]["agrees_with_nearest_centroid"] == 1.0
    assert facts["films"] == {"names": 4, "unmatched": 1, "ambiguous": 1, "films": 5, "known": 3}
    assert facts["tracks"] == {"tracks": 4, "unknown": 1}


def test_without_clips_the_catalogues_songs_are_clustered(
    make_material: MakeMaterial, tracks: list[dict[str, Any]], files: dict[str, Path]
) -> None:
    given = {"soundtrack_features": files["soundtrack_features"]}
    method = SpotiflixClusters.fit(make_material(MOVIES, tracks * 60, given))
    assert method.facts["songs"]["from"] == "catalogue"
    assert (method.facts["songs"]["rows"], method.facts["songs"]["clusters"]) == (180, 3)
    scores = method.scores("tracks", np.array([0, 1, 2, 3, 4]), "movies")
    np.testing.assert_allclose(scores, [*FILMS.values(), [0] * 5, FILMS["sad"]], rtol=1e-5)


def test_clusters_are_at_most_half_as_many_as_songs(
    make_material: MakeMaterial, write_table: WriteTable, files: dict[str, Path], song: Song
) -> None:
    clips = [song(at / 10) for at in range(9)]
    method = SpotiflixClusters.fit(
        make_material(MOVIES, [song()], files | {"clip_features": write_table("few.csv", clips)})
    )
    assert method.facts["songs"]["clusters"] == 4


def test_a_catalogue_without_any_of_the_films_knows_none(
    make_material: MakeMaterial, tracks: list[dict[str, Any]], files: dict[str, Path]
) -> None:
    method = SpotiflixClusters.fit(make_material([{"title": "Other"}], tracks, files))
    assert (method.facts["films"]["known"], method.facts["films"]["unmatched"]) == (0, 4)
    assert method.scores("tracks", np.array([0, 3]), "movies").tolist() == [[0], [0]]
    assert method.scores("movies", np.array([0]), "tracks").tolist() == [[0, 0, 0, 0]]


def test_scores_by_hand(by_hand: SpotiflixClusters) -> None:
    # Song 0 is translated to cluster 1, which film 1 has and film 3 is 3 away from: 1 / (1 + 3).
    films = by_hand.scores("tracks", np.array([2, 0, 1]), "movies")
    assert films.tolist() == [[0, 0, 0, 0], [0, 1, 0, 0.25], [0, 1, 0, 1]]
    songs = by_hand.scores("movies", np.array([3, 0, 1]), "tracks")
    assert songs.tolist() == [[0.25, 1, 0], [0, 0, 0], [1, 1, 0]]
    assert by_hand.scores("tracks", np.array([], dtype=np.int64), "movies").shape == (0, 4)


@pytest.mark.parametrize("medium", ["movies", "tracks"])
def test_within_a_medium_it_has_no_answer(by_hand: SpotiflixClusters, medium: Medium) -> None:
    with pytest.raises(UnsupportedQuery, match=f"not {medium} with {medium}") as refusal:
        by_hand.scores(medium, np.array([0]), medium)
    assert refusal.value.field == "target"


def test_what_is_needed_is_asked_for(
    make_material: MakeMaterial,
    write_table: WriteTable,
    song: Song,
    tracks: list[dict[str, Any]],
    files: dict[str, Path],
) -> None:
    with pytest.raises(MissingMaterial, match="soundtrack_features"):
        SpotiflixClusters.fit(make_material(MOVIES, tracks, {"clip_features": files["clip_features"]}))
    with pytest.raises(MissingMaterial, match="clip_features: not given"):
        only = {"soundtrack_features": files["soundtrack_features"]}
        SpotiflixClusters.fit(make_material(MOVIES, tracks, only))  # three songs with features
    few = write_table("few.csv", [{"movie_name": "Tears", **song()}] * 3)
    for setting in ("clip_features", "soundtrack_features"):
        with pytest.raises(UnreadableFile, match=r"few\.csv: fewer than 4 usable rows"):
            SpotiflixClusters.fit(make_material(MOVIES, tracks, files | {setting: few}))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_what_is_written_opens_as_it_was(material: Material, tmp_path: Path) -> None:
    method = SpotiflixClusters.fit(material)
    method.write(tmp_path / "one")
    SpotiflixClusters.fit(material).write(tmp_path / "two")
    opened = SpotiflixClusters.open(tmp_path / "one")
    opened.write(tmp_path / "three")
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(tmp_path / "three")
    assert {Path(name).suffix for name in contents(tmp_path / "one")} == {".json", ".npy"}
    assert opened.facts == method.facts
    ways: list[tuple[Medium, Medium]] = [("tracks", "movies"), ("movies", "tracks")]
    for source, target in ways:
        rows = np.arange(4)
        np.testing.assert_array_equal(
            opened.scores(source, rows, target), method.scores(source, rows, target), strict=True
        )


def test_any_damaged_file_is_named(by_hand: SpotiflixClusters, tmp_path: Path) -> None:
    folder = tmp_path / "method"
    by_hand.write(folder)
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for damaged in (b"", whole[: len(whole) // 2], b"[1, 2]"):
            path.write_bytes(damaged)
            with pytest.raises(VersionDamaged, match=path.name):
                SpotiflixClusters.open(folder)
        path.unlink()
        with pytest.raises(VersionDamaged, match=path.name):
            SpotiflixClusters.open(folder)
        path.write_bytes(whole)
    assert SpotiflixClusters.open(folder).facts == {"films": {"known": 2}}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("track_clusters", [0, 2, -1]),
        ("track_clusters", [0, 1]),
        ("translation", [1, -1]),
        ("film_rows", [3, 1]),
        ("film_rows", [1, 4]),
        ("film_starts", [1, 2]),
        ("film_starts", [0, 3]),
        ("film_starts", [0]),
        ("film_clusters", [0, 1, 2]),
        ("counts", [4]),
    ],
)
def test_arrays_that_point_outside_each_other_are_damage(
    by_hand: SpotiflixClusters, tmp_path: Path, name: str, values: list[int]
) -> None:
    by_hand.write(tmp_path / "method")
    np.save(tmp_path / "method" / f"{name}.npy", np.array(values, dtype=np.int64))
    with pytest.raises(VersionDamaged, match=name):
        SpotiflixClusters.open(tmp_path / "method")


@pytest.mark.parametrize("values", [np.zeros((2, 3), "f4"), np.full((2, 2), -1, "f4"), np.zeros((2, 2))])
def test_distances_that_were_never_written_are_damage(
    by_hand: SpotiflixClusters, tmp_path: Path, values: np.ndarray
) -> None:
    by_hand.write(tmp_path / "method")
    np.save(tmp_path / "method" / "distances.npy", values)
    with pytest.raises(VersionDamaged, match="distances"):
        SpotiflixClusters.open(tmp_path / "method")


def test_opening_and_scoring_need_numpy_alone(by_hand: SpotiflixClusters, tmp_path: Path) -> None:
    by_hand.write(tmp_path / "method")
    code = f"""
import json, sys
from pathlib import Path
import numpy as np
from indexer.methods.spotiflix_clusters import SpotiflixClusters
method = SpotiflixClusters.open(Path({str(tmp_path / "method")!r}))
scores = [method.scores("tracks", np.array([0]), "movies"), method.scores("movies", np.array([3]), "tracks")]
modules = sorted({{name.split(".")[0] for name in sys.modules}})
print(json.dumps([scores[0].tolist(), scores[1].tolist(), modules]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    films, songs, modules = json.loads(done.stdout)
    assert (films, songs) == ([[0, 1, 0, 0.25]], [[0.25, 1, 0]])
    assert set(modules) & {"torch", "sklearn", "scipy", "pandas", "threadpoolctl", "rapidfuzz"} == set()
